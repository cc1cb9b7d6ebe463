"""Data sets of any layout, written as stores."""

from collections.abc import Sequence

import deadpan
from deadpan.cli.parsers import add_data_options, parse, parser_of
from deadpan.options import home_path


def data_convert(arguments: Sequence[str]) -> None:
    """Write a data set as a store."""
    parser = parser_of(
        "data convert",
        "NAME_OR_PATH OUT [--data_options.OPTION VALUE ...]",
        "Write a data set as one file without padding, which opens in a moment and from which "
        "training is the same.",
    )
    parser.add_argument("name_or_path", type=str, help="a data set's name or a path")
    parser.add_argument("out", type=str, help="the file to write, usually NAME.safetensors")
    add_data_options(parser)
    given = parse(parser, arguments)
    dataset = deadpan.convert(given["name_or_path"], given["out"], **given["data_options"])
    size = home_path(given["out"]).stat().st_size
    clips = sum(len(split) for split in dataset.splits.values())
    print(f"{given['out']}: {clips:,} clips, {size / 1e6:,.1f} MB")
