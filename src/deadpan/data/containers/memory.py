"""The bound on the memory that reading files may take: a multiple of their size.

A small file can stand for much: compressed zeros, a list that is referred to a thousand times, a
million empty lists. Who reads a file opens it with ``open_file``, which adds its size to the bound,
and charges what it is about to make. All that is read within one ``memory_bound`` shares the bound,
so that a folder of a thousand files may take no more than one file of their size.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from deadpan.errors import DataError, count_of

MULTIPLE = 32
"""Bytes of memory per byte of the files. The words of a pickle or of a table, and its whole numbers
below 10 or 256, take up to 30 times what the file spends on them, arrays up to 4 times, as float32
of bytes; compressed features that are no constant take up to 20 times."""
CONSTANT = 128 << 20
"""Bytes of memory that files of any size may take: constants compress a thousandfold."""


class MemoryBoundError(Exception):
    """The bound is reached; ``memory_bound`` turns it into a DataError that names the source.

    It is no DataError itself: readers add to those where in a file they were.
    """


class _Bound:
    """The bound of one source, and what was charged to it so far."""

    def __init__(self) -> None:
        self._paths: set[Path] = set()
        self._size = 0
        self._used = 0

    def add_file(self, path: Path) -> None:
        """Count the size of a file, once."""
        if path not in self._paths:
            self._paths.add(path)
            self._size += path.stat().st_size

    def charge(self, count: int) -> None:
        self._used += count
        if self._used > MULTIPLE * self._size + CONSTANT:
            raise MemoryBoundError(
                f"{self._size:,} bytes in {count_of(len(self._paths), 'file')} stand for more than "
                f"{MULTIPLE * self._size + CONSTANT:,} bytes of memory ({MULTIPLE} times their "
                f"size and {CONSTANT >> 20} MB), as damaged files do; if they are sound, save "
                f"features as .npy, one array a file, without compression or repetitions"
            )


_current: ContextVar[_Bound | None] = ContextVar("memory_bound", default=None)
"""The bound of the data set that is being read: formats and containers need not hand it on."""


@contextmanager
def memory_bound(source: str | Path) -> Generator[None, None, None]:
    """Hold all that is read within to one bound; within another such block, to that block's.

    Args:
        source: what is read, for the message.

    Raises:
        DataError: the files stand for more memory than the bound.
    """
    if _current.get() is not None:
        yield
        return
    token = _current.set(_Bound())
    try:
        yield
    except MemoryBoundError as error:
        raise DataError(f"{source}: {error}") from None
    finally:
        _current.reset(token)


def count_file(path: Path) -> None:
    """Let the bound grow with the size of a file that is being read."""
    if (bound := _current.get()) is not None:
        bound.add_file(path)


def charge(count: int) -> None:
    """Charge bytes that are about to be allocated; MemoryBoundError if they pass the bound.

    A negative count gives back what was freed while the source is still being read. What is read
    outside a ``memory_bound`` is not bounded.
    """
    if (bound := _current.get()) is not None:
        bound.charge(count)
