"""Processes that work for this one, which end with it and do not hear its Ctrl-C."""

import multiprocessing
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

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

    resource_tracker.ensure_running()  # else the start of a process would, and unblock it
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
