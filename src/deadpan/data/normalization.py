"""Scaling of features, fitted on the training split; labels are never looked at."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from deadpan.data.dataset import Clip, Dataset
from deadpan.errors import DataError
from deadpan.types import TEXT, Modality

Method = Literal["robust", "standard", "group", "none"]

LIMIT = 5.0
"""Robustly scaled features beyond this many deviations are cut: extractors fail, people do not."""


@dataclasses.dataclass(frozen=True)
class Normalizer:
    """Per feature ``(x - center) / scale``, cut to ``[-LIMIT, LIMIT]``.

    Attributes:
        centers: per modality.
        scales: per modality, positive.
        by_group: first take each group's own median from its clips.
    """

    centers: Mapping[Modality, Float[np.ndarray, " width"]]
    scales: Mapping[Modality, Float[np.ndarray, " width"]]
    by_group: bool = False

    def __call__(self, dataset: Dataset) -> Dataset:
        """Scale every split; modalities it was not fitted on stay as they are.

        Raises:
            DataError: ``by_group`` and a clip whose group is not known.
        """
        # A speaker has one level, whatever splits the clips are in.
        everyone = [clip for clips in dataset.splits.values() for clip in clips]
        level = iter(centered(everyone) if self.by_group else everyone)
        splits = {
            name: [self._clip(next(level)) for _ in clips] for name, clips in dataset.splits.items()
        }
        return dataclasses.replace(dataset, splits=splits)

    def _clip(self, clip: Clip) -> Clip:
        scaled = {
            name: np.clip((x - self.centers[name]) / self.scales[name], -LIMIT, LIMIT)
            if name in self.centers
            else x
            for name, x in clip.sequences.items()
        }
        return dataclasses.replace(clip, sequences=scaled)


def fit(clips: Sequence[Clip], widths: Mapping[Modality, int], method: Method) -> Normalizer:
    """Learn centers and scales from training clips.

    Word vectors are left alone: their geometry is the information, and they are scaled already.

    Args:
        clips: of the training split.
        widths: features per modality.
        method: "robust": median and interquartile range / 1.349 (the deviation, for a normal
            distribution), or the standard deviation where more than half the values are equal;
            "standard": mean and standard deviation; "group": robust, after each group (speaker or
            video) was set to its own median, feature by feature: what a face or a voice is like at
            rest says nothing of what it expresses. It uses the unlabelled clips of the test split's
            speakers, so tables must say so; "none": nothing is scaled or cut.

    Raises:
        DataError: "group", and a clip whose group is not known.
    """
    if method == "group":
        clips = centered(clips)
    centers: dict[Modality, np.ndarray] = {}
    scales: dict[Modality, np.ndarray] = {}
    for name in widths if method != "none" else ():
        steps = [clip.sequences[name] for clip in clips if name in clip.sequences]
        if name == TEXT or not steps:
            continue
        x = np.concatenate(steps).astype(np.float64)
        deviation = x.std(axis=0)
        center, scale = x.mean(axis=0), deviation
        if method in ("robust", "group"):
            low, center, high = np.quantile(x, (0.25, 0.5, 0.75), axis=0)
            scale = np.where(high > low, (high - low) / 1.349, deviation)
        centers[name] = center.astype(np.float32)
        # A constant feature says nothing; dividing by 1 keeps it finite.
        scales[name] = np.where(scale > 1e-8, scale, 1.0).astype(np.float32)
    return Normalizer(centers=centers, scales=scales, by_group=method == "group")


def centered(clips: Sequence[Clip]) -> list[Clip]:
    """Take from every clip the median of its group's steps, for every modality but text.

    Raises:
        DataError: a clip whose group is not known.
    """
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        if clip.group is None:
            raise DataError(
                f"clip '{clip.id}': its speaker or video is not known; use --normalization robust"
            )
        groups.setdefault(clip.group, []).append(clip)
    medians: dict[tuple[str, Modality], Float[np.ndarray, " width"]] = {}
    for group, members in groups.items():
        for name in {m for clip in members for m in clip.sequences} - {TEXT}:
            steps = [clip.sequences[name] for clip in members if name in clip.sequences]
            medians[group, name] = np.median(np.concatenate(steps), axis=0)

    def center(clip: Clip) -> Clip:
        moved = {
            name: x if name == TEXT else x - medians[str(clip.group), name]
            for name, x in clip.sequences.items()
        }
        return dataclasses.replace(clip, sequences=moved)

    return [center(clip) for clip in clips]
