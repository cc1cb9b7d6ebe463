"""Tests of systems over the seeds of their finished runs: paired effects, shares, intervals."""

import dataclasses
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import product

import numpy as np

from deadpan.benchmarking.verdicts import UNKNOWN, Finding
from deadpan.metrics.intervals import Interval, clip_variance, seed_interval, share_interval

Columns = Mapping[str, np.ndarray]
"""Measures of the test clips of a run by name, one value per clip; ``error`` is always there."""

Statistic = Callable[..., float]
"""A function of one system's columns, or of several systems' on the same clips; NaN = undefined."""

RESAMPLES = 499
"""Bootstrap draws of the test clips."""

SMALLEST_EFFECT = 0.05
"""The smallest share of error, and the smallest difference in a rate or in an area under a ROC
curve, that is worth a claim."""

COIN_LEVEL = 0.05
"""Level of the test that a system gets signs wrong more often than a coin would."""

ERROR_UNIT = "share of the other's error avoided"


def error_avoided(ours: Columns, theirs: Columns) -> float:
    """The share of their mean error that ours avoids; negative where ours is larger."""
    error = theirs["error"].mean() if len(theirs["error"]) else 0.0
    return float(1 - ours["error"].mean() / error) if error else math.nan


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeasuredRun:
    """One finished run, measured on its test clips.

    Attributes:
        seed: its seed.
        columns: measures of each test clip, by name.
        valid_loss: the lowest validation loss, which is that of the weights that are kept.
        constant_error: mean error of the constant prediction on the same clips; NaN if unknown.
        ridge_error: the same of ridge regression.
    """

    seed: int
    columns: Columns
    valid_loss: float
    constant_error: float
    ridge_error: float = math.nan


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """Finished runs of several systems on several data sets, and the tests made of them.

    Systems are paired within each seed: the runs of one seed on one data set have the same test
    clips, in the same order.

    Attributes:
        runs: by data set and system, then by seed.
        shared_clips: data sets whose test clips are the same for every seed. Their effects are
            those of a sample of clips, whose variance the interval then includes. Elsewhere each
            seed has clips of its own, and the variance over seeds includes it.
    """

    runs: Mapping[tuple[str, str], Mapping[int, MeasuredRun]]
    shared_clips: Collection[str] = ()

    def by_seed(self, data: str, system: str) -> Mapping[int, MeasuredRun]:
        """The finished runs of a system on a data set, by seed; empty if there is none."""
        return self.runs.get((data, system), {})

    def seeds(self, data: Sequence[str], systems: Sequence[str]) -> list[int]:
        """The seeds that have finished for each of these systems on each of these data sets."""
        finished = [set(self.by_seed(d, s)) for d in data for s in systems]
        return sorted(set.intersection(*finished)) if finished else []

    def effect(
        self,
        data: Sequence[str],
        systems: Sequence[str],
        statistic: Statistic,
        *,
        null: float = 0.0,
    ) -> Interval:
        """The mean over seeds of a statistic of systems on the same clips, with its interval.

        Of several data sets each has its own statistic, for each has networks of its own, and their
        mean is a seed's. See :func:`deadpan.metrics.intervals.seed_interval` for the interval.

        Raises:
            ValueError: several data sets, and in one of them seeds share their clips.
        """
        columns = [
            [[self.by_seed(d, system)[seed].columns for system in systems] for d in data]
            for seed in self.seeds(data, systems)
        ]
        effects = np.array(
            [np.mean([statistic(*each) for each in of_seed]) for of_seed in columns],
            dtype=np.float64,
        )
        variance = 0.0
        if len(columns) > 1 and any(d in self.shared_clips for d in data):
            if len(data) > 1:
                raise ValueError(f"clips of {', '.join(data)} are not drawn together")
            variance = clip_variance(
                lambda sample: _mean([statistic(*_take(each, sample)) for (each,) in columns]),
                len(columns[0][0][0]["error"]),
                resamples=RESAMPLES,
            )
        return seed_interval(effects, clip_variance=variance, null=null)

    def compare(
        self,
        test: str,
        data: Sequence[str],
        systems: Sequence[str],
        statistic: Statistic,
        *,
        unit: str = ERROR_UNIT,
        null: float = 0.0,
        percent: bool = False,
        learned: Sequence[str] = (),
    ) -> Finding:
        """Test a statistic of systems, paired by seed and clip; see :meth:`effect`.

        Args:
            test: the test in words.
            data: data sets, whose statistics are averaged.
            systems: arguments of the statistic.
            statistic: of their columns; positive (above ``null``) speaks for the claim.
            unit: unit of the effect, in words.
            null: the value of no effect.
            percent: whether the effect is a share.
            learned: systems that must have learned something (see :meth:`unlearned`), or there is
                no result: a network that knows nothing shows nothing about the claim.
        """
        seeds = self.seeds(data, systems)
        finding = Finding(
            test=test,
            data=tuple(data),
            systems=tuple(systems),
            seeds=tuple(seeds),
            interval=self.effect(data, systems, statistic, null=null) if seeds else UNKNOWN,
            unit=unit,
            margin=null + SMALLEST_EFFECT,
            percent=percent,
        )
        if not seeds:
            return self._without_runs(finding)
        idle = self.unlearned(data, learned)
        return finding.without_result("; ".join(idle)) if idle else finding

    def against_each(
        self,
        data: Sequence[str],
        ours: str,
        others: Sequence[str],
        statistic: Statistic = error_avoided,
        *,
        unit: str = ERROR_UNIT,
        where: str = "",
        learned: bool = False,
    ) -> list[Finding]:
        """Compare one system with each of the others that has runs of the same seeds.

        Args:
            data: data sets, whose statistics are averaged.
            ours: the first argument of the statistic.
            others: the second, in turn.
            statistic: see :meth:`compare`.
            unit: unit of the effect, in words.
            where: names the clips in the test's words; "" names the first data set.
            learned: whether the other must have learned something; that ours has not is a result.
        """
        return [
            self.compare(
                f"{ours} against {other}{where or f', {data[0]}'}",
                data,
                [ours, other],
                statistic,
                unit=unit,
                percent=True,
                learned=[other] if learned else [],
            )
            for other in others
            if self.seeds(data, [ours, other])
        ]

    def share(
        self,
        test: str,
        data: Sequence[str],
        system: str,
        outcomes: Sequence[tuple[MeasuredRun, bool]],
        *,
        null: float,
        margin: float,
    ) -> Finding:
        """Test in what share of runs something happened.

        Each run is a trial where a seed has one. Runs of a seed on several data sets may be alike:
        there the share of each seed is one number, and seeds are the units.

        Args:
            test: the test in words.
            data: data sets of the runs.
            system: system of the runs.
            outcomes: each run, and whether it happened there.
            null: the share by chance.
            margin: the smallest share that would matter.
        """
        successes = sum(happened for _, happened in outcomes)
        by_seed: dict[int, list[bool]] = {}
        for run, happened in outcomes:
            by_seed.setdefault(run.seed, []).append(happened)
        shares = np.array([np.mean(each) for each in by_seed.values()], dtype=np.float64)
        alone = len(by_seed) == len(outcomes)
        finding = Finding(
            test=test,
            data=tuple(data),
            systems=(system,),
            seeds=tuple(sorted({run.seed for run, _ in outcomes})),
            interval=share_interval(successes, len(outcomes), null=null)
            if alone
            else seed_interval(shares, null=null),
            unit=f"share of runs ({successes} of {len(outcomes)}{'' if alone else ', by seed'})",
            margin=margin,
            alike=SMALLEST_EFFECT,
            percent=True,
        )
        return finding if outcomes else self._without_runs(finding)

    def unlearned(self, data: Sequence[str], systems: Sequence[str]) -> list[str]:
        """Name the systems that show nothing about a claim, and why.

        A system has learned something where its error is clearly below those of the constant and
        of ridge regression, and where it does not get the sign of any kind of clip wrong more often
        than a coin would (one-sided binomial test, Bonferroni's correction over the kinds); on each
        of the data sets.
        """
        idle: list[str] = []
        for system, name in product(systems, data):
            here = f"on {name}" if len(data) > 1 else "here"
            runs = list(self.by_seed(name, system).values())
            error = float(np.mean([run.columns["error"].mean() for run in runs] or [math.nan]))
            for simple in ("constant", "ridge"):
                errors = [getattr(run, f"{simple}_error") for run in runs]
                baseline = float(np.mean(errors or [math.nan]))
                if error > (1 - SMALLEST_EFFECT) * baseline:
                    idle.append(
                        f"{system} has learned nothing {here}: error {error:.2f}, that of the "
                        f"{simple} baseline {baseline:.2f}"
                    )
                    break
            else:
                where = f" {here}" if len(data) > 1 else ""
                idle += [f"{system} {what}{where}" for what in _worse_than_a_coin(runs)]
        return idle

    def best_on_validation(self, data: str, systems: Sequence[str]) -> str | None:
        """The system with the lowest mean validation loss over the seeds that all of them have.

        The test split has no say in the choice. None where no system has a run.
        """
        finished = [system for system in systems if self.by_seed(data, system)]
        seeds = self.seeds([data], finished)
        losses = {
            system: float(np.mean([self.by_seed(data, system)[seed].valid_loss for seed in seeds]))
            for system in finished
            if seeds
        }
        return min(losses, key=lambda system: losses[system]) if losses else None

    def _without_runs(self, finding: Finding) -> Finding:
        lacking = [
            f"{system} on {data}"
            for data in finding.data
            for system in finding.systems
            if not self.by_seed(data, system)
        ]
        reason = (
            f"no finished run of {', '.join(lacking)}" if lacking else "no data set of this kind"
        )
        return finding.without_result(reason)


def _worse_than_a_coin(runs: Sequence[MeasuredRun]) -> list[str]:
    """The kinds of clips whose sign runs get wrong more often than not, with the share."""
    wrong: dict[str, list[float]] = {}
    for run in runs:
        columns = run.columns
        if "flip" in columns and "kind" in columns:
            for kind, flip in zip(columns["kind"], columns["flip"], strict=True):
                if not math.isnan(flip):
                    wrong.setdefault(str(kind), []).append(float(flip))
    return [
        f"gets the sign of {100 * np.mean(flips):.0f} % of {kind} clips wrong"
        for kind, flips in wrong.items()
        if share_interval(int(sum(flips)), len(flips), null=0.5).p_above(0.5)
        < COIN_LEVEL / len(wrong)
    ]


def _take(columns: Sequence[Columns], sample: np.ndarray) -> list[Columns]:
    return [{name: values[sample] for name, values in each.items()} for each in columns]


def _mean(values: Sequence[float]) -> float:
    array = np.array(values, dtype=np.float64)
    array = array[~np.isnan(array)]
    return float(array.mean()) if len(array) else math.nan
