"""A function in a process of its own, which says how far it is and can be ended at any time."""

import os
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Literal

from deadpan.errors import DeadpanError
from deadpan.processes import interrupts_blocked, process_context

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


class Work:
    """A process that calls ``function(*arguments, watch=...)``.

    It ends with this process, however that ends.

    Args:
        function: known by its module and name, or a ``functools.partial`` of one.
        *arguments: that can be sent to another process.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:  # noqa: ANN401
        context = process_context("deadpan.studio.work")
        self._pipe: Connection
        self._pipe, other_end = context.Pipe()  # pyright: ignore[reportAttributeAccessIssue]
        self._process: BaseProcess = context.Process(
            target=_call, args=(other_end, function, arguments), daemon=True
        )
        with interrupts_blocked():
            self._process.start()
        other_end.close()  # so that the end of the process is the end of the pipe

    def message(self) -> Message:
        """Wait for the next message; a process that died has failed."""
        try:
            return self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            status = self._process.exitcode
            if status is not None and status < 0:
                return "failed", f"the process that read it was killed by signal {-status}"
            return "failed", f"the process that read it ended with status {status}"

    def kill(self) -> None:
        """End the process; :meth:`message` then says that it failed."""
        self._process.kill()
        self._process.join()

    def close(self) -> None:
        """End the process, if it has not ended, and leave nothing of it behind."""
        self.kill()
        self._pipe.close()


def _call(pipe: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_the_other_end, args=(pipe,), daemon=True).start()
    try:
        result = function(*arguments, watch=PipeWatch(pipe))
        message: Message = ("done", result)
    except DeadpanError as error:
        message = ("failed", str(error))
    except BrokenPipeError:
        return
    except Exception as error:  # noqa: BLE001 - one recording may fail; the studio goes on
        traceback.print_exc(file=sys.stderr)
        message = ("failed", f"a defect of deadpan ({type(error).__name__}: {error})")
    with suppress(OSError):  # nobody is there any more
        pipe.send(message)


def _end_with_the_other_end(pipe: Connection) -> None:
    """End this process when the one that wants its result has ended, whatever it does just now."""
    with suppress(OSError):
        while True:
            try:
                pipe.recv()
            except EOFError:
                break
    os._exit(1)
