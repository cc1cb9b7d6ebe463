"""Effects with their 95 % confidence intervals: means over seeds, and shares of runs."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.special import stdtr, stdtrit

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interval:
    """An effect and what is known of it.

    Attributes:
        estimate: of the effect.
        low: end of the 95 % confidence interval; NaN where it cannot be known (one seed).
        high: the other end.
        p: two-sided, of the effect being ``null``; NaN where it cannot be known.
        null: the value that stands for no effect.
    """

    estimate: float
    low: float
    high: float
    p: float
    null: float = 0.0


def seed_interval(
    effects: Float[np.ndarray, " seed"], *, clip_variance: float = 0.0, null: float = 0.0
) -> Interval:
    """The mean effect over seeds, by Student's t.

    Each seed is one draw: of weights and order and, where every seed has clips of its own, of the
    clips it was trained and tested on; ``clip_variance`` is then 0. Where seeds share their test
    clips, these are one more draw, and its variance adds (Owen 2007, The pigeonhole bootstrap, for
    why two crossed draws add). The degrees of freedom are those of the seeds, which is careful.

    Args:
        effects: one per seed, already paired within it; NaN = a seed that says nothing.
        clip_variance: of the mean effect over redrawn clips; see :func:`clip_variance`.
        null: no effect.
    """
    known = effects[~np.isnan(effects)]
    estimate = float(known.mean()) if len(known) else math.nan
    if len(known) < 2:
        return Interval(estimate=estimate, low=math.nan, high=math.nan, p=math.nan, null=null)
    freedom = len(known) - 1
    error = math.sqrt(float(known.var(ddof=1)) / len(known) + clip_variance)
    half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * error
    distance = abs(estimate - null)
    p = 2 * float(stdtr(freedom, -distance / error)) if error > 0 else float(distance == 0)
    return Interval(estimate=estimate, low=estimate - half, high=estimate + half, p=p, null=null)


def clip_variance(
    effect: Callable[[Int[np.ndarray, " drawn"]], float],
    clips: int,
    *,
    resamples: int = 999,
    seed: int = 0,
) -> float:
    """Variance of an effect over test clips drawn anew, by the bootstrap.

    Efron 1979, Bootstrap Methods: Another Look at the Jackknife. Clips count as independent; those
    of one speaker are less so, which makes the variance too small.

    Args:
        effect: the mean effect over seeds on the clips of these indices, the same clips for every
            system, so that it stays paired; NaN where they say nothing.
        clips: how many there are.
        resamples: draws with replacement.
        seed: of the draws.
    """
    random = np.random.default_rng(seed)
    drawn = np.array([effect(random.integers(0, clips, clips)) for _ in range(resamples)])
    known = drawn[~np.isnan(drawn)]
    return float(known.var(ddof=1)) if len(known) > 1 else math.nan


def share_interval(successes: int, trials: int, *, null: float) -> Interval:
    """How often something happens in independent trials.

    Wilson's score interval (1927), and the exact binomial p: the probability, if the share is
    ``null``, of a count no likelier than the one found.
    """
    if not trials:
        return Interval(estimate=math.nan, low=math.nan, high=math.nan, p=math.nan, null=null)
    from scipy.stats import binomtest  # here: importing it takes half a second

    test = binomtest(successes, trials, null)
    wilson = test.proportion_ci(CONFIDENCE, method="wilson")
    low, high, p = float(wilson.low), float(wilson.high), float(test.pvalue)
    return Interval(estimate=successes / trials, low=low, high=high, p=p, null=null)


def weakest(intervals: Sequence[Interval]) -> Interval:
    """What "more than every one of them" may claim: the interval of the comparison least in favour.

    The intersection-union test (Berger 1982): the claim is only as sure as its weakest part, and
    needs no correction for having several. Where one is unknown, so is the whole.
    """
    unknown = [found for found in intervals if math.isnan(found.low)]
    return unknown[0] if unknown else min(intervals, key=lambda found: found.low)
