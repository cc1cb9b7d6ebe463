"""The figures of one modality, ready for JSON."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from deadpan.data.dataset import Clip, Dataset
from deadpan.data.health.sampling import Sample, length_histogram, second_histogram, summary
from deadpan.data.health.streams import Stream
from deadpan.data.normalization import LIMIT, fit
from deadpan.types import SPLITS, TEXT, Modality

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
