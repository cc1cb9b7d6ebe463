"""Effects with 95 % confidence intervals: means over seeds, and shares of trials."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy.special import stdtr, stdtrit

CONFIDENCE = 0.95
ROUNDING = 1e-9
"""Effects that differ by less are the same."""
MOST_UNITS = 1000
"""The largest number of seeds or trials that is worth naming."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimated effect with its 95 % confidence interval and p value.

    Attributes:
        estimate: point estimate of the effect.
        low: lower end of the interval; NaN where it cannot be estimated (one seed).
        high: upper end of the interval.
        p: two-sided p value of the hypothesis that the effect is ``null``; NaN like ``low``.
        null: the value that stands for no effect.
        error: standard error of the estimate; NaN like ``low``, and for a share.
        units: number of seeds, or of trials of a share.
        successes: of a share; None for a mean.
    """

    estimate: float
    low: float
    high: float
    p: float
    null: float = 0.0
    error: float = math.nan
    units: int = 0
    successes: int | None = None

    def p_above(self, value: float) -> float:
        """One-sided p value of the hypothesis that the effect is at most ``value``."""
        return self._one_sided(value, "greater")

    def p_below(self, value: float) -> float:
        """One-sided p value of the hypothesis that the effect is at least ``value``."""
        return self._one_sided(value, "less")

    def units_to_tell_from(self, value: float, *, level: float, power: float = 0.8) -> int | None:
        """Number of seeds or trials at which a one-sided test would tell the effect from a value.

        As if the estimate and the deviation of one unit were those of the whole population; None
        where the estimate is that value, where no unit deviates, or above ``MOST_UNITS``.

        Args:
            value: what the effect is to be told from.
            level: of the test.
            power: probability that it tells them apart.
        """
        distance = abs(self.estimate - value)
        spread = self.error * math.sqrt(self.units)
        if self.successes is not None:
            spread = math.sqrt(value * (1 - value))
        if not distance > 0 or not spread > 0:
            return None
        for units in range(2, MOST_UNITS + 1):
            freedom = units - 1
            wanted = float(stdtrit(freedom, 1 - level) + stdtrit(freedom, power))
            if distance * math.sqrt(units) >= wanted * spread:
                return units
        return None

    def _one_sided(self, value: float, side: Literal["greater", "less"]) -> float:
        if self.successes is not None:
            from scipy.stats import binomtest  # here: importing it takes half a second

            share = min(1.0, max(0.0, value))
            return float(binomtest(self.successes, self.units, share, alternative=side).pvalue)
        distance = self.estimate - value if side == "greater" else value - self.estimate
        if math.isnan(self.error) or math.isnan(distance):
            return math.nan
        if self.error:
            return float(stdtr(self.units - 1, -distance / self.error))
        return _of_equal_shares(self.estimate, value, self.units) if distance > 0 else 1.0


def _of_equal_shares(share: float, value: float, units: int) -> float:
    """P value where all units have the same share, so that Student's t has no deviation to go by.

    By Markov's inequality a number in [0, 1] whose mean is ``value`` is as far from it as ``share``
    with at most this probability, whatever its distribution; all units are, with its power. NaN
    where the numbers are no shares: equal effects say nothing of how others vary.
    """
    if not (0 <= share <= 1 and 0 < value < 1):
        return math.nan
    once = value / share if share > value else (1 - value) / (1 - share)
    return once**units


def seed_interval(
    effects: Float[np.ndarray, " seed"], *, clip_variance: float = 0.0, null: float = 0.0
) -> Interval:
    """Mean effect over seeds, with its interval and p value from Student's t.

    Each seed is one draw: of weights and order and, where every seed has clips of its own, of the
    clips it was trained and tested on; ``clip_variance`` is then 0. Where seeds share their test
    clips, these are one more draw, and its variance adds (Owen 2007, The pigeonhole bootstrap, for
    why two crossed draws add). The degrees of freedom are those of the seeds: a conservative
    choice.

    Args:
        effects: one per seed, already paired within it; a seed with NaN is left out.
        clip_variance: variance of the mean effect over redrawn clips; see :func:`clip_variance`.
        null: the value that stands for no effect.
    """
    effects = effects[~np.isnan(effects)]
    estimate = float(effects.mean()) if len(effects) else math.nan
    if len(effects) < 2:
        return Interval(estimate=estimate, low=math.nan, high=math.nan, p=math.nan, null=null)
    freedom = len(effects) - 1
    spread = float(effects.var(ddof=1)) if np.ptp(effects) > ROUNDING else 0.0
    error = math.sqrt(spread / len(effects) + clip_variance)
    half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
    distance = abs(estimate - null)
    p = 2 * float(stdtr(freedom, -distance / error)) if error > 0 else float(distance == 0)
    return Interval(
        estimate=estimate,
        low=estimate - half,
        high=estimate + half,
        p=p,
        null=null,
        error=error,
        units=len(effects),
    )


def clip_variance(
    effect: Callable[[Int[np.ndarray, " draw"]], float],
    clips: int,
    *,
    resamples: int = 999,
    seed: int = 0,
) -> float:
    """Bootstrap estimate of an effect's variance over redrawn test clips.

    Efron 1979, Bootstrap Methods: Another Look at the Jackknife. Clips count as independent; clips
    of one speaker are not quite, which makes the variance too small.

    Args:
        effect: the mean effect over seeds on the clips of these indices, the same clips for every
            system, so that it stays paired; NaN where it is undefined.
        clips: number of test clips.
        resamples: draws with replacement.
        seed: seed of the draws.
    """
    random = np.random.default_rng(seed)
    draws = np.array([effect(random.integers(0, clips, clips)) for _ in range(resamples)])
    draws = draws[~np.isnan(draws)]
    return float(draws.var(ddof=1)) if len(draws) > 1 else math.nan


def share_interval(successes: int, trials: int, *, null: float) -> Interval:
    """Share of successes in independent trials, with its interval and p value.

    Wilson's score interval (1927), and the exact binomial p value: the probability, if the true
    share is ``null``, of a count no likelier than the observed one.
    """
    if not trials:
        return Interval(estimate=math.nan, low=math.nan, high=math.nan, p=math.nan, null=null)
    from scipy.stats import binomtest  # here: importing it takes half a second

    test = binomtest(successes, trials, null)
    wilson = test.proportion_ci(CONFIDENCE, method="wilson")
    low, high, p = float(wilson.low), float(wilson.high), float(test.pvalue)
    return Interval(
        estimate=successes / trials,
        low=low,
        high=high,
        p=p,
        null=null,
        units=trials,
        successes=successes,
    )


def weakest(intervals: Sequence[Interval]) -> Interval:
    """Interval of the weakest comparison of a claim of "more than every other".

    The one with the largest p value of no effect. That is the p value of the intersection-union
    test (Berger 1982): the claim is only as sure as its weakest part, and needs no correction for
    multiple tests. If one interval is unknown, so is the result.
    """
    unknown = [interval for interval in intervals if math.isnan(interval.low)]
    if unknown:
        return unknown[0]
    p_values = [interval.p_above(interval.null) for interval in intervals]
    return intervals[int(np.argmax(np.nan_to_num(p_values, nan=math.inf)))]
