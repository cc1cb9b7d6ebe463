"""The health of a data set in figures."""

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from deadpan.data.dataset import Clip, Dataset
from deadpan.data.health.findings import findings
from deadpan.data.health.leaks import Twins, digest, repeated_ids, shared_videos
from deadpan.data.health.modalities import Stream, modality_figures, summary
from deadpan.tasks import make_task
from deadpan.types import SPLITS, Modality


def inspect(dataset: Dataset) -> dict[str, Any]:
    """Figures that show at a glance whether a data set is what it should be; ready for JSON.

    Every clip is looked at once, and no more is kept of it than a sample of its steps: quantiles,
    and the shares of values that follow from them, are those of evenly spaced steps, at most
    100,000 per modality (and at most 30 million values). Everything else is exact. Shares are in
    [0, 1]; ``first`` lists at most five ids, names or indices of features, counted from 0.

    Returns:
        ``name``, ``layout`` (what the source is; "" where nobody said), ``task``, ``labels``
        (names), ``widths`` (features per step), and

        ``splits``: per split ``clips``, and, where it has any, ``groups`` (videos or speakers),
        ``labels`` (see below), ``modalities`` (per modality ``missing``, the share of clips that
        lack it, and ``steps``: ``min``, ``median``, ``mean`` and ``max`` of the others), and, where
        known, ``seconds`` (the same four) and ``kinds`` of incongruity.
        Labels are, for regression, ``mean``, ``std`` and ``histogram`` (clips by label rounded to
        -3..3); for emotions ``present`` and for classes ``share``: the share of clips by name; for
        scores ``values``: by name ``min``, ``max``, ``mean``, ``std`` and ``histogram`` (``edges``
        of seven bins, the same in all splits, and ``counts``).

        ``modalities``: per modality ``width``, ``clips`` that have it, ``missing`` (share),
        ``mended`` (values by what they were: NaN, +inf, -inf), ``padding`` (``side`` and ``share``
        of steps; None where not known), and, where any clip has it, ``steps`` (``total`` and the
        four), ``lengths`` (histograms of ``steps``, and of ``seconds`` where known: ``edges`` and
        ``counts``), ``distinct`` (sequences that differ from each other), ``range`` (``min``,
        ``max``), ``zero_steps`` (whose features are all 0: ``count``, ``share``, ``clips``),
        ``constant_clips`` (of two or more steps, all the same: ``count``, ``first``),
        ``constant_features`` and ``zero_features`` (with one value over all training clips, and
        with 0: ``count``, ``first``), ``outliers`` (values farther than 10 robust deviations from
        the median of their feature: ``share``, ``features`` that have any, ``worst``: ``clip``,
        ``split``, ``feature``, ``value``, ``deviations``; None where there is none),
        ``normalization`` (what ``--normalization robust`` would do: ``cut``, the share of values
        beyond 5 deviations, and features ``magnified`` more than 1000 times; None for text, which
        is not scaled) and ``sample`` (``steps``; one of ``every`` so many).
        Medians, deviations and constants are those of train, or of all clips if train has none.

        ``duplicates``: ``pairs`` of clips with the same features in all modalities,
        ``across_splits`` (those of them), ``clips`` that have a twin, and ``by_splits``
        (``splits``, ``pairs``, ``first`` pair).
        ``ids``: ``repeated`` (clips renamed ``id#2``), ``in_two_splits``, ``first``.
        ``groups``: ``count``, ``in_two_splits``, ``first``.

        ``baseline``: the ``system`` that says the same of every clip, on ``split`` test:
        ``metrics`` (``key``, ``title``, ``value``: None where undefined, ``shown``, ``percent``,
        ``higher_is_better``); None without train or test clips.

        ``repairs`` (number by what was mended), ``warnings`` (sentences), and ``findings``:
        ``gravity`` ("serious", "warning" or "note") and ``sentence``, gravest first.

    Raises:
        DeadpanError: labels the task cannot have.
    """
    tallies = {split: SplitTally() for split in SPLITS}
    streams = {name: Stream(width) for name, width in dataset.widths.items()}
    twins = Twins()
    clips: list[tuple[str, str]] = []
    for split, tally in tallies.items():
        for clip in dataset[split]:
            tally.add(clip)
            digests = {name: digest(steps) for name, steps in clip.sequences.items()}
            twins.add(split, clip.id, digests)
            for name, steps in clip.sequences.items():
                streams[name].add(len(clips), split, steps, digests[name])
            for name, end in last_seconds(clip).items():
                if name in clip.sequences:
                    streams[name].seconds.append(end)
            clips.append((clip.id, split))
    labels = {
        split: np.stack(tally.labels).astype(np.float64)
        for split, tally in tallies.items()
        if tally.ids
    }
    told = label_figures(dataset, labels)
    figures: dict[str, Any] = {
        "name": dataset.name,
        "layout": dataset.layout,
        "task": dataset.task,
        "labels": list(dataset.labels),
        "widths": dict(dataset.widths),
        "splits": {
            split: tally.figures(split, streams, told.get(split, {}))
            for split, tally in tallies.items()
        },
        "modalities": {
            name: modality_figures(dataset, name, stream, clips) for name, stream in streams.items()
        },
        "duplicates": twins.figures(),
        "ids": repeated_ids({split: tally.ids for split, tally in tallies.items()}),
        "groups": shared_videos({split: tally.groups for split, tally in tallies.items()}),
        "baseline": baseline(dataset, labels),
        "repairs": dict(dataset.repairs),
        "warnings": list(dataset.warnings),
    }
    return {**figures, "findings": findings(figures)}


@dataclasses.dataclass
class SplitTally:
    """The clips of a split seen so far, without their sequences."""

    ids: list[str] = dataclasses.field(default_factory=list)
    groups: set[str] = dataclasses.field(default_factory=set)
    labels: list[Float[np.ndarray, " label"]] = dataclasses.field(default_factory=list)
    seconds: list[float] = dataclasses.field(default_factory=list)
    kinds: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, clip: Clip) -> None:
        """See a clip."""
        self.ids.append(clip.id)
        self.labels.append(clip.label)
        if clip.group is not None:
            self.groups.add(clip.group)
        if ends := last_seconds(clip):
            self.seconds.append(max(ends.values()))
        if clip.truth is not None:
            self.kinds[clip.truth.kind] += 1

    def figures(
        self, split: str, streams: Mapping[Modality, Stream], labels: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What ``inspect`` says of the split."""
        if not self.ids:
            return {"clips": 0}
        figures: dict[str, Any] = {
            "clips": len(self.ids),
            "groups": len(self.groups),
            "labels": labels,
            "modalities": {
                name: self._modality(stream.lengths[split]) for name, stream in streams.items()
            },
        }
        if self.seconds:
            figures["seconds"] = summary(self.seconds)
        if self.kinds:
            figures["kinds"] = dict(sorted(self.kinds.items()))
        return figures

    def _modality(self, steps: list[int]) -> dict[str, Any]:
        figures: dict[str, Any] = {"missing": 1 - len(steps) / len(self.ids)}
        if steps:
            figures["steps"] = summary(steps)
        return figures


def last_seconds(clip: Clip) -> dict[Modality, float]:
    """Where each modality ends, in seconds from the start of the clip, where known."""
    return {name: float(times[:, 1].max()) for name, times in clip.times.items() if len(times)}


Labels = Float[np.ndarray, "clip label"]


def label_figures(dataset: Dataset, labels: Mapping[str, Labels]) -> dict[str, dict[str, Any]]:
    """For each split with clips what ``inspect`` says of its labels.

    Args:
        dataset: for its task and the names of the labels.
        labels: of the clips of each split that has any.
    """
    if dataset.task == "regression":
        return {split: _sentiment(values[:, 0]) for split, values in labels.items()}
    if dataset.task == "scores":
        return _scores(dataset, labels)
    key = "present" if dataset.task == "emotions" else "share"
    return {
        split: {key: dict(zip(dataset.labels, values.mean(axis=0).tolist(), strict=True))}
        for split, values in labels.items()
    }


def _sentiment(values: Float[np.ndarray, " clip"]) -> dict[str, Any]:
    # As Acc-7 sees them: half to even.
    counts = Counter(np.clip(np.round(values), -3, 3).astype(int).tolist())
    return {
        "mean": float(values.mean()),
        "std": float(values.std()),
        "histogram": {f"{score:+d}" if score else "0": counts[score] for score in range(-3, 4)},
    }


def _scores(dataset: Dataset, labels: Mapping[str, Labels]) -> dict[str, dict[str, Any]]:
    """The same bins in every split, so that they can be compared."""
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
        "histogram": {"edges": edges.tolist(), "counts": counts},
    }


def baseline(dataset: Dataset, labels: Mapping[str, Labels]) -> dict[str, Any] | None:
    """Scores on the test split of the best guess that looks at no clip; None without the splits."""
    if "train" not in labels or "test" not in labels:
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


def label_edges(values: Float[np.ndarray, " clip"]) -> Float[np.ndarray, " edge"]:
    """Edges of bins of equal width from the least label to the greatest, which is in the last."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        around = max(abs(low), 1.0) / 2
        low, high = low - around, high + around
    return np.linspace(low, high, LABEL_BINS + 1)
