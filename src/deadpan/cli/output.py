"""What a command prints: results on stdout, remarks on stderr, how to continue when interrupted."""

import json
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deadpan.errors import DeadpanError, os_failure

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH = 100
"""Columns of output that goes to no terminal."""


class Reply(Exception):
    """A text that is printed in place of running the command, such as its help."""


def one_line(text: str) -> str:
    """Replace line breaks, and all else that could steer a terminal, by spaces."""
    return "".join(c if c.isprintable() else " " for c in text)


def show(content: "RenderableType", *, width: int | None = None) -> None:
    """Print a table or a text.

    Args:
        content: what to print.
        width: the most columns to use; None = those of the terminal, or ``WIDTH`` without one.
    """
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = width or WIDTH
    elif width:
        console.width = min(console.width, width)
    console.print(content, crop=False)  # an address may be longer than a line


def show_json(value: object) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def write_table(file: Path, rows: Sequence[Mapping[str, object]], noun: str) -> None:
    """Write rows as CSV, whole or not at all, and print a remark: how many, of which ``noun``."""
    from deadpan.files import write_csv

    replaced = " (replaced)" if file.exists() else ""
    try:
        write_csv(file, rows)
    except OSError as error:
        error.filename = str(file)  # not the temporary file
        raise
    note(f"{file}: {len(rows):,} {noun}{replaced}")


def note(line: str) -> None:
    """Print a remark that is no part of the result."""
    print(line, file=sys.stderr)


@contextmanager
def resumable(command: str, proof: Path | None = None) -> Generator[None, None, None]:
    """Say how to continue what was interrupted, or what the system refused half-way.

    Args:
        command: the command that continues.
        proof: a file that is there once there is something to continue; None = there always is.

    Raises:
        DeadpanError: the system refused something.
        KeyboardInterrupt: the user stopped it; the text is a line to print.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        then = f"and go on with: {command}" if _exists(proof) else "and run the command again"
        raise DeadpanError(os_failure(error, then)) from error
    except KeyboardInterrupt:
        rest = f"go on with: {command}" if _exists(proof) else "nothing was written"
        raise KeyboardInterrupt(f"interrupted; {rest}") from None


def _exists(proof: Path | None) -> bool:
    try:
        return proof is None or proof.is_file()
    except OSError:
        return False
