"""The errors that a user can mend, in contrast to our own bugs."""

import difflib
import errno
from collections.abc import Iterable

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
IN_THE_WAY = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR}


class DeadpanError(Exception):
    """Something the user can mend: one line saying what was got, what was wanted and what to do.

    The command line prints it after ``deadpan: error:`` and leaves with exit status 2. Anything
    else that escapes is a defect of ours and keeps its traceback.

    Args:
        message: the line; breaks in it, which a file's content may bring, become spaces.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(" ".join(message.splitlines()))


class DataError(DeadpanError):
    """A file or data set that cannot be used; the message names the path and the reason."""


class RunError(DeadpanError):
    """A run directory that is missing, incomplete, or in the way."""


def unknown_name(kind: str, name: str, names: Iterable[str]) -> str:
    """The error for an unknown name: ``unknown model 'HTCMG'; did you mean 'HCTMG'? known: ...``.

    Args:
        kind: what the name stands for, as a noun ("model", "data set", "option of HCTMG").
        name: the name that was given.
        names: every name that would have been right.
    """
    names = sorted(names)
    by_lower = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    hint = f"did you mean '{by_lower[near[0]]}'? " if near else ""
    return f"unknown {kind} '{name}'; {hint}known: {', '.join(names) or 'none'}"


def count_of(number: int, noun: str, plural: str = "") -> str:
    """Format a number with its noun: ``1 clip``, ``1,200 clips``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def os_failure(error: OSError, then: str = "and run the command again") -> str:
    """The error for a refusal of the operating system: what was refused, and what to do.

    Args:
        error: as the system raised it.
        then: how to go on once the cause is gone.
    """
    prefix = f"{error.filename}: " if error.filename else ""
    if error.errno in FULL:
        return f"{prefix}the disk is full; free some space {then}"
    if error.errno in FORBIDDEN:
        return f"{prefix}no permission; change its rights or choose another place {then}"
    if error.errno in IN_THE_WAY:
        return (
            f"{prefix}is in the way (a file for a directory, or the reverse); choose another path"
        )
    return f"{prefix}{error.strerror or error}; choose another path {then}"
