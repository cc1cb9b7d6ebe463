"""What a command prints: results on stdout, remarks on stderr, how to continue when interrupted."""

import json
import os
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from deadpan.errors import DeadpanError, os_failure

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

WIDTH = 100
"""Columns of output that goes to no terminal."""


class Reply(Exception):
    """A text that is printed in place of running the command, such as its help."""


def open_closed_streams() -> None:
    """Give the numbers of closed standard streams to nothing: else the next file would have them.

    A closed stderr becomes one that nobody reads; ``sys.stdout`` stays None.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison] - closed by the shell
        sys.stderr = os.fdopen(2, "w", closefd=False)


def abandon(stream: TextIO | TextIOBase) -> None:
    """Point a stream at nothing if it cannot be flushed: Python would complain on leaving."""
    try:
        stream.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Remarks:
    """Stderr: what it does not take, because its reader has left or its disk is full, is lost."""

    def __init__(self, stream: TextIO | TextIOBase) -> None:
        """Write to this stream."""
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, if that is possible."""
        try:
            return self._stream.write(text)
        except OSError:
            abandon(self._stream)
            return len(text)

    def flush(self) -> None:
        """Write what is left, if that is possible."""
        abandon(self._stream)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the stream has it
        """All else is the stream's."""
        return getattr(self._stream, name)


def run_script(name: str, main: Callable[[], None]) -> None:
    """Run a script of the studies as a command is run: what the user can mend is one line.

    Its exit status is 2 then, and 130 after an interrupt, which may say itself how to go on.

    Args:
        name: of the script, before its errors.
        main: the script.
    """
    try:
        main()
    except (DeadpanError, OSError) as error:
        text = os_failure(error) if isinstance(error, OSError) else str(error)
        print(one_line(f"{name}: error: {text}"), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as interrupt:
        text = str(interrupt) or f"{name}: interrupted; go on with the same command"
        print(text, file=sys.stderr)
        sys.exit(130)


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
    try:
        console.print(content, crop=False)  # an address may be longer than a line
    except SystemExit:  # with which rich answers that the reader has left
        raise BrokenPipeError from None


def numbers_table(title: str | None, first: str, *others: str) -> "Table":
    """A table without rows: a column of names, and to its right one of numbers for each other."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", header_style="bold")
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(Text(name), justify="right", overflow="fold")
    return table


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
