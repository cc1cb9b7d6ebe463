"""Evenly spaced steps of a modality, within a fixed memory."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

STEPS = 100_000
"""Steps kept at most."""
VALUES = 30_000_000
"""Values kept at most, whatever the width: 120 MB."""


class Sample:
    """Every ``every``-th step of a modality, from the first; all of them while they are few.

    How many steps will come is not known beforehand: when they are too many, every second one is
    dropped, and from then on half as many are taken.

    Attributes:
        every: the distance between two steps kept; 1 = all are.
        most: steps kept at most; there are never fewer than half as many once any was dropped.
    """

    def __init__(self, width: int) -> None:
        """An empty sample of steps of ``width`` features."""
        self.every = 1
        self.most = max(2, min(STEPS, VALUES // max(1, width)))
        self._width = width
        self._seen = 0
        self._steps: list[Float[np.ndarray, "_ _"]] = []
        self._fitted: list[Bool[np.ndarray, " _"]] = []
        self._size = 0

    def __len__(self) -> int:
        """Steps kept."""
        return self._size

    def add(self, steps: Float[np.ndarray, "step width"], *, fitted: bool) -> None:
        """Take what is due of the next steps.

        Args:
            steps: of one clip.
            fitted: whether normalisation is fitted on this clip.
        """
        # A copy: a view would keep the whole clip in memory.
        chosen = steps[-self._seen % self.every :: self.every].copy()
        self._seen += len(steps)
        self._steps.append(chosen)
        self._fitted.append(np.full(len(chosen), fitted))
        self._size += len(chosen)
        while self._size > self.most:
            self.every *= 2
            self._keep(self.steps()[::2].copy(), self.fitted()[::2])

    def steps(self) -> Float[np.ndarray, "step width"]:
        """What was kept, in order."""
        if len(self._steps) != 1:
            empty = np.zeros((0, self._width), dtype=np.float32)
            self._keep(np.concatenate([empty, *self._steps]), self.fitted())
        return self._steps[0]

    def fitted(self) -> Bool[np.ndarray, " step"]:
        """True for steps of clips on which normalisation is fitted."""
        return np.concatenate([np.zeros(0, dtype=bool), *self._fitted])

    def _keep(
        self, steps: Float[np.ndarray, "step width"], fitted: Bool[np.ndarray, " step"]
    ) -> None:
        self._steps, self._fitted, self._size = [steps], [fitted], len(steps)


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
