"""Locks: of two processes that would write the same, one goes on and the other is told."""

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from deadpan.errors import DeadpanError

LOCK = ".lock"
"""Name of the lock of a folder, inside it."""


def beside(path: Path) -> Path:
    """The lock of a file or folder that may not be there yet."""
    return path.with_name(f".{path.name}{LOCK}")


@contextmanager
def alone(
    lock: Path, command: str = "deadpan", *, busy: Callable[[], None] | None = None
) -> Generator[None, None, None]:
    """Hold a lock, which ends with this process however that ends; its file goes with it.

    A thread that holds the lock may take it again.

    Args:
        lock: its file: ``LOCK`` in a folder, or what :func:`beside` gives.
        command: the other process, as the error names it.
        busy: called where another process holds the lock, which is then waited for; None = refuse.

    Raises:
        DeadpanError: another process holds it, and ``busy`` is None.
    """
    file_lock = FileLock(lock, is_singleton=True)
    try:
        file_lock.acquire(blocking=False)
    except Timeout:
        if busy is None:
            path = lock.parent / lock.name.removesuffix(LOCK)[1:]
            raise DeadpanError(
                f"{path}: another '{command}' works there; wait for it and run the command again"
            ) from None
        busy()
        file_lock.acquire()
    try:
        yield
    finally:
        # While it is held: whoever waits for it then sees that the file is gone, and makes another.
        if file_lock.lock_counter == 1:
            with suppress(OSError):  # gone with its folder; Windows removes it on release
                lock.unlink()
        file_lock.release()
