"""A data set's table: every system, mean and deviation over seeds, beside the paper's figure."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np

from deadpan.benchmarking.collect import SeedScores
from deadpan.benchmarking.published import notes, published
from deadpan.metrics.significance import holm, sign_flip_test
from deadpan.tasks.task import MetricColumn


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
    """

    data: str
    columns: Sequence[MetricColumn]
    rows: Sequence[Row]
    against: str
    notes: Sequence[str]


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
    """Put a table together.

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
    told = [*more_notes, *(notes(paper) if paper else ())]
    return GridTable(data=data, columns=columns, rows=rows, against=against, notes=told)


def _p_values(systems: Mapping[str, Sequence[SeedScores]], against: str) -> dict[str, float]:
    """Corrected p of each system against the reference, over the clips both have predicted."""
    reference = _clip_errors(systems.get(against, ()))
    found: dict[str, float] = {}
    for name, seeds in systems.items():
        errors = _clip_errors(seeds)
        shared = [clip for clip in reference if clip in errors]
        if name != against and shared:
            found[name] = sign_flip_test(
                np.array([errors[clip] for clip in shared]),
                np.array([reference[clip] for clip in shared]),
            )
    return holm(found)


def _clip_errors(seeds: Sequence[SeedScores]) -> dict[str, float]:
    """Each clip's error, mean over seeds."""
    if not seeds:
        return {}
    return {clip: _mean([run.errors[clip] for run in seeds]) for clip in seeds[0].errors}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return statistics.fmean(known) if known else math.nan


def _deviation(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return statistics.stdev(known) if len(known) > 1 else math.nan
