"""``deadpan explain``: what a finished run attends to in a clip."""

from collections.abc import Sequence
from typing import Literal

import deadpan
from deadpan.cli.parsers import parse, parser_of


def explain(arguments: Sequence[str]) -> None:
    """Write the figures, tables and page of a clip, and say where the page is."""
    parser = parser_of(
        "explain",
        "RUN [RUN ...] [--clip ID] [--against RUN] [--source M] [--target M] [--method METHOD] "
        "[--out FOLDER]",
        "What a finished run attends to in a clip, as figures for papers (PNG, SVG), tables (CSV, "
        "JSON) and one HTML page. Clips are of its test split if it was evaluated, else of the "
        "validation split.",
    )
    parser.add_argument(
        "runs", type=str, nargs="+", help="a finished run; further seeds of it, for their gates"
    )
    parser.add_argument(
        "--clip",
        type=str | None,
        help="an id; default the clip whose modalities disagree most among those predicted well",
    )
    parser.add_argument("--against", type=str | None, help="another run of the same data")
    parser.add_argument("--source", type=str | None, help="the modality attended to (vision)")
    parser.add_argument("--target", type=str | None, help="the modality that attends (text)")
    parser.add_argument(
        "--method",
        type=Literal["attention", "rollout", "gradient"],
        default="attention",
        help="how salience is read from attention",
    )
    parser.add_argument("--out", type=str | None, help="a folder; default RUN/explain")
    given = parse(parser, arguments)
    run, *seeds = given.pop("runs")
    print(deadpan.explain(run, seeds=seeds, **given))
