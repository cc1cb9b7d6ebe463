"""Many runs, a process each: finished ones are skipped, broken ones gone on with."""

import dataclasses
import fcntl
import multiprocessing
import os
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol, runtime_checkable

from deadpan.benchmark.grid import Case
from deadpan.benchmark.worker import CRASHED, DONE, REFUSED, STEP, Afterwards, work
from deadpan.errors import DeadpanError

RETRIES = 2
"""How often a run that broke off or was killed is gone on with."""


@runtime_checkable
class GridWatch(Protocol):
    """Someone who looks on."""

    def begin(self, cases: Sequence[Case], finished: int) -> None:
        """Before the first of these cases starts; so many more had finished already."""

    def step(self, case: Case, epoch: float) -> None:
        """A run is so many epochs far."""

    def end(self, case: Case, seconds: float, failure: str | None) -> None:
        """A run has finished, or was given up."""


class Silent:
    """Nobody looks on."""

    def begin(self, cases: Sequence[Case], finished: int) -> None:
        """Say nothing."""

    def step(self, case: Case, epoch: float) -> None:
        """Say nothing."""

    def end(self, case: Case, seconds: float, failure: str | None) -> None:
        """Say nothing."""


@dataclasses.dataclass(kw_only=True)
class Running:
    """A run in its process."""

    case: Case
    process: BaseProcess
    told: Connection
    started: float
    attempt: int
    answer: tuple[str, str] | None = None


def finished(case: Case, runs: Path, then: Afterwards | None = None) -> bool:
    """Whether nothing is left to do for a case."""
    kept = "scores.json" if case.trial is None else "model.safetensors"
    kept = then.leaves if then else kept
    return (runs / case.place / kept).is_file()


def run_cases(
    cases: Sequence[Case],
    runs: Path,
    *,
    workers: int,
    watch: GridWatch,
    then: Afterwards | None = None,
) -> dict[Path, str]:
    """Run what has not finished; why each of those given up was, by its place.

    A run that is refused (a model that cannot take the data, a divergence at once) is given up; one
    that crashes or is killed goes on from its last epoch, ``RETRIES`` times.

    Args:
        cases: all of the grid; those that finished are skipped.
        runs: where runs are kept.
        workers: processes at once, one thread each.
        watch: is told of progress.
        then: what is left to do with a run that is scored.
    """
    waiting = [(case, 1) for case in cases if not finished(case, runs, then)]
    watch.begin([case for case, _ in waiting], len(cases) - len(waiting))
    waiting.reverse()
    running: list[Running] = []
    failures: dict[Path, str] = {}
    context, lock = _context(), runs / ".lock"
    _wait_for_orphans(lock)
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(_start(context, *waiting.pop(), runs, lock, then))
            for run in _ended(running, watch):
                running.remove(run)
                kind, why = run.answer or (CRASHED, _killed(run.process.exitcode))
                if kind == CRASHED and run.attempt <= RETRIES:
                    waiting.append((run.case, run.attempt + 1))
                    continue
                if kind != DONE:
                    failures[run.case.place] = why
                watch.end(run.case, time.monotonic() - run.started, failures.get(run.case.place))
    finally:
        for run in running:
            run.process.kill()
            run.process.join()
    return failures


def _context() -> ForkServerContext:
    # What every run imports is imported once, by the server that all workers are forked from, also
    # what metrics and the ridge row import when they are called; each worker has one thread.
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["deadpan.benchmark.worker", "sklearn.metrics", "sklearn.linear_model"]
    )
    return context


def _wait_for_orphans(lock: Path) -> None:
    """Wait until no worker of a killed grid is at work here: each ends at its next word."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def _start(
    context: ForkServerContext,
    case: Case,
    attempt: int,
    runs: Path,
    lock: Path,
    then: Afterwards | None,
) -> Running:
    path = runs / case.place
    told: Connection
    told, tells = context.Pipe(duplex=False)  # pyright: ignore[reportAssignmentType]
    process = context.Process(
        target=work,
        args=(case.settings.to_dict(), path, case.trial is None, tells, lock, then),
        daemon=True,
    )
    process.start()
    tells.close()  # so that the end of the process is the end of the pipe
    return Running(case=case, process=process, told=told, started=time.monotonic(), attempt=attempt)


def _ended(running: Sequence[Running], watch: GridWatch) -> list[Running]:
    """Wait for news, pass it on, and return the runs whose process has ended."""
    ended: list[Running] = []
    by_pipe = {run.told: run for run in running}
    for pipe in wait(list(by_pipe)):  # pyright: ignore[reportArgumentType]
        run = by_pipe[pipe]  # pyright: ignore[reportArgumentType]
        try:
            kind, value = run.told.recv()
        except (EOFError, OSError):
            run.process.join()
            run.told.close()
            ended.append(run)
            continue
        if kind == STEP:
            watch.step(run.case, value)
        elif kind in (DONE, REFUSED, CRASHED):
            run.answer = (kind, value)
    return ended


def _killed(status: int | None) -> str:
    if status is not None and status < 0:
        return f"killed by signal {-status} (memory?), {RETRIES + 1} times"
    return f"its process ended with status {status}, {RETRIES + 1} times"


@contextmanager
def alone(out: Path, command: str = "benchmark") -> Generator[None, None, None]:
    """Hold the directory of a command; DeadpanError if another process works in it."""
    with (out / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DeadpanError(
                f"{out}: another 'deadpan {command}' works there; wait for it, or give another "
                f"--out"
            ) from None
        yield
