"""Numbers measured from a recording at a steady rate: their columns, mask and confidence."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Float32

from deadpan.data.feature_recipe import Column as Column


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class MeasuredSequence:
    """What was measured of one modality, of one person where the modality has several.

    Step ``k`` covers the time from ``(first + k) / rate`` to ``(first + k + 1) / rate`` seconds on
    the recording's clock.

    Attributes:
        columns: what the numbers are.
        rate: steps per second.
        first: index of the first step on the recording's clock.
        values: finite; 0 where nothing was measured.
        present: whether a step was measured.
        confidence: in [0, 1]; 0 where nothing was measured.
    """

    columns: tuple[Column, ...]
    rate: float
    first: int
    values: Float32[np.ndarray, "step number"]
    present: Bool[np.ndarray, " step"]
    confidence: Float32[np.ndarray, " step"]

    def times(self) -> Float[np.ndarray, "step 2"]:
        """Start and end of each step in seconds from the recording's start."""
        edges = (self.first + np.arange(len(self.values) + 1)) / self.rate
        return np.stack([edges[:-1], edges[1:]], axis=1)


def absent(columns: tuple[Column, ...], rate: float) -> MeasuredSequence:
    """A sequence without a step: there was nothing to measure."""
    return MeasuredSequence(
        columns=columns,
        rate=rate,
        first=0,
        values=np.zeros((0, sum(column.count for column in columns)), np.float32),
        present=np.zeros(0, bool),
        confidence=np.zeros(0, np.float32),
    )
