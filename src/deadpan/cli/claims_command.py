"""``deadpan claims``: the paper's claims, tested, with the progress of the runs."""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType

import deadpan
from deadpan.cli.benchmark_command import add_grid_options, watching
from deadpan.cli.parsers import parse, parser_of
from deadpan.cli.showing import note, show
from deadpan.errors import DeadpanError
from deadpan.files import home_path

if TYPE_CHECKING:
    from deadpan.replication.page import Page


def claims(arguments: Sequence[str]) -> None:
    """Run the study of the claims and write its page."""
    parser = parser_of(
        "claims",
        "[--config FILE] [--out DIR] [--workers N] [--only DATA,DATA] [--full] [--resume]",
        "Test what the paper claims: train its systems where the truth is known and on real clips, "
        "measure them, and say of each claim whether it holds.",
    )
    parser.add_argument(
        "--config", type=str, default="configs/claims.yaml", help="the study: its sizes and systems"
    )
    parser.add_argument("--out", type=str, default="runs/claims", help="a directory")
    add_grid_options(parser)
    given = parse(parser, arguments)
    out = home_path(given["out"])
    kept = [argument for argument in arguments if argument != "--resume"]
    again = f"deadpan claims {shlex.join([*kept, '--resume'])}"
    try:
        with watching() as watch:
            page = deadpan.claims(
                given["config"],
                out=out,
                workers=given["workers"],
                only=[name.strip() for name in (given["only"] or "").split(",") if name.strip()],
                full=given["full"],
                resume=given["resume"],
                watch=watch,
            )
    except KeyboardInterrupt:
        begun = (out / "claims.yaml").is_file()
        raise KeyboardInterrupt(
            f"interrupted; {f'go on with: {again}' if begun else 'nothing was made'}"
        ) from None
    show(_screen(page))
    for name, why in page.evidence.plan.skipped.items():
        note(f"{name}: skipped, {why}")
    note(f"{out}/claims.html, .md, .csv, .json")
    if page.failures:
        first = next(iter(page.failures.values()))
        raise DeadpanError(
            f"{len(page.failures)} runs gave no result (first: {first}); all in {out}/claims.json; "
            f"once mended, go on with: {again}"
        )


def _screen(page: "Page") -> RenderableType:
    """The verdicts; the page has the tests."""
    from rich.table import Table
    from rich.text import Text

    from deadpan.replication.texts import effect_text, p_text

    shown = Table(header_style="bold")
    for heading in ("claim", "verdict", "effect, 95 % interval", "p"):
        shown.add_column(heading)
    for told in page.claims:
        found = told.claim.deciding
        effect = effect_text(found) if found and not found.missing else "-"
        shown.add_row(*map(Text, (told.claim.key, told.verdict, effect, p_text(told.p))))
    return shown
