"""Recordings measured by several processes at once; one that dies costs one recording."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol, runtime_checkable

from deadpan.data.feature_recipe import FeatureRecipe
from deadpan.errors import DeadpanError
from deadpan.extraction.measuring import Meters, Outcome, WantedRecording, measure_on_demand
from deadpan.extraction.recipes import TEXT
from deadpan.processes import ProcessContext, interrupts_blocked, process_context

TOGETHER = 8
"""Recordings whose words are recognised together: of 3 s each, they fill a window of 28 s."""
PATIENCE = 10
"""Seconds that a process has to end before it is killed."""
Job = Sequence[WantedRecording]
"""Recordings that one process measures together."""


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
    """A process that measures one job at a time."""

    def __init__(
        self,
        context: ProcessContext,
        recipes: Mapping[str, FeatureRecipe],
        cache: Path,
        components: Path,
        meters: Meters | None,
        language: str,
    ) -> None:
        self.pipe: Connection
        self.pipe, other_end = context.Pipe()  # pyright: ignore[reportAttributeAccessIssue]
        self.process: BaseProcess = context.Process(
            target=measure_on_demand,
            args=(other_end, dict(recipes), cache, components, meters, language),
            daemon=True,
        )
        with interrupts_blocked():
            self.process.start()
        other_end.close()  # so that the end of the process is the end of the pipe
        self.job: Job = ()

    def measure(self, job: Job) -> None:
        """Begin with a job; the pipe has its outcomes in time."""
        self.job = job
        with suppress(OSError):  # it has died: its outcomes say so
            self.pipe.send(job)

    def end(self) -> None:
        """Close the pipe, at which an idle process ends by itself, leaving nothing behind."""
        self.pipe.close()
        self.process.join(PATIENCE)
        self.process.kill()
        self.process.join()

    def outcomes(self) -> list[Outcome] | None:
        """What came of it; None if the process died."""
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            return None


def measure_all(
    recordings: Sequence[WantedRecording],
    recipes: Mapping[str, FeatureRecipe],
    *,
    cache: Path,
    components: Path,
    workers: int,
    meters: Meters | None = None,
    language: str = "en",
    watch: ExtractionWatch | None = None,
) -> dict[Path, Outcome]:
    """Measure recordings, but for what the cache has of them.

    A job whose process dies is measured again, each recording by itself, to tell which it is.

    Args:
        recordings: each once, in an order that decides which words are recognised together.
        recipes: of their modalities.
        cache: folder of the :class:`~deadpan.extraction.feature_cache.FeatureCache`.
        components: folder of all components.
        workers: processes at once, one thread each.
        meters: of the modalities, which go to other processes; None: those of the recipes.
        language: that is spoken, as ISO 639-1 writes it.
        watch: is called as recordings are done.

    Raises:
        DeadpanError: a package is missing, or the cache cannot be written: no recording can be
            measured.
    """
    context = process_context("deadpan.extraction.measuring")
    waiting = list(reversed(_jobs(recordings)))
    idle: list[_Worker] = []
    busy: list[_Worker] = []
    outcomes: dict[Path, Outcome] = {}
    if watch:
        watch.begin(len(recordings))
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                idle = [worker for worker in idle if worker.process.is_alive()]
                worker = (
                    idle.pop()
                    if idle
                    else _Worker(context, recipes, cache, components, meters, language)
                )
                busy.append(worker)
                worker.measure(waiting.pop())
            ready = wait([worker.pipe for worker in busy])
            for worker in [worker for worker in busy if worker.pipe in ready]:
                busy.remove(worker)
                results = worker.outcomes()
                if results is not None:
                    idle.append(worker)
                elif len(worker.job) > 1:
                    waiting += [(recording,) for recording in reversed(worker.job)]
                    continue
                else:
                    reason = f"{worker.job[0].path}: {_ended(worker.process.exitcode)}"
                    results = [Outcome(failure=reason)]
                _note(worker.job, results, outcomes, watch)
    finally:
        for worker in busy:
            worker.process.kill()
        for worker in (*idle, *busy):
            worker.end()
    return outcomes


def _jobs(recordings: Sequence[WantedRecording]) -> list[Job]:
    """Recordings whose words are recognised, some at a time; others by themselves."""
    jobs: list[list[WantedRecording]] = []
    for recording in recordings:
        together = TEXT in recording.modalities
        if jobs and together and TEXT in jobs[-1][-1].modalities and len(jobs[-1]) < TOGETHER:
            jobs[-1].append(recording)
        else:
            jobs.append([recording])
    return [tuple(job) for job in jobs]


def _note(
    job: Job,
    results: Sequence[Outcome],
    outcomes: dict[Path, Outcome],
    watch: ExtractionWatch | None,
) -> None:
    """Keep the outcomes of a job and tell the watch; DeadpanError if all others would fail, too."""
    for recording, outcome in zip(job, results, strict=True):
        if outcome.remedy:
            raise DeadpanError(outcome.remedy)
        outcomes[recording.path] = outcome
        if watch and outcome.failure:
            watch.say(f"left out: {outcome.failure}")
    if watch:
        watch.advance(len(job))


def _ended(status: int | None) -> str:
    """Why a process died."""
    if status is not None and status < 0:
        return f"the process that measured it was killed by signal {-status} (memory?)"
    return f"the process that measured it ended with status {status}"
