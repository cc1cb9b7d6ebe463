"""A finished run as one file that predicts without it."""

from collections.abc import Sequence
from typing import Literal

import deadpan
from deadpan.cli.parsers import parse, parser_of


def export(arguments: Sequence[str]) -> None:
    """Write a finished run's model as one file."""
    parser = parser_of(
        "export",
        "RUN [--format onnx|torch] [--int8] [--out FILE]",
        "A finished run's model, normalisation included, as one file that needs no deadpan: ONNX "
        "for onnxruntime, or a torch.export program. It is checked against the model on random "
        "clips before it is kept.",
    )
    parser.add_argument("run", type=str, help="the directory of a finished run")
    parser.add_argument(
        "--format", type=Literal["onnx", "torch"], default="onnx", help="of the file"
    )
    parser.add_argument("--int8", action="store_true", help="keep large weights as int8; ONNX only")
    parser.add_argument("--out", type=str | None, help="the file to write; default: in RUN")
    given = parse(parser, arguments)
    made = deadpan.export(
        given["run"], format=given["format"], int8=given["int8"], out=given["out"]
    )
    print(f"{made.path}: {made.size / 1e6:,.2f} MB")
    told = f"on random clips it differs from the model by at most {made.deviation:.1e}"
    if given["int8"]:
        told += f", outputs having a standard deviation of {made.spread:.1e}"
    print(told)
