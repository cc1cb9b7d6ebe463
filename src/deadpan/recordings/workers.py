"""Recordings measured by several processes at once; one that dies costs one recording."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from deadpan.data.feature_recipe import FeatureRecipe
from deadpan.errors import DeadpanError
from deadpan.extraction.measuring import (
    Meters,
    Outcome,
    WantedRecording,
    measure_on_demand,
)
from deadpan.extraction.recipes import TEXT
from deadpan.processes import LOCAL, Worker, WorkerPool

TOGETHER = 8
"""Recordings whose words are recognised together: of 3 s each, they fill a window of 28 s."""
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
    pool: WorkerPool = LOCAL,
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
        pool: where the processes run.

    Raises:
        DeadpanError: a package is missing, or the cache cannot be written: no recording can be
            measured.
    """
    waiting = list(reversed(_jobs(recordings)))
    idle: list[Worker] = []
    busy: dict[Worker, Job] = {}
    outcomes: dict[Path, Outcome] = {}
    if watch:
        watch.begin(len(recordings))
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                worker = _take(idle) or pool.start(
                    measure_on_demand, dict(recipes), cache, components, meters, language
                )
                busy[worker] = waiting.pop()
                worker.send(busy[worker])
            while idle:  # nothing waits for them; on a cluster another worker may, for their place
                idle.pop().close()
            for worker in pool.ready(list(busy)):
                job = busy.pop(worker)
                results = _results(worker, job)
                if results is None:
                    waiting += [(recording,) for recording in reversed(job)]
                    continue
                idle.append(worker)
                _note(job, results, outcomes, watch)
    finally:
        for worker in busy:
            worker.kill()
        for worker in idle:
            worker.close()
    return outcomes


def _take(idle: list[Worker]) -> Worker | None:
    """Take a worker that waits for a job; None if there is none."""
    while idle:
        worker = idle.pop()
        if worker.alive():
            return worker
        worker.close()
    return None


def _results(worker: Worker, job: Job) -> Sequence[Outcome] | None:
    """What a worker made of its job; None if it died of one of several recordings."""
    try:
        return worker.receive()
    except EOFError:
        worker.close()
    if len(job) > 1:
        return None
    return [Outcome(failure=f"{job[0].path}: the process that measured it {worker.ending()}")]


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
