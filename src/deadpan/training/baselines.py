"""The baselines of every table: a constant, and ridge regression on statistics over time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from deadpan.data.dataset import Clip, Dataset
from deadpan.tasks import Task
from deadpan.training.evaluation import labels_of
from deadpan.types import Modality

STRENGTHS = np.logspace(-1, 6, 15)
"""Ridge penalties, of which the validation split chooses one."""
STATISTICS: Mapping[str, Callable[..., Any]] = {"mean": np.mean, "deviation": np.std}
"""Statistics over time that ridge regression reads, by name."""


def constant_outputs(
    task: Task, train: Sequence[Clip], count: int
) -> Float[np.ndarray, "clip output"]:
    """Outputs of the constant baseline for ``count`` clips: train mean or majority class."""
    return np.tile(task.constant(labels_of(train)), (count, 1))


def baseline_outputs(
    task: Task, dataset: Dataset, split: str
) -> dict[str, Float[np.ndarray, "clip output"]]:
    """Outputs of each baseline for the clips of a split, by its name in tables.

    On generated clips a ridge regression that sees no more than how much each feature varies stands
    beside the others: it must not know what a corpus was made to hide from it.
    """
    clips = dataset[split]
    rows = {
        task.constant_name: constant_outputs(task, dataset["train"], len(clips)),
        "ridge": ridge_outputs(task, dataset, split),
    }
    if len(clips) and clips[0].truth is not None:
        rows["ridge on deviations"] = ridge_outputs(task, dataset, split, statistics=("deviation",))
    return rows


def ridge_outputs(
    task: Task, dataset: Dataset, split: str, *, statistics: Sequence[str] = ("mean", "deviation")
) -> Float[np.ndarray, "clip output"]:
    """Ridge regression from statistics over time of every feature to the labels.

    Features are standardised on the training split; the penalty is the one with the least squared
    error on the validation split. A modality a clip lacks counts as the training mean.
    """
    features = {
        name: time_statistics(dataset[name], dataset.widths, statistics)
        for name in {"train", "valid", split}
    }
    present = ~np.isnan(features["train"])
    # 0 for a modality that no training clip has: np.nanmean would warn.
    fill = np.nan_to_num(features["train"]).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
    scaled = _standardised({k: np.where(np.isnan(x), fill, x) for k, x in features.items()})
    train, valid = (labels_of(dataset[k]).astype(np.float64) for k in ("train", "valid"))
    # One decomposition serves all penalties.
    left, singular, right = np.linalg.svd(scaled["train"], full_matrices=False)
    projected = left.T @ (train - train.mean(axis=0))

    def predict(strength: float, name: str) -> Float[np.ndarray, "clip label"]:
        shrunk = (singular / (singular**2 + strength))[:, None] * projected
        return scaled[name] @ (right.T @ shrunk) + train.mean(axis=0)

    def error(strength: float) -> float:
        return float(np.square(predict(strength, "valid") - valid).mean())

    return task.from_scores(predict(min(STRENGTHS, key=error), split))


def _standardised(
    features: Mapping[str, Float[np.ndarray, "_ feature"]],
) -> dict[str, Float[np.ndarray, "_ feature"]]:
    """Features of each split with mean 0 and deviation 1 on the training split."""
    train = features["train"]
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    # What a constant deviates by is rounding: it must not become the measure.
    constant = deviation <= len(train) * np.finfo(train.dtype).eps * np.abs(mean)
    scale = np.where(constant, 1.0, deviation)
    return {name: (x - mean) / scale for name, x in features.items()}


def time_statistics(
    clips: Sequence[Clip],
    widths: Mapping[Modality, int],
    statistics: Sequence[str] = ("mean", "deviation"),
) -> Float[np.ndarray, "clip feature"]:
    """Statistics over time of every feature; NaN where a clip lacks the modality."""
    rows = np.full((len(clips), len(statistics) * sum(widths.values())), np.nan)
    for row, clip in zip(rows, clips, strict=True):
        start = 0
        for name, width in widths.items():
            if name in clip.sequences:
                x = clip.sequences[name].astype(np.float64)
                row[start : start + len(statistics) * width] = np.concatenate(
                    [STATISTICS[statistic](x, axis=0) for statistic in statistics]
                )
            start += len(statistics) * width
    return rows
