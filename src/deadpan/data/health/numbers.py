"""Numbers of many clips in a few: summaries and histograms."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

BINS = 20
"""Of a histogram of lengths, at most."""
LABEL_BINS = 7


def summary(values: Sequence[int] | Sequence[float]) -> dict[str, float]:
    """Least, median, mean and greatest."""
    return {
        "min": float(np.min(values)),
        "median": float(np.median(values)),
        "mean": float(np.mean(values)),
        "max": float(np.max(values)),
    }


def length_histogram(steps: Sequence[int]) -> dict[str, list[int]]:
    """Clips by length in bins of equal width: from an edge to one step before the next."""
    low, high = min(steps), max(steps)
    width = -((low - high - 1) // BINS)  # rounded up
    edges = np.arange(low, high + width + 1, width)
    return {"edges": edges.tolist(), "counts": np.histogram(steps, edges)[0].tolist()}


def second_histogram(seconds: Sequence[float]) -> dict[str, list[int] | list[float]]:
    """Clips by duration in bins of equal width from 0 to the longest, which is in the last bin."""
    edges = np.linspace(0, max(seconds) or 1, BINS + 1)
    return {"edges": edges.tolist(), "counts": np.histogram(seconds, edges)[0].tolist()}


def label_edges(values: Float[np.ndarray, " clip"]) -> Float[np.ndarray, " edge"]:
    """Edges of bins of equal width from the least label to the greatest, which is in the last."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        around = max(abs(low), 1.0) / 2
        low, high = low - around, high + around
    return np.linspace(low, high, LABEL_BINS + 1)
