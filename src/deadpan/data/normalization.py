"""Scaling of features, fitted on the training split; labels are never looked at."""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Float

from deadpan.data.dataset import Clip, Dataset, LazyClips, changed, steps_of
from deadpan.errors import DataError
from deadpan.types import TEXT, Modality

Method = Literal["robust", "standard", "group", "none"]

LIMIT = 5.0
"""Robustly scaled features beyond this many deviations are cut: extractors fail, people do not."""
VALUES = 1 << 22
"""That ``fit`` looks at together, of two features or more: 32 MB in float64, and as much again."""


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

        Clips that are made when they are taken are scaled then, each time, to the same values.

        Raises:
            DataError: ``by_group`` and a clip whose group is not known.
        """
        splits = list(dataset.splits.values())
        # A speaker has one level, whatever splits the clips are in.
        if self.by_group:
            splits = centered(splits)
        scaled = [changed(clips, self._clip) for clips in splits]
        return dataclasses.replace(dataset, splits=dict(zip(dataset.splits, scaled, strict=True)))

    def _clip(self, clip: Clip) -> Clip:
        scaled = {
            name: self._scaled(name, x) if name in self.centers else x
            for name, x in clip.sequences.items()
        }
        return dataclasses.replace(clip, sequences=scaled)

    def _scaled(
        self, name: Modality, x: Float[np.ndarray, "_ width"]
    ) -> Float[np.ndarray, "_ width"]:
        x = x - self.centers[name]
        x /= self.scales[name]
        return np.clip(x, -LIMIT, LIMIT, out=x)


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
        (clips,) = centered([clips])
    known = clips.scaling(method) if isinstance(clips, LazyClips) else {}
    centers: dict[Modality, np.ndarray] = {}
    scales: dict[Modality, np.ndarray] = {}
    for name, width in widths.items() if method != "none" else ():
        if name == TEXT:
            continue
        if figures := known.get(name) or _figures(clips, name, width, method):
            centers[name], scales[name] = figures
    return Normalizer(centers=centers, scales=scales, by_group=method == "group")


def _figures(
    clips: Sequence[Clip], name: Modality, width: int, method: Method
) -> tuple[Float[np.ndarray, " width"], Float[np.ndarray, " width"]] | None:
    """Centers and scales of a modality; None where no clip has a step of it."""
    rows = int(steps_of(clips, (name,)).sum())
    if not rows:
        return None
    # Never one feature of several by itself: numpy would add its values in another order.
    blocks = max(1, min(width // 2, -(-rows * width // VALUES)))
    edges = [width * i // blocks for i in range(blocks + 1)]
    parts = [
        _center_and_scale(_columns(clips, name, rows, slice(*edge)), method)
        for edge in pairwise(edges)
    ]
    center, scale = (np.concatenate(part).astype(np.float32) for part in zip(*parts, strict=True))
    return center, scale


def _columns(
    clips: Sequence[Clip], name: Modality, rows: int, chosen: slice
) -> Float[np.ndarray, "row column"]:
    """Some features of all steps of all clips; one clip at a time is looked at."""
    found = np.empty((rows, chosen.stop - chosen.start), dtype=np.float64)
    row = 0
    for clip in clips:
        x = clip.sequences.get(name)
        if x is not None:
            found[row : row + len(x)] = x[:, chosen]
            row += len(x)
    return found


def _center_and_scale(
    x: Float[np.ndarray, "row column"], method: Method
) -> tuple[Float[np.ndarray, " column"], Float[np.ndarray, " column"]]:
    """Of each column; ``x`` is used up."""
    deviation = x.std(axis=0)
    center, scale = x.mean(axis=0), deviation
    if method in ("robust", "group"):
        low, center, high = np.quantile(x, (0.25, 0.5, 0.75), axis=0, overwrite_input=True)
        scale = np.where(high > low, (high - low) / 1.349, deviation)
    # A constant feature says nothing; dividing by 1 keeps it finite.
    return center, np.where(scale > 1e-8, scale, 1.0)


def centered(splits: Sequence[Sequence[Clip]]) -> list[Sequence[Clip]]:
    """Take from every clip the median of its group's steps, for every modality but text.

    A group's clips are looked at together, wherever they are; the groups one after the other.

    Raises:
        DataError: a clip whose group is not known.
    """
    groups: dict[str, list[tuple[Sequence[Clip], int]]] = {}
    for clips in splits:
        for index, clip in enumerate(clips):
            if clip.group is None:
                raise DataError(
                    f"clip '{clip.id}': its speaker or video is not known; use --normalization "
                    "robust"
                )
            groups.setdefault(clip.group, []).append((clips, index))
    medians: dict[tuple[str, Modality], Float[np.ndarray, " width"]] = {}
    for group, places in groups.items():
        members = [clips[index] for clips, index in places]
        for name in {m for clip in members for m in clip.sequences} - {TEXT}:
            steps = [clip.sequences[name] for clip in members if name in clip.sequences]
            medians[group, name] = np.median(np.concatenate(steps), axis=0)

    def center(clip: Clip) -> Clip:
        moved = {
            name: x if name == TEXT else x - medians[str(clip.group), name]
            for name, x in clip.sequences.items()
        }
        return dataclasses.replace(clip, sequences=moved)

    return [changed(clips, center) for clips in splits]
