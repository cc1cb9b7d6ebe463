"""The figures of labels, and what is scored without looking at a clip."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from deadpan.data.dataset import Dataset
from deadpan.data.health.sampling import label_edges
from deadpan.tasks import make_task

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
