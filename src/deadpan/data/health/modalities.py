"""Statistics of one modality, collected clip by clip in bounded memory and made ready for JSON."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from deadpan.data.dataset import Clip, Dataset
from deadpan.data.health.leaks import FIRST
from deadpan.data.normalization import LIMIT, fit_normalizer
from deadpan.types import SPLITS, Modality


class ModalityStatistics:
    """Statistics of one modality, collected clip by clip; clips are not kept."""

    def __init__(self, width: int) -> None:
        """Start the statistics of a modality of ``width`` features, without clips."""
        self.sample = Sample(width)
        self.extremes = {split: Extremes.none(width) for split in SPLITS}
        # Steps of each clip that has the modality, and ends of those whose times are known.
        self.lengths: dict[str, list[int]] = {split: [] for split in SPLITS}
        self.seconds: list[float] = []
        self.zero_steps = 0  # steps whose features are all 0
        self.zero_clips = 0  # clips with such a step
        self.constant: list[int] = []  # clips of two steps or more that are all the same
        self.digests: set[bytes] = set()  # of the distinct sequences

    def add(
        self, clip: int, split: str, steps: Float[np.ndarray, "step width"], hashed: bytes
    ) -> None:
        """Add the sequence of the clip of an index, and its digest."""
        self.lengths[split].append(len(steps))
        self.digests.add(hashed)
        if not len(steps):
            return
        low, high = steps.min(axis=0), steps.max(axis=0)
        index = np.full(len(low), clip)
        self.extremes[split].merge(Extremes(low=low, high=high, low_clip=index, high_clip=index))
        zero = len(steps) - int(steps.any(axis=1).sum())
        self.zero_steps += zero
        self.zero_clips += zero > 0
        if len(steps) > 1 and bool((low == high).all()):
            self.constant.append(clip)
        self.sample.add(steps, fitted=split == "train")

    def over_all(self) -> "Extremes":
        """Extremes over all splits."""
        merged = Extremes.none(len(self.extremes["train"].low))
        for part in self.extremes.values():
            merged.merge(part)
        return merged

    def fitted(self) -> "Extremes":
        """Extremes over the training split; over all splits if it lacks the modality."""
        train = self.extremes["train"]
        return train if (train.low <= train.high).any() else self.over_all()


@dataclasses.dataclass
class Extremes:
    """The smallest and the largest value of each feature, and the index of the first clip with it.

    Before the first clip, the values are infinite and minus infinite, and the indices -1.
    """

    low: Float[np.ndarray, " width"]
    high: Float[np.ndarray, " width"]
    low_clip: Int[np.ndarray, " width"]
    high_clip: Int[np.ndarray, " width"]

    @classmethod
    def none(cls, width: int) -> "Extremes":
        """Extremes before the first clip."""
        return cls(
            low=np.full(width, np.inf),
            high=np.full(width, -np.inf),
            low_clip=np.full(width, -1),
            high_clip=np.full(width, -1),
        )

    def merge(self, other: "Extremes") -> None:
        """Replace the extremes that others exceed."""
        lower, higher = other.low < self.low, other.high > self.high
        self.low = np.where(lower, other.low, self.low)
        self.high = np.where(higher, other.high, self.high)
        self.low_clip = np.where(lower, other.low_clip, self.low_clip)
        self.high_clip = np.where(higher, other.high_clip, self.high_clip)

    @property
    def constant(self) -> Bool[np.ndarray, " width"]:
        """Mask of the features with one value."""
        return self.low == self.high

    def farthest(
        self, centers: Float[np.ndarray, " width"], scales: Float[np.ndarray, " width"]
    ) -> tuple[int, int, float, float]:
        """Find the value with most deviations from the center of its feature.

        Returns:
            Its feature, its clip, the value, and its deviations.
        """
        below, above = (centers - self.low) / scales, (self.high - centers) / scales
        feature = int(np.maximum(below, above).argmax())
        if above[feature] > below[feature]:
            clip, value, deviations = self.high_clip, self.high, above
        else:
            clip, value, deviations = self.low_clip, self.low, below
        return feature, int(clip[feature]), float(value[feature]), float(deviations[feature])


STEPS = 100_000
"""Largest number of steps in a sample."""
VALUES = 30_000_000
"""Largest number of values in a sample, whatever the width: 120 MB."""


class Sample:
    """A sample of every ``every``-th step of a modality, from the first.

    The number of steps is not known in advance. When the sample is too large, every second step is
    dropped, and from then on half as many are added.

    Attributes:
        every: distance between two steps of the sample; 1 keeps all.
        most: largest number of steps; at least half as many remain once any was dropped.
    """

    def __init__(self, width: int) -> None:
        """Start an empty sample of steps of ``width`` features."""
        self.every = 1
        self.most = max(2, min(STEPS, VALUES // max(1, width)))
        self._width = width
        self._seen = 0
        self._steps: list[Float[np.ndarray, "_ _"]] = []
        self._fitted: list[Bool[np.ndarray, " _"]] = []
        self._size = 0

    def __len__(self) -> int:
        """Number of steps in the sample."""
        return self._size

    def add(self, steps: Float[np.ndarray, "step width"], *, fitted: bool) -> None:
        """Add every ``every``-th step; ``fitted`` if normalisation is fitted on these steps."""
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
        """The steps of the sample, in order."""
        if len(self._steps) != 1:
            empty = np.zeros((0, self._width), dtype=np.float32)
            self._keep(np.concatenate([empty, *self._steps]), self.fitted())
        return self._steps[0]

    def fitted(self) -> Bool[np.ndarray, " step"]:
        """Mask of the steps of clips on which normalisation is fitted."""
        return np.concatenate([np.zeros(0, dtype=bool), *self._fitted])

    def _keep(
        self, steps: Float[np.ndarray, "step width"], fitted: Bool[np.ndarray, " step"]
    ) -> None:
        self._steps, self._fitted, self._size = [steps], [fitted], len(steps)


BINS = 20
"""Largest number of bins of a histogram of lengths."""


def summary(values: Sequence[int] | Sequence[float]) -> dict[str, float]:
    """Smallest value, median, mean and largest value."""
    return {
        "min": float(np.min(values)),
        "median": float(np.median(values)),
        "mean": float(np.mean(values)),
        "max": float(np.max(values)),
    }


def length_histogram(steps: Sequence[int]) -> dict[str, list[int]]:
    """Histogram of lengths in bins of equal width, each from its edge to a step before the next."""
    low, high = min(steps), max(steps)
    width = -((low - high - 1) // BINS)  # rounded up
    edges = np.arange(low, high + width + 1, width)
    return {"edges": edges.tolist(), "counts": np.histogram(steps, edges)[0].tolist()}


def second_histogram(seconds: Sequence[float]) -> dict[str, list[int] | list[float]]:
    """Histogram of durations in bins of equal width from 0 to the longest, which is included."""
    edges = np.linspace(0, max(seconds) or 1, BINS + 1)
    return {"edges": edges.tolist(), "counts": np.histogram(seconds, edges)[0].tolist()}


FAR = 10.0
"""Robust deviations from the median of its feature beyond which a value is an outlier."""
MAGNIFIED = 1000.0
"""Factor of scaling beyond which the noise of a feature is magnified, too."""
COLUMNS = 16  # features at a time: the memory of a block of float64 stays small


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scaling:
    """The effect of ``--normalization robust`` on a modality."""

    centers: Float[np.ndarray, " width"]  # median of the training steps
    scales: Float[np.ndarray, " width"]  # robust deviation of them, see ``fit_normalizer``
    cut: float  # share of all values farther than ``LIMIT`` deviations from the median
    far: float  # share of all values farther than ``FAR`` deviations


def measure_scaling(sample: Sample) -> Scaling:
    """Fit scaling on the sample's training steps, or on all if it has none; apply it to all."""
    steps, fitted = sample.steps(), sample.fitted()
    if not fitted.any():
        fitted = ~fitted
    centers: list[np.ndarray] = []
    scales: list[np.ndarray] = []
    cut = far = 0
    for first in range(0, steps.shape[1], COLUMNS):
        block = steps[:, first : first + COLUMNS]
        # Fitted as training does.
        clip = Clip(id="", sequences={"_": block[fitted]}, label=np.zeros(0, dtype=np.float32))
        normalizer = fit_normalizer([clip], {"_": block.shape[1]}, "robust")
        center = normalizer.centers["_"].astype(np.float64)
        scale = normalizer.scales["_"].astype(np.float64)
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


NOT_FINITE = ("NaN", "+inf", "-inf")


def summarize_modality(
    dataset: Dataset, name: Modality, modality: ModalityStatistics, clips: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Make the statistics of a modality ready for JSON; ``clips`` are id and split by index."""
    lengths = [steps for split in SPLITS for steps in modality.lengths[split]]
    padding = dataset.padding.get(name)
    figures: dict[str, Any] = {
        "width": dataset.widths[name],
        "clips": len(lengths),
        "missing": 1 - len(lengths) / len(clips) if clips else 0.0,
        # As ``assembly.zero_non_finite`` counts them.
        "mended": {k: dataset.repairs.get(f"{name}: {k} set to 0", 0) for k in NOT_FINITE},
        "padding": {"side": padding.side, "share": padding.share} if padding else None,
    }
    if not any(lengths) or not dataset.widths[name]:
        return figures
    figures["steps"] = {"total": sum(lengths), **summary(lengths)}
    histograms: dict[str, Any] = {"steps": length_histogram(lengths)}
    if modality.seconds:
        histograms["seconds"] = second_histogram(modality.seconds)
    figures["lengths"] = histograms
    figures["distinct"] = len(modality.digests)
    return figures | _values(modality, clips, scaled=name not in dataset.unscaled)


def _values(
    modality: ModalityStatistics, clips: Sequence[tuple[str, str]], *, scaled: bool
) -> dict[str, Any]:
    everywhere, fitted = modality.over_all(), modality.fitted()
    steps = sum(map(sum, modality.lengths.values()))
    robust = measure_scaling(modality.sample)
    feature, clip, value, deviations = everywhere.farthest(robust.centers, robust.scales)
    worst = {"clip": clips[clip][0], "split": clips[clip][1], "feature": feature}
    worst |= {"value": value, "deviations": deviations}
    away = np.maximum(robust.centers - everywhere.low, everywhere.high - robust.centers)
    figures: dict[str, Any] = {
        "range": {"min": float(everywhere.low.min()), "max": float(everywhere.high.max())},
        "zero_steps": {
            "count": modality.zero_steps,
            "share": modality.zero_steps / steps,
            "clips": modality.zero_clips,
        },
        "constant_clips": {
            "count": len(modality.constant),
            "first": [clips[index][0] for index in modality.constant[:FIRST]],
        },
        "constant_features": _features(fitted.constant),
        "zero_features": _features(fitted.constant & (fitted.low == 0)),
        "outliers": {
            "share": robust.far,
            "features": _features(away > FAR * robust.scales),
            "worst": worst if deviations > FAR else None,
        },
        "normalization": None,
        "sample": {"steps": len(modality.sample), "every": modality.sample.every},
    }
    if scaled:
        figures["normalization"] = {
            "cut": robust.cut,
            "magnified": _features(robust.scales < 1 / MAGNIFIED),
        }
    return figures


def _features(chosen: Bool[np.ndarray, " width"]) -> dict[str, Any]:
    indices = np.flatnonzero(chosen).tolist()
    return {"count": len(indices), "first": indices[:FIRST]}
