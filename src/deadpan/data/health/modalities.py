"""One modality of a data set: counted while its clips pass by, then told in figures."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from deadpan.data.dataset import Clip, Dataset
from deadpan.data.normalization import LIMIT, fit
from deadpan.types import SPLITS, TEXT, Modality


class Stream:
    """One modality of the clips seen so far; the clips themselves are not kept.

    Attributes:
        sample: evenly spaced steps.
        extremes: per split.
        lengths: per split, the steps of each clip that has the modality.
        seconds: where its last step ends, for each clip that tells.
        zero_steps: steps whose features are all 0.
        zero_clips: clips with such a step.
        constant: clips of two steps or more that are all the same, as indices.
        digests: of the sequences, each once.
    """

    def __init__(self, width: int) -> None:
        """A modality of ``width`` features of which no clip was seen yet."""
        self.sample = Sample(width)
        self.extremes = {split: Extremes.none(width) for split in SPLITS}
        self.lengths: dict[str, list[int]] = {split: [] for split in SPLITS}
        self.seconds: list[float] = []
        self.zero_steps = 0
        self.zero_clips = 0
        self.constant: list[int] = []
        self.digests: set[bytes] = set()

    def add(
        self, clip: int, split: str, steps: Float[np.ndarray, "step width"], hashed: bytes
    ) -> None:
        """Count the sequence of the clip of this index, and its digest."""
        self.lengths[split].append(len(steps))
        self.digests.add(hashed)
        if not len(steps):
            return
        low, high = steps.min(axis=0), steps.max(axis=0)
        self.extremes[split].add(clip, low, high)
        zero = len(steps) - int(steps.any(axis=1).sum())
        self.zero_steps += zero
        self.zero_clips += zero > 0
        if len(steps) > 1 and bool((low == high).all()):
            self.constant.append(clip)
        self.sample.add(steps, fitted=split == "train")

    def over_all(self) -> "Extremes":
        """Extremes over every split."""
        merged = Extremes.none(len(self.extremes["train"].low))
        for part in self.extremes.values():
            merged.take(part.low_clip, part.low, part.high_clip, part.high)
        return merged

    def fitted(self) -> "Extremes":
        """Extremes over the training split; over all where it has none of the modality."""
        train = self.extremes["train"]
        return train if train.known else self.over_all()


@dataclasses.dataclass
class Extremes:
    """The least and the greatest value of each feature, and the first clip that has it.

    Attributes:
        low: infinite while no clip was seen.
        high: minus infinite while no clip was seen.
        low_clip: index of a clip; -1 while none was seen.
        high_clip: likewise.
    """

    low: Float[np.ndarray, " width"]
    high: Float[np.ndarray, " width"]
    low_clip: Int[np.ndarray, " width"]
    high_clip: Int[np.ndarray, " width"]

    @classmethod
    def none(cls, width: int) -> "Extremes":
        """Of no clip."""
        return cls(
            low=np.full(width, np.inf),
            high=np.full(width, -np.inf),
            low_clip=np.full(width, -1),
            high_clip=np.full(width, -1),
        )

    @property
    def known(self) -> bool:
        """Whether any clip was seen."""
        return bool((self.low <= self.high).any())

    @property
    def constant(self) -> Bool[np.ndarray, " width"]:
        """Features with one value."""
        return self.low == self.high

    def add(
        self, clip: int, low: Float[np.ndarray, " width"], high: Float[np.ndarray, " width"]
    ) -> None:
        """See a clip with these extremes."""
        index = np.full(len(low), clip)
        self.take(index, low, index, high)

    def take(
        self,
        low_clip: Int[np.ndarray, " width"],
        low: Float[np.ndarray, " width"],
        high_clip: Int[np.ndarray, " width"],
        high: Float[np.ndarray, " width"],
    ) -> None:
        """Take what is beyond the extremes so far."""
        lower, higher = low < self.low, high > self.high
        self.low = np.where(lower, low, self.low)
        self.high = np.where(higher, high, self.high)
        self.low_clip = np.where(lower, low_clip, self.low_clip)
        self.high_clip = np.where(higher, high_clip, self.high_clip)

    def farthest(
        self, centers: Float[np.ndarray, " width"], scales: Float[np.ndarray, " width"]
    ) -> "Farthest":
        """The value with most deviations from the center of its feature."""
        below, above = (centers - self.low) / scales, (self.high - centers) / scales
        feature = int(np.maximum(below, above).argmax())
        value, clip = self.low, self.low_clip
        if above[feature] > below[feature]:
            value, clip = self.high, self.high_clip
        return Farthest(
            feature=feature,
            clip=int(clip[feature]),
            value=float(value[feature]),
            deviations=float(max(below[feature], above[feature])),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Farthest:
    """A value, where it stands, and how many deviations it is from the center of its feature."""

    feature: int
    clip: int
    value: float
    deviations: float


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


FIRST = 5
"""Names and indices listed of each kind at most."""
NOT_FINITE = ("NaN", "+inf", "-inf")


def modality_figures(
    dataset: Dataset, name: Modality, stream: Stream, clips: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """What ``inspect`` says of a modality.

    Args:
        dataset: for its width, repairs and padding.
        name: of the modality.
        stream: what was counted.
        clips: id and split of every clip, by index.
    """
    lengths = [steps for split in SPLITS for steps in stream.lengths[split]]
    padding = dataset.padding.get(name)
    figures: dict[str, Any] = {
        "width": dataset.widths[name],
        "clips": len(lengths),
        "missing": 1 - len(lengths) / len(clips) if clips else 0.0,
        "mended": _mended(dataset.repairs, name),
        "padding": {"side": padding.side, "share": padding.share} if padding else None,
    }
    if not any(lengths) or not dataset.widths[name]:
        return figures
    return figures | _lengths(stream, lengths) | _values(name, stream, clips)


def _lengths(stream: Stream, lengths: Sequence[int]) -> dict[str, Any]:
    histograms: dict[str, Any] = {"steps": length_histogram(lengths)}
    if stream.seconds:
        histograms["seconds"] = second_histogram(stream.seconds)
    return {
        "steps": {"total": sum(lengths), **summary(lengths)},
        "lengths": histograms,
        "distinct": len(stream.digests),
    }


def _values(name: Modality, stream: Stream, clips: Sequence[tuple[str, str]]) -> dict[str, Any]:
    everywhere, fitted = stream.over_all(), stream.fitted()
    steps = sum(map(sum, stream.lengths.values()))
    robust = scaling(stream.sample)
    worst = everywhere.farthest(robust.centers, robust.scales)
    away = np.maximum(robust.centers - everywhere.low, everywhere.high - robust.centers)
    figures: dict[str, Any] = {
        "range": {"min": float(everywhere.low.min()), "max": float(everywhere.high.max())},
        "zero_steps": {
            "count": stream.zero_steps,
            "share": stream.zero_steps / steps,
            "clips": stream.zero_clips,
        },
        "constant_clips": {
            "count": len(stream.constant),
            "first": [clips[index][0] for index in stream.constant[:FIRST]],
        },
        "constant_features": _features(fitted.constant),
        "zero_features": _features(fitted.constant & (fitted.low == 0)),
        "outliers": {
            "share": robust.far,
            "features": _features(away > FAR * robust.scales),
            "worst": None,
        },
        "normalization": None,
        "sample": {"steps": len(stream.sample), "every": stream.sample.every},
    }
    if worst.deviations > FAR:
        figures["outliers"]["worst"] = {
            "clip": clips[worst.clip][0],
            "split": clips[worst.clip][1],
            "feature": worst.feature,
            "value": worst.value,
            "deviations": worst.deviations,
        }
    if name != TEXT:  # word vectors are not scaled
        figures["normalization"] = {
            "cut": robust.cut,
            "magnified": _features(robust.scales < 1 / MAGNIFIED),
        }
    return figures


def _features(chosen: Bool[np.ndarray, " width"]) -> dict[str, Any]:
    indices = np.flatnonzero(chosen).tolist()
    return {"count": len(indices), "first": indices[:FIRST]}


def _mended(repairs: Mapping[str, int], name: Modality) -> dict[str, int]:
    """How many values of each kind that is no number were set to 0 (see ``repair.finite``)."""
    return {kind: repairs.get(f"{name}: {kind} set to 0", 0) for kind in NOT_FINITE}
