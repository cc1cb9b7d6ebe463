"""Processes that work for this one, which end with it and do not hear its Ctrl-C.

Where they run is a :class:`WorkerPool`'s affair: :class:`LocalPool` has them on this machine,
``deadpan.cluster`` on others.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from deadpan.threads import processors as usable

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext  # Windows lacks the first

ProcessContext: TypeAlias = "ForkServerContext | SpawnContext"


def process_context(*modules: str) -> ProcessContext:
    """What starts processes of one thread each.

    Args:
        *modules: that every process imports; they are imported once, by the server that all are
            forked from, where the system has one.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    if "forkserver" not in multiprocessing.get_all_start_methods():  # Windows
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    return context


@contextmanager
def interrupts_blocked() -> Generator[None, None, None]:
    """Block Ctrl-C, which a terminal sends to all, for the processes that start meanwhile.

    This process alone hears it, ends them, and says how to go on.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker

    sys.warnoptions.append(LEAKED)  # which the tracker's process reads as it starts
    try:
        resource_tracker.ensure_running()  # else the start of a process would, and unblock it
    finally:
        sys.warnoptions.remove(LEAKED)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


LEAKED = "ignore:resource_tracker:UserWarning"
"""What the tracker says when it removes locks of a worker that was killed; nobody has to know."""

PATIENCE = 10
"""Seconds that a process has to end before it is killed."""

Target: TypeAlias = Callable[..., None]
"""A function of a module that a worker calls with its end of a pipe and further arguments. When the
other end closes, nobody wants its work any more, and it returns. What it is sent, it answers with
one message each; it may send others only if it is sent nothing."""


@runtime_checkable
class Worker(Protocol):
    """A process that calls a :data:`Target`; it ends with this process, however that ends."""

    def alive(self) -> bool:
        """Whether it has not ended."""
        ...

    def ending(self) -> str:
        """How it ended, as a predicate: ``was killed by signal 9 (memory?)``."""
        ...

    def send(self, message: object) -> None:
        """Send it a message, which one that has ended does not hear."""
        ...

    def receive(self) -> Any:  # noqa: ANN401 - whatever the target sends
        """Its next message; EOFError if it has ended."""
        ...

    def kill(self) -> None:
        """End it, whatever it does."""
        ...

    def close(self) -> None:
        """End it, which has ended or waits for a message, and leave nothing of it behind."""
        ...


@runtime_checkable
class WorkerPool(Protocol):
    """Where workers run."""

    def processors(self) -> int:
        """How many workers of one thread can run at the same time."""
        ...

    def start(self, target: Target, *arguments: object) -> Worker:
        """Start a worker that calls ``target(pipe, *arguments)``."""
        ...

    def ready(self, workers: Sequence[Any]) -> list[Any]:
        """Wait until some of these workers have sent a message or ended, and return those.

        All are of this pool.
        """
        ...


class LocalWorker:
    """A worker on this machine.

    Args:
        target: that it calls with its end of a pipe.
        *arguments: further ones of the target.
        module: that is imported once for all workers; by default that of the target.
    """

    def __init__(self, target: Target, *arguments: object, module: str = "") -> None:
        context = process_context(module or target.__module__)
        self.pipe: Connection
        self.pipe, other_end = context.Pipe()  # pyright: ignore[reportAttributeAccessIssue]
        self.process: BaseProcess = context.Process(
            target=target, args=(other_end, *arguments), daemon=True
        )
        with interrupts_blocked():
            self.process.start()
        other_end.close()  # so that the end of the process is the end of the pipe

    def alive(self) -> bool:
        """Whether it has not ended."""
        return self.process.is_alive()

    def ending(self) -> str:
        """How it ended."""
        status = self.process.exitcode
        if status is not None and status < 0:
            return f"was killed by signal {-status} (memory?)"
        return f"ended with status {status}"

    def send(self, message: object) -> None:
        """Send it a message."""
        with suppress(OSError):  # it has ended: whoever receives learns it
            self.pipe.send(message)

    def receive(self) -> Any:  # noqa: ANN401 - whatever the target sends
        """Its next message; EOFError if it has ended."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            raise EOFError from None

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def close(self) -> None:
        """Close its pipe, at which it ends by itself."""
        self.pipe.close()
        self.process.join(PATIENCE)
        self.process.kill()
        self.process.join()


class LocalPool:
    """Workers on this machine."""

    def processors(self) -> int:
        """How many processors this process may use."""
        return usable()

    def start(self, target: Target, *arguments: object) -> LocalWorker:
        """Start a worker."""
        return LocalWorker(target, *arguments)

    def ready(self, workers: Sequence[LocalWorker]) -> list[LocalWorker]:
        """Wait until some of these workers have sent a message or ended, and return those."""
        pipes = wait([worker.pipe for worker in workers])
        return [worker for worker in workers if worker.pipe in pipes]


LOCAL = LocalPool()
