"""What cannot go on, in one line that says what to do."""

import errno
import shlex
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from deadpan.errors import DeadpanError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
IN_THE_WAY = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR}


class Shown(Exception):
    """A text that answers the command, such as its help, in place of running it."""


def one_line(text: str) -> str:
    """The text without line breaks or what else could steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def os_failure(error: OSError, then: str = "and run the command again") -> str:
    """What the system refused, and what to do.

    Args:
        error: as the system raised it.
        then: how to go on once the cause is gone.
    """
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in FULL:
        return f"{where}the disk is full; free some space {then}"
    if error.errno in FORBIDDEN:
        return f"{where}no permission; change its rights or choose another place {then}"
    if error.errno in IN_THE_WAY:
        return f"{where}is in the way (a file for a directory, or the reverse); choose another path"
    return f"{where}{error.strerror or error}; choose another path {then}"


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
