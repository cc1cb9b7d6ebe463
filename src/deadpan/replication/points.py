"""The numbers that the figures draw: means over seeds with their intervals."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from deadpan.metrics.intervals import Interval, seed_interval
from deadpan.replication import statistics as stats
from deadpan.replication.evidence import Evidence, Measured
from deadpan.types import MODALITIES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """What stands at one place of a figure: a mean over seeds with its 95 % interval."""

    series: str
    place: str
    interval: Interval
    seeds: int


def error_points(evidence: Evidence, systems: Sequence[str]) -> list[Point]:
    """Mean error of each system at each rate."""
    return [
        _point(system, f"{rate:g}", evidence.of(data, system).values(), _mean_error)
        for system in systems
        for data, rate in evidence.rates.items()
        if evidence.of(data, system)
    ]


def flip_points(evidence: Evidence) -> list[Point]:
    """Share of wrong signs of each system on congruent and on incongruent clips."""
    data = [name for name, rate in evidence.rates.items() if rate > 0]
    found: list[Point] = []
    for system in evidence.plan.grid.systems:
        runs = [run for name in data for run in evidence.of(name, system).values()]
        for place, hard in (("congruent", False), ("incongruent", True)):
            if runs:
                found.append(_point(system, place, runs, lambda run, hard=hard: _flips(run, hard)))
    return found


def gain_points(evidence: Evidence) -> list[Point]:
    """Mean contribution of each modality to HCT-MG on each data set."""
    found: list[Point] = []
    for data in evidence.plan.grid.data:
        runs = list(evidence.of(data, "HCT-MG").values())
        names = [m for m in MODALITIES if runs and f"gain_{m}" in runs[0].columns]
        for name in names:
            gain = f"gain_{name}"
            found.append(
                _point(name, data, runs, lambda run, gain=gain: float(run.columns[gain].mean()))
            )
    return found


def _point(
    series: str, place: str, runs: Iterable[Measured], of: Callable[[Measured], float]
) -> Point:
    """One value a seed: runs of one seed on several data sets are averaged first."""
    by_seed: dict[int, list[float]] = {}
    for run in runs:
        by_seed.setdefault(run.seed, []).append(of(run))
    values = np.array([_mean(each) for each in by_seed.values()])
    return Point(series=series, place=place, interval=seed_interval(values), seeds=len(values))


def _mean(values: Sequence[float]) -> float:
    seen = stats.known(np.array(values))
    return float(seen.mean()) if len(seen) else math.nan


def _mean_error(run: Measured) -> float:
    return float(run.columns["error"].mean())


def _flips(run: Measured, hard: bool) -> float:
    which = stats.incongruent(run.columns) if hard else stats.peers(run.columns)
    seen = stats.known(run.columns["flip"][which])
    return float(seen.mean()) if len(seen) else math.nan
