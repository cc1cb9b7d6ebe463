"""Recordings measured by several processes at once; one that dies costs one recording."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol, runtime_checkable

from deadpan.data.feature_recipe import FeatureRecipe
from deadpan.errors import DeadpanError
from deadpan.extraction.measuring import Outcome, measure_on_demand
from deadpan.processes import ProcessContext, interrupts_blocked, process_context


@runtime_checkable
class ExtractionWatch(Protocol):
    """Follows the measuring of recordings: a progress bar, a log, a test."""

    def begin(self, recordings: int) -> None:
        """Before the first recording is measured."""

    def advance(self, recordings: int) -> None:
        """So many more were measured, or had been before, or could not be."""

    def say(self, line: str) -> None:
        """What was wrong with a recording."""


class _Worker:
    """A process that measures one recording at a time."""

    def __init__(
        self, context: ProcessContext, recipes: Mapping[str, FeatureRecipe], cache: Path
    ) -> None:
        self.pipe: Connection
        self.pipe, other_end = context.Pipe()  # pyright: ignore[reportAttributeAccessIssue]
        self.process: BaseProcess = context.Process(
            target=measure_on_demand, args=(other_end, dict(recipes), cache), daemon=True
        )
        with interrupts_blocked():
            self.process.start()
        other_end.close()  # so that the end of the process is the end of the pipe
        self.recording: Path | None = None

    def measure(self, recording: Path) -> None:
        """Begin with a recording; the pipe has its outcome in time."""
        self.recording = recording
        with suppress(OSError):  # it has died: its outcome says so
            self.pipe.send(recording)

    def outcome(self) -> Outcome | None:
        """What came of it; None if the process died."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            return None


def measure_all(
    recordings: Sequence[Path],
    recipes: Mapping[str, FeatureRecipe],
    cache: Path,
    *,
    workers: int,
    watch: ExtractionWatch | None = None,
) -> dict[Path, Outcome]:
    """Measure recordings, those apart that the cache has.

    Args:
        recordings: paths of media files, each once.
        recipes: of the modalities to measure.
        cache: folder of the :class:`~deadpan.extraction.feature_cache.FeatureCache`.
        workers: processes at once, one thread each.
        watch: is called as recordings are done.

    Raises:
        DeadpanError: a package is missing, or the cache cannot be written: no recording can be
            measured.
    """
    context = process_context("deadpan.extraction.measuring")
    waiting = list(reversed(recordings))
    idle: list[_Worker] = []
    busy: list[_Worker] = []
    outcomes: dict[Path, Outcome] = {}
    if watch:
        watch.begin(len(recordings))
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                idle = [worker for worker in idle if worker.process.is_alive()]
                worker = idle.pop() if idle else _Worker(context, recipes, cache)
                busy.append(worker)
                worker.measure(waiting.pop())
            ready = wait([worker.pipe for worker in busy])
            for worker in [worker for worker in busy if worker.pipe in ready]:
                busy.remove(worker)
                outcome, recording = worker.outcome(), worker.recording
                assert recording is not None
                if outcome is None:
                    outcome = Outcome(failure=f"{recording}: {_ended(worker.process.exitcode)}")
                else:
                    idle.append(worker)
                if outcome.remedy:
                    raise DeadpanError(outcome.remedy)
                outcomes[recording] = outcome
                if watch and outcome.failure:
                    watch.say(f"left out: {outcome.failure}")
                if watch:
                    watch.advance(1)
    finally:
        for worker in (*idle, *busy):
            worker.process.kill()
            worker.process.join()
    return outcomes


def _ended(status: int | None) -> str:
    """Why a process died."""
    if status is not None and status < 0:
        return f"the process that measured it was killed by signal {-status} (memory?)"
    return f"the process that measured it ended with status {status}"
