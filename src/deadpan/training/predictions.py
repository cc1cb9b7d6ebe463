"""The predictions of a scored run, and the clips with the largest errors."""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deadpan.files import CsvTable
from deadpan.training.scores import evaluate_first


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictions:
    """Labels and predictions of every clip of the test split.

    Attributes:
        ids: one per clip.
        words: transcript of each clip; empty where unknown.
        kinds: kind of each clip, as its truth names it; empty where unknown.
        labels: names of the columns.
        truth: the labels; for emotions and classes 1 and 0.
        predicted: numbers for regression and scores; probabilities for emotions and classes.
    """

    ids: tuple[str, ...]
    words: tuple[str, ...]
    kinds: tuple[str, ...]
    labels: tuple[str, ...]
    truth: Float[np.ndarray, "clip label"]
    predicted: Float[np.ndarray, "clip label"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class HardClip:
    """A clip and its worst predicted label.

    Attributes:
        id: of the clip.
        words: its transcript; empty where unknown.
        kind: of the clip; empty where unknown.
        label: the name of the worst label.
        truth: of that label.
        prediction: of that label.
        error: prediction minus truth, in the label's unit.
        highest: the name of the label with the highest prediction; of classes the one predicted.
    """

    id: str
    words: str
    kind: str
    label: str
    truth: float
    prediction: float
    error: float
    highest: str


def read_predictions(file: Path, labels: tuple[str, ...]) -> Predictions:
    """Read the predictions of a run; RunError where the file is missing or broken."""
    table = CsvTable(file, evaluate_first(file.parent))
    return Predictions(
        ids=table["id"],
        words=table["words"],
        kinds=table["kind"],
        labels=labels,
        truth=np.stack([table.numbers(f"label_{name}") for name in labels], axis=1),
        predicted=np.stack([table.numbers(f"prediction_{name}") for name in labels], axis=1),
    )


def hardest(
    predictions: Predictions, faults: Float[np.ndarray, "clip label"], count: int = 10
) -> list[HardClip]:
    """The clips with the largest fault, worst first, each by its worst label.

    Args:
        predictions: of a split.
        faults: how wrong each prediction is, in a unit that labels can be compared in.
        count: how many at most. Ties keep the file's order.
    """
    worst = faults.argmax(axis=1)
    highest = predictions.predicted.argmax(axis=1)
    order = np.argsort(-faults.max(axis=1), kind="stable")[:count]
    return [
        HardClip(
            id=predictions.ids[clip],
            words=predictions.words[clip],
            kind=predictions.kinds[clip],
            label=predictions.labels[label],
            truth=float(predictions.truth[clip, label]),
            prediction=float(predictions.predicted[clip, label]),
            error=float(predictions.predicted[clip, label] - predictions.truth[clip, label]),
            highest=predictions.labels[highest[clip]],
        )
        for clip, label in ((int(clip), int(worst[clip])) for clip in order)
    ]


def errors(predictions: Predictions) -> Float[np.ndarray, "clip label"]:
    """Absolute error of each prediction, in the label's unit."""
    return np.abs(predictions.predicted - predictions.truth)


def relative_errors(predictions: Predictions) -> Float[np.ndarray, "clip label"]:
    """Absolute error of each prediction, in standard deviations of its label."""
    spread = predictions.truth.std(axis=0)
    return errors(predictions) / np.where(spread > 0, spread, 1)


def disbelief(predictions: Predictions) -> Float[np.ndarray, "clip label"]:
    """One minus the predicted probability of the true class; -1 for the other classes."""
    # Below 0, so that the true class is the worst label also where it is believed entirely.
    return np.where(predictions.truth > 0.5, errors(predictions), -1.0)
