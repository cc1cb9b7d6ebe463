"""A data set's table, from the runs of a grid: every system, mean and deviation over seeds."""

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from deadpan.benchmarking.grid import Case, Grid
from deadpan.benchmarking.published import notes as paper_notes
from deadpan.benchmarking.published import published
from deadpan.benchmarking.runner import finished
from deadpan.errors import RunError
from deadpan.metrics.significance import holm, sign_flip_test
from deadpan.tasks import Task
from deadpan.tasks.task import MetricColumn
from deadpan.training.baselines import baseline_outputs
from deadpan.training.environment import Environment
from deadpan.training.evaluation import labels_of
from deadpan.training.opened import RunDirectory, open_run
from deadpan.training.predictions import Predictions

Reading = TypeVar("Reading")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """One metric of one system.

    Attributes:
        mean: over seeds; NaN where undefined.
        deviation: standard deviation over seeds; NaN for fewer than two.
        best: nobody's mean is better, as shown.
        paper: the figure the paper prints; None without one.
    """

    mean: float
    deviation: float
    best: bool
    paper: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One system.

    Attributes:
        system: as the grid calls it.
        seeds: that have finished; 0 for a baseline and for a system without a result.
        parameters: of its model; 0 for a baseline.
        seconds: of training, mean over seeds (all folds of a seed together); NaN for a baseline.
        p: of the paired test against the grid's reference, corrected; None for the reference itself
            and for baselines.
        cells: by the metric's key; empty where there is no result.
        failure: why runs are missing; "" if none is.
    """

    system: str
    seeds: int
    parameters: int
    seconds: float
    p: float | None
    cells: Mapping[str, Cell]
    failure: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridTable:
    """All systems on one data set.

    Attributes:
        data: as the grid calls it.
        columns: metrics, in their order.
        rows: baselines first, then systems in the order of the grid.
        against: the reference of the paired tests.
        notes: what must be known to read it, a sentence each.
        divergences: the runs that diverged after a better epoch, which is scored.
    """

    data: str
    columns: Sequence[MetricColumn]
    rows: Sequence[Row]
    against: str
    notes: Sequence[str]
    divergences: Sequence[str] = ()

    @property
    def remarks(self) -> list[str]:
        """The systems with fewer seeds than the grid has, and why; then the runs that diverged."""
        failures = [f"{row.system}: {row.failure}" for row in self.rows if row.failure]
        return [*failures, *self.divergences]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeedScores:
    """The scores of one seed of one system on one data set, its folds pooled.

    Attributes:
        seed: of its runs.
        metrics: of the task, by key.
        errors: of each clip, by its id: how far decisions are from labels, on average over labels.
        seconds: of training, all folds together.
        parameters: of the model; 0 for a baseline.
        commits: of the code that trained it.
        places: of its runs.
        divergences: its runs that diverged after a better epoch, by name.
    """

    seed: int
    metrics: Mapping[str, float]
    errors: Mapping[str, float]
    seconds: float
    parameters: int
    commits: tuple[str, ...]
    places: tuple[str, ...]
    divergences: tuple[str, ...] = ()


def make_tables(
    grid: Grid, cases: Sequence[Case], runs: Path, failures: Mapping[Path, str]
) -> list[GridTable]:
    """A table for each data set of which a run has finished."""
    tables: list[GridTable] = []
    for data in grid.data:
        systems: dict[str, list[SeedScores]] = {name: [] for name in grid.systems_of(data)}
        broken: dict[str, str] = {}
        complete: list[list[Case]] = []
        for system, scores in systems.items():
            system_cases = [c for c in cases if (c.data, c.system) == (data, system)]
            seeds = dict.fromkeys(case.settings.seed for case in system_cases)
            for seed in seeds:
                folds = [case for case in system_cases if case.settings.seed == seed]
                if all(finished(case, runs) for case in folds):
                    scores.append(seed_scores(folds, runs))
                    complete.append(folds)
            reasons = sorted(
                {failures[c.directory] for c in system_cases if c.directory in failures}
            )
            if len(scores) < len(seeds):
                broken[system] = f"{len(scores)} of {len(seeds)} seeds; " + (
                    "; ".join(reasons) or "not run yet"
                )
        if complete:
            tables.append(_grid_table(grid, data, systems, complete, broken, runs))
    return tables


def _grid_table(
    grid: Grid,
    data: str,
    systems: Mapping[str, Sequence[SeedScores]],
    complete: Sequence[Sequence[Case]],
    broken: Mapping[str, str],
    runs: Path,
) -> GridTable:
    # Baselines stand behind the normalisation of the reference, where it has run.
    first = next((folds for folds in complete if folds[0].system == grid.against), complete[0])
    task, constants = baselines(first, runs)
    clips = len(next(run for seeds in systems.values() for run in seeds).errors)
    commits = sorted({c for seeds in systems.values() for run in seeds for c in run.commits})
    folds = f", {len(first)} folds pooled, one group left out in each" if first[0].fold else ""
    budget = (
        f"; {grid.search.trials} trials of random search for each system, chosen on validation loss"
        if grid.search
        else ""
    )
    notes = [
        f"{clips:,} test clips{folds}; seeds {', '.join(map(str, grid.seeds_of(data)))}{budget}",
        f"training: wall time of one seed{' over all folds' if first[0].fold else ''}, one thread",
        f"commit {', '.join(commits)}",
    ]
    return make_table(
        data,
        task.columns,
        systems,
        constants,
        against=grid.against,
        paper=grid.data[data].paper,
        failures=broken,
        more_notes=notes,
    )


def make_table(
    data: str,
    columns: Sequence[MetricColumn],
    systems: Mapping[str, Sequence[SeedScores]],
    constants: Mapping[str, Mapping[str, float]],
    *,
    against: str,
    paper: str | None,
    failures: Mapping[str, str],
    more_notes: Sequence[str] = (),
) -> GridTable:
    """Make the table of a data set from the scores of its systems.

    Args:
        data: as the grid calls it.
        columns: of the task.
        systems: the finished seeds of each system.
        constants: metrics of the baselines, by name.
        against: the system all others are tested against.
        paper: the paper's data set that this is; None if it is none.
        failures: why runs of a system are missing, by system.
        more_notes: go before those of the paper.
    """
    means: dict[str, dict[str, float]] = {name: dict(row) for name, row in constants.items()}
    for name, seeds in systems.items():
        if seeds:
            means[name] = {c.key: _mean([run.metrics[c.key] for run in seeds]) for c in columns}
    best = {c.key: c.best({name: row[c.key] for name, row in means.items()}) for c in columns}
    p_values = _p_values(systems, against)
    rows = [
        Row(
            system=name,
            seeds=len(seeds),
            parameters=seeds[0].parameters if seeds else 0,
            seconds=_mean([run.seconds for run in seeds]),
            p=p_values.get(name),
            failure=failures.get(name, ""),
            cells={
                column.key: Cell(
                    mean=means[name][column.key],
                    deviation=_deviation([run.metrics[column.key] for run in seeds]),
                    best=name in best[column.key],
                    paper=published(paper, name, column.key) if paper else None,
                )
                for column in columns
                if name in means
            },
        )
        for name, seeds in [*((name, ()) for name in constants), *systems.items()]
    ]
    all_notes = [*more_notes, *(paper_notes(paper) if paper else ())]
    return GridTable(
        data=data,
        columns=columns,
        rows=rows,
        against=against,
        notes=all_notes,
        divergences=[
            name for seeds in systems.values() for run in seeds for name in run.divergences
        ],
    )


def _p_values(systems: Mapping[str, Sequence[SeedScores]], against: str) -> dict[str, float]:
    """Corrected p of each system against the reference, over the clips both have predicted."""
    reference = _clip_errors(systems.get(against, ()))
    p_values: dict[str, float] = {}
    for name, seeds in systems.items():
        errors = _clip_errors(seeds)
        shared = [clip for clip in reference if clip in errors]
        if name != against and shared:
            p_values[name] = sign_flip_test(
                np.array([errors[clip] for clip in shared]),
                np.array([reference[clip] for clip in shared]),
            )
    return holm(p_values)


def _clip_errors(seeds: Sequence[SeedScores]) -> dict[str, float]:
    """Each clip's error, mean over seeds."""
    if not seeds:
        return {}
    return {clip: _mean([run.errors[clip] for run in seeds]) for clip in seeds[0].errors}


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return statistics.fmean(defined) if defined else math.nan


def _deviation(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return statistics.stdev(defined) if len(defined) > 1 else math.nan


def seed_scores(cases: Sequence[Case], runs: Path) -> SeedScores:
    """Pool the folds of one seed of one system.

    Args:
        cases: all folds; each has finished.
        runs: where runs are kept.
    """
    folds = [read_run(runs / case.directory, _scored_fold) for case in cases]
    task, environment = folds[0].task, folds[0].environment
    truth = np.concatenate([fold.predictions.truth for fold in folds])
    decisions = np.concatenate([fold.predictions.predicted for fold in folds])
    ids = [name for fold in folds for name in fold.predictions.ids]
    return SeedScores(
        seed=cases[0].settings.seed,
        metrics=task.metrics(task.from_scores(decisions), truth),
        errors=dict(zip(ids, np.abs(decisions - truth).mean(axis=1).tolist(), strict=True)),
        seconds=sum(fold.seconds for fold in folds),
        parameters=environment.parameters,
        commits=tuple(sorted({fold.environment.commit_name for fold in folds})),
        places=tuple(str(case.directory) for case in cases),
        divergences=tuple(
            f"{case.name}: {fold.divergence}"
            for case, fold in zip(cases, folds, strict=True)
            if fold.divergence
        ),
    )


def baselines(cases: Sequence[Case], runs: Path) -> tuple[Task, dict[str, dict[str, float]]]:
    """The task, and metrics of the majority (or mean) and ridge rows, folds pooled.

    The baselines see the data as the runs given have normalised it.

    Args:
        cases: all folds of one seed of one system; each has finished.
        runs: where runs are kept.

    Raises:
        DataError: the data has changed since.
    """
    outputs: dict[str, list[Float[np.ndarray, "clip output"]]] = {}
    truth: list[Float[np.ndarray, "clip label"]] = []
    for case in cases:
        opened = read_run(runs / case.directory, lambda run: open_run(run.path))
        task, dataset = opened.task, opened.data
        truth.append(labels_of(dataset["test"]))
        for name, baseline in baseline_outputs(task, dataset, "test").items():
            outputs.setdefault(name, []).append(baseline)
    task, labels = read_run(runs / cases[0].directory, RunDirectory.task), np.concatenate(truth)
    rows = {name: task.metrics(np.concatenate(parts), labels) for name, parts in outputs.items()}
    return task, rows


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Fold:
    """What is read of one run."""

    task: Task
    environment: Environment
    predictions: Predictions
    seconds: float
    divergence: str


def _scored_fold(run: RunDirectory) -> _Fold:
    epochs = run.epochs()
    return _Fold(
        task=run.task(),
        environment=run.environment(),
        predictions=run.predictions(),
        seconds=float(epochs.seconds.sum()),
        divergence=epochs.divergence,
    )


def read_run(path: Path, reader: Callable[[RunDirectory], Reading]) -> Reading:
    """What a reader finds in a run; its error says how to make the run anew."""
    try:
        return reader(RunDirectory(path))
    except RunError as error:
        raise RunError(f"{error}; or remove {path} and run the grid again with --resume") from error
