"""Whether probabilities are right, and whether certain predictions are better than others."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from deadpan.metrics.rounding import is_constant, rounded
from deadpan.options import NullableFloat

BINS = 10
"""Bins of equal width over [0, 1]."""
POINTS = 20
"""Points of an abstention curve."""

PerClip = Float[np.ndarray, " clip"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Clips whose probability is in one bin.

    Attributes:
        low: where the bin starts.
        high: where it ends; the last bin includes it.
        clips: number of clips.
        probability: their mean probability; NaN without clips.
        share: share of them for which it came true; NaN without clips.
    """

    low: float
    high: float
    clips: int
    probability: NullableFloat
    share: NullableFloat


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstentionPoint:
    """A point of an abstention curve.

    Attributes:
        share: share of the clips, the most certain ones.
        value: their mean error, or their accuracy.
    """

    share: float
    value: float


def reliability_bins(
    probabilities: PerClip, outcomes: Bool[np.ndarray, " clip"]
) -> tuple[ReliabilityBin, ...]:
    """The reliability diagram's bins: ``BINS`` of equal width (Guo et al. 2017, section 2).

    Args:
        probabilities: in [0, 1].
        outcomes: whether it came true.
    """
    indices = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    bins = list[ReliabilityBin]()
    for index in range(BINS):
        chosen = indices == index
        count = int(chosen.sum())
        bins.append(
            ReliabilityBin(
                low=index / BINS,
                high=(index + 1) / BINS,
                clips=count,
                probability=NullableFloat(probabilities[chosen].mean() if count else np.nan),
                share=NullableFloat(outcomes[chosen].mean() if count else np.nan),
            )
        )
    return tuple(bins)


def expected_calibration_error(bins: tuple[ReliabilityBin, ...]) -> float:
    """Mean |probability - share| over the clips, each by its bin, in [0, 1]; NaN without clips.

    Naeini, Cooper and Hauskrecht 2015, Obtaining well calibrated probabilities using Bayesian
    binning.
    """
    clips = sum(part.clips for part in bins)
    if not clips:
        return float("nan")
    return sum(p.clips * abs(p.probability - p.share) for p in bins if p.clips) / clips


def abstention_curve(values: PerClip, certainty: PerClip) -> PerClip | None:
    """Mean value of the 1, 2, ... most certain clips: the risk-coverage curve, for errors.

    El-Yaniv and Wiener 2010, On the foundations of noise-free selective classification. Clips that
    are as certain as one another are each worth their mean: their order changes nothing. The mean
    of the curve is the area under it; an order by chance has, on average, the mean of the values.
    Certainties that differ by no more than rounding are the same; where all are, there is no curve.

    Args:
        values: error of each clip, or 1 where it is right and 0 where it is not.
        certainty: finite, on any scale; the least certain clips are left out first.
    """
    if is_constant(certainty):
        return None
    _, ties, counts = np.unique(-rounded(certainty), return_inverse=True, return_counts=True)
    means = np.bincount(ties, weights=values) / counts
    ordered = np.repeat(means, counts)
    return np.cumsum(ordered) / np.arange(1, len(ordered) + 1)


def abstention_points(curve: PerClip) -> tuple[AbstentionPoint, ...]:
    """Up to ``POINTS`` points of a curve, evenly spaced, the last for all clips."""
    ranks = np.unique(np.ceil(np.linspace(0, 1, POINTS + 1)[1:] * len(curve) - 1e-9).astype(int))
    return tuple(
        AbstentionPoint(share=int(rank) / len(curve), value=float(curve[rank - 1]))
        for rank in ranks
        if rank
    )
