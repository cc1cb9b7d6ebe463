"""A function called in other processes, which say how far they are."""

import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Literal

from deadpan.errors import DeadpanError
from deadpan.processes import LOCAL, LocalWorker

Message = tuple[Literal["begin", "advance", "done", "failed"], Any]
"""``begin`` with the seconds to be read, ``advance`` with how many more were, then ``done`` with
the result or ``failed`` with a sentence."""


class PipeWatch:
    """Tells the other end of a pipe how far the reading of a recording is."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def begin(self, seconds: float) -> None:
        """Before the first frame, with the recording's duration."""
        self._pipe.send(("begin", seconds))

    def advance(self, seconds: float) -> None:
        """Each time that a second or more was read, with how much."""
        self._pipe.send(("advance", seconds))


def call_watched(
    pipe: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    """Call ``function(*arguments, watch=...)`` and send what it tells the watch, and how it ended.

    This process ends when the other end of the pipe is closed, whatever it does just then.

    Args:
        pipe: gets a :data:`Message` each time.
        function: that is called.
        arguments: of the function.
    """
    threading.Thread(target=_end_with_the_other_end, args=(pipe,), daemon=True).start()
    try:
        result = function(*arguments, watch=PipeWatch(pipe))
        message: Message = ("done", result)
    except DeadpanError as error:
        message = ("failed", str(error))
    except BrokenPipeError:
        return
    except Exception as error:  # noqa: BLE001 - one recording may fail; others go on
        traceback.print_exc(file=sys.stderr)
        message = ("failed", f"a defect of deadpan ({type(error).__name__}: {error})")
    with suppress(OSError):  # nobody is there any more
        pipe.send(message)


def call_at_once(
    function: Callable[..., Any],
    arguments: Sequence[tuple[Any, ...]],
    advance: Callable[[float], None],
) -> list[Any]:
    """Call ``function(*arguments, watch=...)`` for each arguments, in a process each.

    Args:
        function: known by its module and name; its module is imported once for all processes.
        arguments: of each call.
        advance: is called with what any of the calls tells its watch.

    Returns:
        What each call returned.

    Raises:
        DeadpanError: a process was killed.
        RuntimeError: a call raised something; its traceback was printed.
    """
    module = function.__module__
    workers = [LocalWorker(call_watched, function, each, module=module) for each in arguments]
    results: dict[LocalWorker, Any] = {}
    try:
        while working := [worker for worker in workers if worker not in results]:
            for worker in LOCAL.ready(working):
                try:
                    kind, content = worker.receive()
                except EOFError:
                    raise DeadpanError(
                        f"one of {len(workers)} processes {worker.ending()}; the others were "
                        "ended, and what they had written is whole; run the command again, with "
                        "--workers 1 if memory was short"
                    ) from None
                if kind == "failed":
                    raise RuntimeError(content)
                if kind == "done":
                    results[worker] = content
                elif kind == "advance":
                    advance(content)
    finally:
        for worker in workers:
            worker.kill()
    return [results[worker] for worker in workers]


def _end_with_the_other_end(pipe: Connection) -> None:
    """End this process when the one that wants its result has ended, whatever it does just now."""
    with suppress(OSError):
        while True:
            try:
                pipe.recv()
            except EOFError:
                break
    os._exit(1)
