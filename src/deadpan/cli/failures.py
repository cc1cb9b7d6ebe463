"""What cannot go on, in one line that says what to do."""

import shlex
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from deadpan.errors import DeadpanError, os_failure


class Shown(Exception):
    """A text that answers the command, such as its help, in place of running it."""


def one_line(text: str) -> str:
    """The text without line breaks or what else could steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


@contextmanager
def resumable(run: Path, command: str) -> Generator[None, None, None]:
    """Say how to go on where a run stops half-way.

    Args:
        run: its directory.
        command: goes on with it.

    Raises:
        DeadpanError: the system refused something.
        KeyboardInterrupt: the user stopped it, with a line to show.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        then = f"and go on with: {command}" if _begun(run) else "and run the command again"
        raise DeadpanError(os_failure(error, then)) from error
    except KeyboardInterrupt:
        kept = f"go on with: {command}" if _begun(run) else "no run was made"
        raise KeyboardInterrupt(f"interrupted; {kept}") from None


def resume_command(run: Path) -> str:
    """What goes on with a run, ready to paste."""
    return f"deadpan train --resume --out {shlex.quote(str(run))}"


def _begun(run: Path) -> bool:
    try:
        return (run / "config.yaml").is_file()
    except OSError:
        return False
