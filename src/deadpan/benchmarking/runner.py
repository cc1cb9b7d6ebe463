"""The runs of a grid, a process each: finished ones are skipped, interrupted ones continued."""

import dataclasses
import time
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from deadpan.benchmarking.grid import Case
from deadpan.errors import DeadpanError, os_failure
from deadpan.locks import alone, beside
from deadpan.processes import LOCAL, Worker, WorkerPool
from deadpan.training.opened import RunDirectory, refuse_changed_data
from deadpan.training.run import train_run
from deadpan.training.scoring import evaluate_run
from deadpan.training.settings import Settings

DONE, REFUSED, CRASHED, STEP = "done", "refused", "crashed", "step"
"""Messages of a worker: the run is complete; is refused; crashed; is at this epoch."""
WAITS, BEGUN = "waits", "begun"
"""Messages of a worker before: the run is still another's; has begun."""


@runtime_checkable
class Afterwards(Protocol):
    """Something to do with a run that is scored; a process of its own calls it.

    Attributes:
        leaves: the file of the run directory that it writes last.
    """

    @property
    def leaves(self) -> str:
        """Name of the file that this step writes last into the run directory."""
        ...

    def __call__(self, run: RunDirectory) -> None:
        """Do it, unless it was done."""
        ...


class WorkerWatch:
    """Reports the progress of a run to the grid; a ``deadpan.training.loop.Watch``.

    A grid that was killed has closed its end: the write fails, and the orphan ends with it, so that
    no two processes ever write one run.
    """

    def __init__(self, grid: Connection) -> None:
        """Report to this grid."""
        self._grid, self._reported = grid, 0.0

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:  # noqa: ARG002 - as Watch has it
        """A batch is done."""
        if time.monotonic() - self._reported > 0.25:
            self._reported = time.monotonic()
            self._grid.send((STEP, epoch - 1 + step / steps))

    def epoch(self, row: dict[str, int | float]) -> None:
        """An epoch is done."""
        self._grid.send((STEP, float(row["epoch"])))


def work(
    grid: Connection,
    settings: dict[str, Any],
    path: Path,
    score: bool,
    then: Afterwards | None = None,
) -> None:
    """Train one run, or continue it, and score it; report to the grid how that ended.

    A worker of a grid that was killed may still have the run: it ends at its next word, and is
    waited for.

    Args:
        grid: receives progress and the end.
        settings: of the run.
        path: where it is kept.
        score: open its test split; False for a trial of the search.
        then: called with the run once it is scored.
    """
    torch.set_num_threads(1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(beside(path), busy=lambda: grid.send((WAITS, ""))):
            grid.send((BEGUN, ""))  # fails in a worker whose grid is gone: it must not begin
            run = train_run(
                Settings.from_dict(settings), path, resume=path.exists(), watch=WorkerWatch(grid)
            )
            if score:
                evaluate_run(run)
                if then:
                    then(run)
            run.checkpoint_file.unlink(missing_ok=True)  # most of the disk, and of no use any more
            grid.send((DONE, ""))
    except BrokenPipeError:  # the grid is gone
        return
    except DeadpanError as error:
        grid.send((REFUSED, str(error)))
    except OSError as error:  # a full disk may have room again at the next attempt
        grid.send((CRASHED, os_failure(error)))
    except Exception as error:  # noqa: BLE001 - whatever it was, the grid reports it
        reason = traceback.format_exception_only(error)[-1].strip()
        frame = traceback.extract_tb(error.__traceback__)[-1]
        grid.send((CRASHED, f"{reason} ({Path(frame.filename).name}:{frame.lineno})"))


RETRIES = 2
"""How often a run that crashed or was killed is continued."""


@runtime_checkable
class GridWatch(Protocol):
    """Follows the runs of a grid: a progress bar, a log, a test."""

    def begin(self, cases: Sequence[Case], finished: int) -> None:
        """Before the first of these cases starts; so many more had finished already."""

    def wait(self, case: Case) -> None:
        """A run waits until the worker of a grid that was killed has left it."""

    def step(self, case: Case, epoch: float) -> None:
        """A run is so many epochs far."""

    def end(self, case: Case, seconds: float, failure: str | None) -> None:
        """A run has finished, or was given up."""


class Silent:
    """A watch that shows nothing."""

    def begin(self, cases: Sequence[Case], finished: int) -> None:
        """Say nothing."""

    def wait(self, case: Case) -> None:
        """Say nothing."""

    def step(self, case: Case, epoch: float) -> None:
        """Say nothing."""

    def end(self, case: Case, seconds: float, failure: str | None) -> None:
        """Say nothing."""


@dataclasses.dataclass(kw_only=True)
class Running:
    """A run in its process."""

    case: Case
    worker: Worker
    started: float
    attempt: int
    answer: tuple[str, str] | None = None


def finished(case: Case, runs: Path, then: Afterwards | None = None) -> bool:
    """Whether nothing is left to do for a case."""
    path = runs / case.directory
    if then:
        return (path / then.leaves).is_file()
    if not RunDirectory.is_run(path):
        return False
    run = RunDirectory(path)
    return run.evaluated if case.trial is None else run.finished


def refuse_other_clips(cases: Sequence[Case], runs: Path, then: Afterwards | None = None) -> None:
    """Refuse to add runs to others whose data has changed: the rows would be of different clips.

    Nothing is read where all cases have finished.

    Args:
        cases: all that make one result, the trials of a search included.
        runs: where runs are kept.
        then: what is left to do with a run that is scored.

    Raises:
        DataError: the data of a run that is there has changed.
    """
    if all(finished(case, runs, then if case.trial is None else None) for case in cases):
        return
    paths = [runs / case.directory for case in cases]
    refuse_changed_data(RunDirectory(path) for path in paths if RunDirectory.is_run(path))


def run_cases(
    cases: Sequence[Case],
    runs: Path,
    *,
    workers: int,
    watch: GridWatch,
    then: Afterwards | None = None,
    pool: WorkerPool = LOCAL,
) -> dict[Path, str]:
    """Run the cases that have not finished; returns why runs were given up, by their directory.

    A run that is refused (a model that cannot take the data, a divergence at once) is given up; one
    that crashes or is killed goes on from its last epoch, ``RETRIES`` times. Whether those that are
    there are of the same clips is asked before, by :func:`refuse_other_clips`.

    Args:
        cases: all of the grid; those that finished are skipped.
        runs: where runs are kept.
        workers: processes at once, one thread each.
        watch: is called as runs proceed.
        then: what is left to do with a run that is scored.
        pool: where the processes run.
    """
    waiting = [(case, 1) for case in cases if not finished(case, runs, then)]
    watch.begin([case for case, _ in waiting], len(cases) - len(waiting))
    waiting.reverse()
    running: list[Running] = []
    failures: dict[Path, str] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(_start(pool, *waiting.pop(), runs, then))
            for run in _ended(pool, running, watch):
                running.remove(run)
                kind, reason = run.answer or (
                    CRASHED,
                    f"its process {run.worker.ending()}, {RETRIES + 1} times",
                )
                if kind == CRASHED and run.attempt <= RETRIES:
                    waiting.append((run.case, run.attempt + 1))
                    continue
                if kind != DONE:
                    failures[run.case.directory] = reason
                watch.end(
                    run.case, time.monotonic() - run.started, failures.get(run.case.directory)
                )
    finally:
        for run in running:
            run.worker.kill()
    return failures


def _start(
    pool: WorkerPool, case: Case, attempt: int, runs: Path, then: Afterwards | None
) -> Running:
    path = runs / case.directory
    worker = pool.start(work, case.settings.to_dict(), path, case.trial is None, then)
    return Running(case=case, worker=worker, started=time.monotonic(), attempt=attempt)


def _ended(pool: WorkerPool, running: Sequence[Running], watch: GridWatch) -> list[Running]:
    """Wait for news, pass it on, and return the runs whose process has ended."""
    ended: list[Running] = []
    by_worker = {run.worker: run for run in running}
    for worker in pool.ready(list(by_worker)):
        run = by_worker[worker]
        try:
            kind, value = worker.receive()
        except EOFError:
            worker.close()
            ended.append(run)
            continue
        if kind == STEP:
            watch.step(run.case, value)
        elif kind == WAITS:
            watch.wait(run.case)
        elif kind in (DONE, REFUSED, CRASHED):
            run.answer = (kind, value)
    return ended
