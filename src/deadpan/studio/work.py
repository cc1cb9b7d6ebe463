"""A reading in a process of its own, which says how far it is and can be ended at any time."""

from collections.abc import Callable
from typing import Any

from deadpan.processes import LocalWorker
from deadpan.watched_calls import Message, call_watched


class Work:
    """A process that calls ``function(*arguments, watch=...)``.

    It ends with this process, however that ends.

    Args:
        function: known by its module and name, or a ``functools.partial`` of one.
        *arguments: that can be sent to another process.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:  # noqa: ANN401
        self._worker = LocalWorker(call_watched, function, arguments, module=__name__)

    def message(self) -> Message:
        """Wait for the next message; a process that died has failed."""
        try:
            return self._worker.receive()
        except EOFError:
            return "failed", f"the process that read it {self._worker.ending()}"

    def kill(self) -> None:
        """End the process; :meth:`message`, for which a thread may wait, says that it failed."""
        self._worker.process.kill()
        self._worker.process.join()

    def close(self) -> None:
        """End the process, if it has not ended, and leave nothing of it behind."""
        self._worker.kill()
