"""How far the values of a modality stray, measured as robust normalisation would."""

import dataclasses

import numpy as np
from jaxtyping import Float

from deadpan.data.dataset import Clip
from deadpan.data.health.sampling import Sample
from deadpan.data.normalization import LIMIT, fit

FAR = 10.0
"""Robust deviations from the median of its feature beyond which a value is an outlier."""
MAGNIFIED = 1000.0
"""A feature that is scaled by more than this has its noise scaled, too."""
COLUMNS = 16  # features at a time: the memory of a block of float64 stays small


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scaling:
    """What ``--normalization robust`` would do to each feature.

    Attributes:
        centers: median of the training steps.
        scales: robust deviation of the training steps (see ``normalization.fit``); positive.
        cut: share of all values farther than ``LIMIT`` deviations from the median.
        far: share of all values farther than ``FAR`` deviations.
    """

    centers: Float[np.ndarray, " width"]
    scales: Float[np.ndarray, " width"]
    cut: float
    far: float


def scaling(sample: Sample) -> Scaling:
    """Fitted on the sample's training steps, or on all where it has none; told of all its steps."""
    steps, fitted = sample.steps(), sample.fitted()
    if not fitted.any():
        fitted = ~fitted
    centers: list[np.ndarray] = []
    scales: list[np.ndarray] = []
    cut = far = 0
    for first in range(0, steps.shape[1], COLUMNS):
        block = steps[:, first : first + COLUMNS]
        center, scale = _fit(block[fitted])
        away = np.abs(block.astype(np.float64) - center)
        cut += int((away > LIMIT * scale).sum())
        far += int((away > FAR * scale).sum())
        centers.append(center)
        scales.append(scale)
    return Scaling(
        centers=np.concatenate(centers),
        scales=np.concatenate(scales),
        cut=cut / steps.size,
        far=far / steps.size,
    )


def _fit(
    steps: Float[np.ndarray, "step width"],
) -> tuple[Float[np.ndarray, " width"], Float[np.ndarray, " width"]]:
    """Center and scale as training would fit them, were these steps those of a clip.

    Any name but ``text`` will do for the modality: word vectors are measured here, not scaled.
    """
    clip = Clip(id="", sequences={"features": steps}, label=np.zeros(0, dtype=np.float32))
    fitted = fit([clip], {"features": steps.shape[1]}, "robust")
    return (
        fitted.centers["features"].astype(np.float64),
        fitted.scales["features"].astype(np.float64),
    )
