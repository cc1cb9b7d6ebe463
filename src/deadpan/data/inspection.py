"""The health of a data set in figures."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from deadpan.data.dataset import Clip, Dataset
from deadpan.types import SPLITS, Modality


def inspect(dataset: Dataset) -> dict[str, Any]:
    """Figures that show at a glance whether a data set is what it should be; ready for JSON.

    Per split: clips, groups, labels (regression: mean, standard deviation and a histogram of
    labels rounded to -3..3; emotions: share present), and, where they are known, seconds and kinds
    of incongruity. Per split and modality: steps of the clips that have it, and the share of clips
    that lack it. A split without clips has only its count.
    """
    return {
        "name": dataset.name,
        "task": dataset.task,
        "labels": list(dataset.labels),
        "widths": dict(dataset.widths),
        "splits": {name: _split(dataset, dataset[name]) for name in SPLITS},
        "repairs": dict(dataset.repairs),
        "warnings": list(dataset.warnings),
    }


def _split(dataset: Dataset, clips: Sequence[Clip]) -> dict[str, Any]:
    if not clips:
        return {"clips": 0}
    figures = {
        "clips": len(clips),
        "groups": len({clip.group for clip in clips if clip.group is not None}),
        "labels": _labels(dataset, clips),
        "modalities": {modality: _modality(clips, modality) for modality in dataset.widths},
    }
    known = [[float(t[:, 1].max()) for t in clip.times.values() if len(t)] for clip in clips]
    ends = [max(seconds) for seconds in known if seconds]
    if ends:
        figures["seconds"] = _summary(ends)
    kinds = Counter(clip.truth.kind for clip in clips if clip.truth is not None)
    if kinds:
        figures["kinds"] = dict(sorted(kinds.items()))
    return figures


def _labels(dataset: Dataset, clips: Sequence[Clip]) -> dict[str, Any]:
    values = np.stack([clip.label for clip in clips]).astype(np.float64)
    if dataset.task == "emotions":
        shares = values.mean(axis=0).tolist()
        return {"present": dict(zip(dataset.labels, shares, strict=True))}
    # As Acc-7 sees them: half to even.
    counts = Counter(np.clip(np.round(values[:, 0]), -3, 3).astype(int).tolist())
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "histogram": {f"{score:+d}" if score else "0": counts[score] for score in range(-3, 4)},
    }


def _modality(clips: Sequence[Clip], modality: Modality) -> dict[str, Any]:
    steps = [len(clip.sequences[modality]) for clip in clips if modality in clip.sequences]
    figures: dict[str, Any] = {"missing": 1 - len(steps) / len(clips)}
    if steps:
        figures["steps"] = _summary(steps)
    return figures


def _summary(values: Sequence[int] | Sequence[float]) -> dict[str, float]:
    return {
        "min": float(np.min(values)),
        "median": float(np.median(values)),
        "mean": float(np.mean(values)),
        "max": float(np.max(values)),
    }
