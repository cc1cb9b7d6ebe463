"""What is counted of one modality while its clips pass by, each seen once."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from deadpan.data.health.sampling import Sample
from deadpan.types import SPLITS


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
