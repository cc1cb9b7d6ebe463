"""What the model said of each clip, and where it was most wrong: ``predictions.csv`` as arrays."""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deadpan.analysis.run_files import evaluate_first
from deadpan.analysis.tables import Table


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictions:
    """Truth and prediction of every clip of the split.

    Attributes:
        ids: one per clip.
        words: transcript of each clip; empty where unknown.
        kinds: kind of incongruity of each clip; empty where unknown.
        labels: names of the columns.
        truth: regression: the score; emotions: 1 where present, 0 where absent.
        predicted: regression: the score; emotions: probability of presence.
    """

    ids: tuple[str, ...]
    words: tuple[str, ...]
    kinds: tuple[str, ...]
    labels: tuple[str, ...]
    truth: Float[np.ndarray, "clip label"]
    predicted: Float[np.ndarray, "clip label"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class HardClip:
    """A clip's worst label. ``error`` is prediction minus truth, in the label's unit."""

    id: str
    words: str
    kind: str
    label: str
    truth: float
    prediction: float
    error: float


def read_predictions(run: Path, labels: tuple[str, ...]) -> Predictions:
    """Read ``predictions.csv`` of a run; RunError where it is missing or broken."""
    table = Table(run / "predictions.csv", evaluate_first(run))
    return Predictions(
        ids=table["id"],
        words=table["words"],
        kinds=table["kind"],
        labels=labels,
        truth=np.stack([table.numbers(f"label_{name}") for name in labels], axis=1),
        predicted=np.stack([table.numbers(f"prediction_{name}") for name in labels], axis=1),
    )


def hardest(predictions: Predictions, count: int = 10) -> list[HardClip]:
    """The clips with the largest absolute error, worst first, each by its worst label.

    For emotions the error's size is 1 minus the probability given to the truth, so the worst are
    those whose truth was given the lowest probability. Ties keep the file's order.
    """
    errors = predictions.predicted - predictions.truth
    worst = np.abs(errors).argmax(axis=1)
    order = np.argsort(-np.abs(errors).max(axis=1), kind="stable")[:count]
    return [
        HardClip(
            id=predictions.ids[clip],
            words=predictions.words[clip],
            kind=predictions.kinds[clip],
            label=predictions.labels[label],
            truth=float(predictions.truth[clip, label]),
            prediction=float(predictions.predicted[clip, label]),
            error=float(errors[clip, label]),
        )
        for clip, label in ((int(clip), int(worst[clip])) for clip in order)
    ]
