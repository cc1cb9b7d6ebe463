"""What the finished runs of the study say, by data set, system and seed."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deadpan.benchmark.grid import Case
from deadpan.benchmark.runner import finished
from deadpan.metrics.intervals import Interval, clip_variance, seed_interval
from deadpan.replication.measuring import Columns, Measuring
from deadpan.replication.plan import Plan
from deadpan.tasks import Regression
from deadpan.training.history import EpochHistory, GateHistory
from deadpan.training.opened import RunDirectory
from deadpan.training.scores import RunScores

Statistic = Callable[..., float]
"""From the columns of each system on the same clips to one number; NaN where there is none."""

RESAMPLES = 499


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """One finished run.

    Attributes:
        case: what it ran.
        columns: measures of each test clip.
        epochs: its losses.
        gate: its weights; None without a gate.
        parameters: of the model.
        ridge: error of ridge on the same clips; NaN but for regression.
        constant: error of the train mean there; NaN but for regression.
        commit: of the code that trained it.
        place: below ``runs``.
    """

    case: Case
    columns: Columns
    epochs: EpochHistory
    gate: GateHistory | None
    parameters: int
    ridge: float
    constant: float
    commit: str
    place: str

    @property
    def seed(self) -> int:
        """Of the run."""
        return self.case.settings.seed

    @property
    def valid_loss(self) -> float:
        """The lowest on the validation split: that of the weights that are kept."""
        return float(np.nanmin(self.epochs.valid_loss))

    @property
    def still_improving(self) -> bool:
        """Whether the last epoch was the best: more might have been better."""
        return self.epochs.best_epoch == int(self.epochs.epochs[-1])

    @property
    def primary(self) -> str | None:
        """What the gate made primary in the weights that are kept."""
        if self.gate is None:
            return None
        return self.gate.primary_in(self.epochs.best_epoch or int(self.gate.epochs[-1]))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """All finished runs of a study.

    Attributes:
        plan: of the study.
        runs: by data set and system, by seed.
    """

    plan: Plan
    runs: Mapping[tuple[str, str], Mapping[int, Measured]]

    def of(self, data: str, system: str) -> Mapping[int, Measured]:
        """The finished runs of a system on a data set, by seed; empty if there is none."""
        return self.runs.get((data, system), {})

    @property
    def real(self) -> list[str]:
        """Data sets whose truth nobody knows."""
        return [data for data in self.plan.grid.data if self.plan.rate(data) is None]

    @property
    def rates(self) -> dict[str, float]:
        """The share of incongruent clips of each generated data set, rising."""
        known = {data: self.plan.rate(data) for data in self.plan.grid.data}
        rates = {data: rate for data, rate in known.items() if rate is not None}
        return dict(sorted(rates.items(), key=lambda item: item[1]))

    def seeds(self, data: Sequence[str], systems: Sequence[str]) -> list[int]:
        """Seeds that have finished for each of these systems on each of these data sets."""
        known = [set(self.of(d, s)) for d in data for s in systems]
        return sorted(set.intersection(*known)) if known else []

    def effect(
        self,
        data: Sequence[str],
        systems: Sequence[str],
        statistic: Statistic,
        *,
        null: float = 0.0,
    ) -> Interval:
        """A statistic of systems on the same clips, paired within each seed.

        Clips of several data sets are pooled, seed by seed. See
        ``deadpan.metrics.intervals.seed_interval`` for what a seed is; where data are real, seeds
        share their test clips, and the interval holds for other clips too.
        """
        seeds = self.seeds(data, systems)
        columns = [[self.pooled(data, s, seed) for s in systems] for seed in seeds]
        effects = np.array([statistic(*each) for each in columns], dtype=np.float64)
        variance = 0.0
        if len(seeds) > 1 and any(d in self.real for d in data):
            variance = clip_variance(
                lambda drawn: _mean([statistic(*taken(each, drawn)) for each in columns]),
                len(columns[0][0]["error"]),
                resamples=RESAMPLES,
            )
        return seed_interval(effects, clip_variance=variance, null=null)

    def pooled(self, data: Sequence[str], system: str, seed: int) -> Columns:
        """The clips of several data sets, one run each; the columns that all of them have."""
        parts = [self.of(d, system)[seed].columns for d in data]
        shared = set.intersection(*(set(part) for part in parts))
        return {name: np.concatenate([part[name] for part in parts]) for name in shared}


def taken(columns: Sequence[Columns], drawn: np.ndarray) -> list[Columns]:
    """The same clips of each system's columns."""
    return [{name: x[drawn] for name, x in each.items()} for each in columns]


def gather(plan: Plan, cases: Sequence[Case], runs: Path, measuring: Measuring) -> Evidence:
    """Read what has finished; runs that have not are left out.

    Raises:
        RunError: a file is damaged, with what to do.
    """
    found: dict[tuple[str, str], dict[int, Measured]] = {}
    for case in cases:
        if finished(case, runs, measuring):
            run = _measured(case, RunDirectory(runs / case.place), measuring)
            found.setdefault((case.data, case.system), {})[run.seed] = run
    return Evidence(plan=plan, runs=found)


def _measured(case: Case, run: RunDirectory, measuring: Measuring) -> Measured:
    facts, scores = run.environment(), run.scores()
    return Measured(
        case=case,
        columns=measuring.read(run),
        epochs=run.epochs(),
        gate=run.gate(),
        parameters=facts.parameters,
        ridge=_mae(scores, "ridge"),
        constant=_mae(scores, Regression.constant_name),
        commit=facts.commit_name,
        place=str(case.place),
    )


def _mae(scores: RunScores, system: str) -> float:
    return next((r.metrics.get("mae", np.nan) for r in scores.rows if r.system == system), np.nan)


def _mean(values: Sequence[float]) -> float:
    known: Float[np.ndarray, " seed"] = np.array(values)
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else float("nan")
