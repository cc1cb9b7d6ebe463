"""The figures of one modality, ready for JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from deadpan.data.dataset import Dataset
from deadpan.data.health.numbers import length_histogram, second_histogram, summary
from deadpan.data.health.scaling import FAR, MAGNIFIED, scaling
from deadpan.data.health.streams import Stream
from deadpan.types import SPLITS, TEXT, Modality

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
