"""Scaling of features, fitted on the training split; labels are never used."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from deadpan.data import NormalizationMethod
from deadpan.data.dataset import (
    Clip,
    Dataset,
    LazyClips,
    map_clips,
    once_per_array,
    step_counts,
)
from deadpan.errors import DataError
from deadpan.types import Modality

LIMIT = 5.0
"""Scaled features are clipped to this many deviations: beyond it, an extractor has failed."""
Sequence2d = Float[np.ndarray, "step width"]
VALUES = 1 << 22
"""Values that are fitted together, of two features or more: 32 MB in float64, and as much again."""


@dataclasses.dataclass(frozen=True)
class Normalizer:
    """Scales each feature: ``(x - center) / scale``, clipped to ``[-LIMIT, LIMIT]``.

    Attributes:
        centers: center of each feature, per modality.
        scales: scale of each feature, per modality; positive.
        by_group: whether each group's own median is subtracted first.
        unscaled: modalities of which no median is subtracted either.
    """

    centers: Mapping[Modality, Float[np.ndarray, " width"]]
    scales: Mapping[Modality, Float[np.ndarray, " width"]]
    by_group: bool = False
    unscaled: frozenset[Modality] = frozenset()

    def __call__(self, dataset: Dataset) -> Dataset:
        """Scale every split; modalities without centers stay as they are.

        Lazy clips are scaled on every access, to the same values.

        Raises:
            DataError: ``by_group``, and a clip has no group.
        """
        splits = list(dataset.splits.values())
        # A speaker has one level, whatever splits the clips are in.
        if self.by_group:
            splits = _center_groups(splits, self.unscaled)
        scaled = _map_sequences(splits, self._scaled, by_group=False)
        return dataclasses.replace(dataset, splits=dict(zip(dataset.splits, scaled, strict=True)))

    def _scaled(self, x: Sequence2d, name: Modality, _: str | None) -> Sequence2d:
        if name not in self.centers:
            return x
        x = x - self.centers[name]
        x /= self.scales[name]
        return np.clip(x, -LIMIT, LIMIT, out=x)


def scalable(
    widths: Mapping[Modality, int], method: NormalizationMethod, unscaled: Collection[Modality]
) -> list[Modality]:
    """The modalities that a method scales, where a training clip has them."""
    return [name for name in widths if name not in unscaled and method != "none"]


def fit_normalizer(
    clips: Sequence[Clip],
    widths: Mapping[Modality, int],
    method: NormalizationMethod,
    *,
    unscaled: Collection[Modality] = (),
) -> Normalizer:
    """Fit centers and scales on training clips.

    Args:
        clips: clips of the training split.
        widths: features per step of each modality.
        method: "robust" uses the median and the interquartile range / 1.349 (which is the standard
            deviation of a normal distribution), or the standard deviation if more than half the
            values are equal. "standard" uses mean and standard deviation. "group" subtracts each
            group's (speaker's or video's) own median first, which removes what a face or a voice is
            like at rest, and is then robust; it uses unlabelled clips of the test speakers, so
            tables must say so. "none" neither scales nor clips.
        unscaled: modalities that stay as they are; a data set says which (``Dataset.unscaled``).

    Raises:
        DataError: "group", and a clip has no group.
    """
    if method == "group":
        (clips,) = _center_groups([clips], unscaled)
    stored = clips.scaling(method) if isinstance(clips, LazyClips) else {}
    centers: dict[Modality, np.ndarray] = {}
    scales: dict[Modality, np.ndarray] = {}
    for name in scalable(widths, method, unscaled):
        width = widths[name]
        if scaling := stored.get(name) or _fit_modality(clips, name, width, method):
            centers[name], scales[name] = scaling
    return Normalizer(
        centers=centers,
        scales=scales,
        by_group=method == "group",
        unscaled=frozenset(unscaled),
    )


def _fit_modality(
    clips: Sequence[Clip], name: Modality, width: int, method: NormalizationMethod
) -> tuple[Float[np.ndarray, " width"], Float[np.ndarray, " width"]] | None:
    """Centers and scales of a modality; None where no clip has a step of it."""
    rows = int(step_counts(clips, (name,)).sum())
    if not rows:
        return None
    # Never one feature of several by itself: numpy would add its values in another order.
    blocks = max(1, min(width // 2, -(-rows * width // VALUES)))
    edges = [width * i // blocks for i in range(blocks + 1)]
    parts = [
        _center_and_scale(_stack_columns(clips, name, rows, slice(*edge)), method)
        for edge in pairwise(edges)
    ]
    center, scale = (np.concatenate(part).astype(np.float32) for part in zip(*parts, strict=True))
    return center, scale


def _stack_columns(
    clips: Sequence[Clip], name: Modality, rows: int, chosen: slice
) -> Float[np.ndarray, "row column"]:
    """Stack some features of all steps of all clips; one clip at a time is read."""
    columns = np.empty((rows, chosen.stop - chosen.start), dtype=np.float64)
    row = 0
    for clip in clips:
        x = clip.sequences.get(name)
        if x is not None:
            columns[row : row + len(x)] = x[:, chosen]
            row += len(x)
    return columns


def _center_and_scale(
    x: Float[np.ndarray, "row column"], method: NormalizationMethod
) -> tuple[Float[np.ndarray, " column"], Float[np.ndarray, " column"]]:
    """Center and scale of each column; overwrites ``x``."""
    deviation = x.std(axis=0)
    center, scale = x.mean(axis=0), deviation
    if method in ("robust", "group"):
        low, center, high = np.quantile(x, (0.25, 0.5, 0.75), axis=0, overwrite_input=True)
        scale = np.where(high > low, (high - low) / 1.349, deviation)
    # A constant feature has no information; dividing by 1 keeps it finite.
    return center, np.where(scale > 1e-8, scale, 1.0)


def _center_groups(
    splits: Sequence[Sequence[Clip]], unscaled: Collection[Modality]
) -> list[Sequence[Clip]]:
    """Subtract from every clip the median of its group's steps, but for unscaled modalities.

    The clips of a group are read together, whatever their splits; one group is in memory at a time.
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
    for group, positions in groups.items():
        members = [clips[index] for clips, index in positions]
        for name in {m for clip in members for m in clip.sequences}.difference(unscaled):
            steps = [clip.sequences[name] for clip in members if name in clip.sequences]
            medians[group, name] = np.median(np.concatenate(steps), axis=0)

    def center(x: Sequence2d, name: Modality, group: str | None) -> Sequence2d:
        return x if name in unscaled else x - medians[str(group), name]

    return _map_sequences(splits, center, by_group=True)


def _map_sequences(
    splits: Sequence[Sequence[Clip]],
    convert: Callable[[np.ndarray, Modality, str | None], np.ndarray],
    *,
    by_group: bool,
) -> list[Sequence[Clip]]:
    """Convert each sequence by its modality and, if it matters, its group; lazily in lazy clips.

    Clips that share a sequence share what it is converted to, if they are in memory.
    """
    once = once_per_array(convert)

    def change(clip: Clip, convert: Callable[..., np.ndarray]) -> Clip:
        group = clip.group if by_group else None
        converted = {name: convert(x, name, group) for name, x in clip.sequences.items()}
        return dataclasses.replace(clip, sequences=converted)

    return [
        map_clips(clips, lambda clip: change(clip, convert))
        if isinstance(clips, LazyClips)
        else [change(clip, once) for clip in clips]
        for clips in splits
    ]
