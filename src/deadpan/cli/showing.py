"""How a command answers: tables and JSON on stdout, remarks on stderr."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console, RenderableType

WIDTH = 100
"""Columns of a table that no terminal limits."""


def show(what: RenderableType) -> None:
    """Print a table or a text, as wide as the terminal."""
    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(what, crop=False)  # an address may be longer than a line


def show_json(value: object) -> None:
    """Print a value for other programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def write_table(file: Path, rows: Sequence[Mapping[str, object]], what: str) -> None:
    """Write rows as CSV, whole or not at all, and note how many of ``what`` there are."""
    from deadpan.files import write_csv

    replaced = " (replaced)" if file.exists() else ""
    try:
        write_csv(file, rows)
    except OSError as error:
        error.filename = str(file)  # not the file it is written as, before it is renamed
        raise
    note(f"{file}: {len(rows):,} {what}{replaced}")


def note(line: str) -> None:
    """Print a remark that is no part of the answer."""
    print(line, file=sys.stderr)
