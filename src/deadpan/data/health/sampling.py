"""Evenly spaced steps of a modality, within a fixed memory."""

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
