"""Work on a stream of items in a thread of its own."""

from collections.abc import Callable
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")

WAITING = 8
"""Items that may wait: frames are large, and what waits longer is no faster."""


class Stage(Generic[Item]):
    """A thread that takes items one after the other, in the order in which they are put.

    What it raises is raised where the next item is put or where the ``with`` block ends, at the
    end of which all items were taken.

    Args:
        take: is called with each item.
    """

    def __init__(self, take: Callable[[Item], None]) -> None:
        self._take = take
        self._items: Queue[Item | None] = Queue(WAITING)
        self._error: Exception | None = None
        self._thread = Thread(target=self._run, daemon=True)

    def put(self, item: Item) -> None:
        """Hand over an item, once there is room for it."""
        if self._error is not None:
            raise self._error
        self._items.put(item)

    def __enter__(self) -> "Stage[Item]":
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait until all items were taken; after an error, leave those that wait."""
        if kind is not None and self._error is None:
            self._take = _leave
        self._items.put(None)
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def _run(self) -> None:
        while (item := self._items.get()) is not None:
            if self._error is None:  # else only drained, or ``put`` would wait for ever
                try:
                    self._take(item)
                except Exception as error:  # noqa: BLE001 - it is raised in the other thread
                    self._error = error


def _leave(item: object) -> None:
    """Take an item and do nothing with it."""
