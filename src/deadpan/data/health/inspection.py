"""Inspecting a data set: statistics of its splits, labels and modalities, and its baseline."""

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from deadpan.data.dataset import Clip, Dataset
from deadpan.data.health.findings import findings
from deadpan.data.health.leaks import (
    Duplicates,
    groups_in_two_splits,
    repeated_ids,
    sequence_digest,
)
from deadpan.data.health.modalities import ModalityStatistics, summarize_modality, summary
from deadpan.tasks import make_task
from deadpan.types import SPLITS, Modality


def inspect_dataset(dataset: Dataset) -> dict[str, Any]:
    """Compute statistics that show whether a data set is what it should be; ready for JSON.

    Every clip is read once, and only a sample of its steps is kept: quantiles, and the shares of
    values that follow from them, are those of evenly spaced steps, at most 100,000 per modality
    (and at most 30 million values). Everything else is exact. Shares are in [0, 1]; ``first`` lists
    at most five ids, names or indices of features, counted from 0.

    Returns:
        ``name``, ``layout`` (the format of the source; "" if unknown), ``alignment`` (whether steps
        are aligned, and how this is known; "" if nothing tells), ``task``, ``labels`` (names; none
        if no clip has a label), ``widths`` (features per step), ``recipes`` (how each modality was
        encoded or measured, if it was, with ``shown``, in short), ``unscaled`` (each modality that
        is not scaled, and what it holds), ``unsplit`` (whether clips without labels have no splits
        either: all stand under test), and

        ``splits``: per split ``clips``, and, if it has any, ``groups`` (videos or speakers),
        ``labels`` (see below), ``modalities`` (per modality ``missing``, the share of clips that
        lack it, and ``steps``: ``min``, ``median``, ``mean`` and ``max`` of the others), and, if
        known, ``seconds`` (the same four) and ``kinds`` of incongruity.
        Labels are, for regression, ``mean``, ``std`` and ``histogram`` (clips by label rounded to
        -3..3); for emotions ``present`` and for classes ``share``: the share of clips by name; for
        scores, and for regression where all labels are in [-1, 1], ``values``: by name ``min``,
        ``max``, ``mean``, ``std`` and ``histogram`` (``edges`` and ``bins``, the names of its bins,
        one for each whole number or seven, the same in all splits, and ``counts``).

        ``modalities``: per modality ``width``, ``clips`` that have it, ``missing`` (share),
        ``mended`` (repaired values by what they were: NaN, +inf, -inf), ``padding`` (``side`` and
        ``share`` of steps; None if unknown), and, if any clip has it, ``steps`` (``total`` and the
        four), ``lengths`` (histograms of ``steps``, and of ``seconds`` if known: ``edges`` and
        ``counts``), ``distinct`` (sequences that differ from each other), ``range`` (``min``,
        ``max``), ``zero_steps`` (whose features are all 0: ``count``, ``share``, ``clips``),
        ``constant_clips`` (of two or more steps, all the same: ``count``, ``first``),
        ``constant_features`` and ``zero_features`` (with one value over all training clips, and
        with 0: ``count``, ``first``), ``outliers`` (values farther than 10 robust deviations from
        the median of their feature: ``share``, ``features`` that have any, ``worst``: ``clip``,
        ``split``, ``feature``, ``value``, ``deviations``; None if there is none),
        ``normalization`` (the effect of ``--normalization robust``: ``cut``, the share of values
        beyond 5 deviations, and features ``magnified`` more than 1000 times; None if it is
        not scaled) and ``sample`` (the number of its ``steps``; one of ``every`` so many).
        Medians, deviations and constants are those of train, or of all clips if train has none.

        ``duplicates``: ``pairs`` of clips with the same features in all modalities,
        ``across_splits`` (those of them), ``clips`` that have a twin, and ``by_splits``
        (``splits``, ``pairs``, ``first`` pair).
        ``ids``: ``repeated`` (clips renamed ``id#2``), ``in_two_splits``, ``first``.
        ``groups``: ``count``, ``in_two_splits``, ``first``.

        ``baseline``: the ``system`` that predicts the same for every clip, on ``split`` test:
        ``metrics`` (``key``, ``title``, ``value``: None if undefined, ``shown``, ``percent``,
        ``higher_is_better``); None without train or test clips.

        ``repairs`` (number by kind), ``warnings`` (sentences), and ``findings``: ``gravity``
        ("serious", "warning" or "note") and ``sentence``, most serious first.

    Raises:
        DeadpanError: the task does not accept the labels.
    """
    splits = {split: SplitStatistics() for split in SPLITS}
    modalities = {name: ModalityStatistics(width) for name, width in dataset.widths.items()}
    duplicates = Duplicates()
    clips: list[tuple[str, str]] = []
    for split, part in splits.items():
        for clip in dataset[split]:
            part.add(clip)
            digests = {name: sequence_digest(steps) for name, steps in clip.sequences.items()}
            duplicates.add(split, clip.id, digests)
            for name, steps in clip.sequences.items():
                modalities[name].add(len(clips), split, steps, digests[name])
            for name, end in end_times(clip).items():
                if name in clip.sequences:
                    modalities[name].seconds.append(end)
            clips.append((clip.id, split))
    labels = {
        split: np.stack(part.labels).astype(np.float64)
        for split, part in splits.items()
        if part.ids
    }
    by_split = label_statistics(dataset, labels)
    figures: dict[str, Any] = {
        "name": dataset.name,
        "layout": dataset.layout,
        "alignment": dataset.alignment,
        "task": dataset.task,
        "labels": list(dataset.labels),
        "widths": dict(dataset.widths),
        "recipes": {
            name: {**dataclasses.asdict(recipe), "shown": str(recipe)}
            for name, recipe in dataset.recipes.items()
        },
        "unscaled": dict(dataset.unscaled),
        "unsplit": dataset.unsplit,
        "splits": {
            split: part.as_dict(split, modalities, by_split.get(split, {}))
            for split, part in splits.items()
        },
        "modalities": {
            name: summarize_modality(dataset, name, statistics, clips)
            for name, statistics in modalities.items()
        },
        "duplicates": duplicates.as_dict(),
        "ids": repeated_ids({split: part.ids for split, part in splits.items()}),
        "groups": groups_in_two_splits({split: part.groups for split, part in splits.items()}),
        "baseline": baseline(dataset, labels),
        "repairs": dict(dataset.repairs),
        "warnings": list(dataset.warnings),
    }
    return {**figures, "findings": findings(figures)}


@dataclasses.dataclass
class SplitStatistics:
    """Statistics of one split, collected clip by clip; sequences are not kept."""

    ids: list[str] = dataclasses.field(default_factory=list)
    groups: set[str] = dataclasses.field(default_factory=set)
    labels: list[Float[np.ndarray, " label"]] = dataclasses.field(default_factory=list)
    seconds: list[float] = dataclasses.field(default_factory=list)
    kinds: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, clip: Clip) -> None:
        """Add a clip."""
        self.ids.append(clip.id)
        self.labels.append(clip.label)
        if clip.group is not None:
            self.groups.add(clip.group)
        if ends := end_times(clip):
            self.seconds.append(max(ends.values()))
        if clip.truth is not None:
            self.kinds[clip.truth.kind] += 1

    def as_dict(
        self,
        split: str,
        modalities: Mapping[Modality, ModalityStatistics],
        labels: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The statistics of the split, ready for JSON."""
        if not self.ids:
            return {"clips": 0}
        figures: dict[str, Any] = {
            "clips": len(self.ids),
            "groups": len(self.groups),
            "labels": labels,
            "modalities": {},
        }
        for name, modality in modalities.items():
            steps = modality.lengths[split]
            figures["modalities"][name] = {"missing": 1 - len(steps) / len(self.ids)}
            if steps:
                figures["modalities"][name]["steps"] = summary(steps)
        if self.seconds:
            figures["seconds"] = summary(self.seconds)
        if self.kinds:
            figures["kinds"] = dict(sorted(self.kinds.items()))
        return figures


def end_times(clip: Clip) -> dict[Modality, float]:
    """End of each modality's last step, in seconds from the start of the clip, if known."""
    return {name: float(times[:, 1].max()) for name, times in clip.times.items() if len(times)}


Labels = Float[np.ndarray, "clip label"]


def label_statistics(dataset: Dataset, labels: Mapping[str, Labels]) -> dict[str, dict[str, Any]]:
    """Compute statistics of the labels of each split that has clips, ready for JSON."""
    # Rounded to whole numbers, as sentiment is shown, a scale such as [0, 1] would be two bars.
    if dataset.task == "regression" and any((np.abs(y) > 1).any() for y in labels.values()):
        return {split: _sentiment(values[:, 0]) for split, values in labels.items()}
    if dataset.task in ("regression", "scores"):
        return _scores(dataset, labels)
    key = "present" if dataset.task == "emotions" else "share"
    return {
        split: {key: dict(zip(dataset.labels, values.mean(axis=0).tolist(), strict=True))}
        for split, values in labels.items()
    }


def _sentiment(values: Float[np.ndarray, " clip"]) -> dict[str, Any]:
    # Rounded as Acc-7 does: half to even.
    counts = Counter(np.clip(np.round(values), -3, 3).astype(int).tolist())
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "histogram": {f"{score:+d}" if score else "0": counts[score] for score in range(-3, 4)},
    }


def _scores(dataset: Dataset, labels: Mapping[str, Labels]) -> dict[str, dict[str, Any]]:
    """Statistics of scores; all splits have the same bins, so that they can be compared."""
    if not labels:
        return {}
    every = np.concatenate(list(labels.values()))
    edges = [label_edges(column) for column in every.T]
    return {
        split: {
            "values": {
                name: _numbers(values[:, index], edges[index])
                for index, name in enumerate(dataset.labels)
            }
        }
        for split, values in labels.items()
    }


def _numbers(
    values: Float[np.ndarray, " clip"], edges: Float[np.ndarray, " edge"]
) -> dict[str, Any]:
    counts = np.histogram(values, edges)[0].tolist()
    return {
        "min": float(values.min()),
        "max": float(values.max()),
        "mean": float(values.mean()),
        "std": float(values.std()),
        "histogram": {"edges": edges.tolist(), "bins": _bin_names(edges), "counts": counts},
    }


def baseline(dataset: Dataset, labels: Mapping[str, Labels]) -> dict[str, Any] | None:
    """Score the best constant prediction on the test split; None without train or test clips."""
    if not dataset.labels or "train" not in labels or "test" not in labels:
        return None
    task = make_task(dataset.task, dataset.labels)
    outputs = np.tile(task.constant(labels["train"]), (len(labels["test"]), 1))
    scores = task.metrics(outputs, labels["test"])
    return {
        "system": task.constant_name,
        "split": "test",
        "metrics": [
            {
                "key": column.key,
                "title": column.title,
                "value": None if math.isnan(scores[column.key]) else float(scores[column.key]),
                "shown": column.format(scores[column.key]),
                "percent": column.percent,
                "higher_is_better": column.higher_is_better,
            }
            for column in task.columns
        ],
    }


LABEL_BINS = 7
WHOLE_BINS = 11
"""Whole numbers that span up to this many have a bin each: ratings from 0 to 10."""


def label_edges(values: Float[np.ndarray, " clip"]) -> Float[np.ndarray, " edge"]:
    """Edges of bins of equal width from the smallest label to the largest, both included.

    Few whole numbers, such as ratings from 1 to 5, are each the middle of a bin.
    """
    low, high = float(values.min()), float(values.max())
    few = high - low < WHOLE_BINS and max(abs(low), abs(high)) < 1e6
    if few and (values == np.floor(values)).all():
        return np.arange(low - 0.5, high + 1)
    if low == high:
        around = max(abs(low), 1.0) / 2
        low, high = low - around, high + around
    return np.linspace(low, high, LABEL_BINS + 1)


def _bin_names(edges: Float[np.ndarray, " edge"]) -> list[str]:
    middles = edges[:-1] + 0.5
    if (np.diff(edges) == 1).all() and (middles == np.floor(middles)).all():
        return [f"{middle:g}" for middle in middles]
    return [f"{low:.4g} to {high:.4g}" for low, high in itertools.pairwise(edges.tolist())]
