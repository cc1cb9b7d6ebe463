"""How a command answers: tables and JSON on stdout, remarks on stderr."""

import json
import sys

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


def note(line: str) -> None:
    """Print a remark that is no part of the answer."""
    print(line, file=sys.stderr)
