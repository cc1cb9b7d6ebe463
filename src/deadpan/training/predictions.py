"""The predictions of a run, and the clips with the largest errors."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from deadpan.files import CsvTable
from deadpan.frames import data_frame
from deadpan.training.scores import evaluate_first

if TYPE_CHECKING:
    import pandas  # pyright: ignore[reportMissingImports]

INTERVALS = ("low", "high", "positive_probability")
"""What may be known of a predicted number beside it; the columns are ``low_LABEL`` and so on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictions:
    """Predictions of clips, and their labels where these are known.

    Attributes:
        ids: one per clip.
        words: transcript of each clip; empty where unknown.
        kinds: kind of each clip, as its truth names it; empty where unknown.
        labels: names of the columns.
        truth: the labels; for emotions and classes 1 and 0; NaN where they are not known.
        predicted: numbers for regression and scores; probabilities for emotions and classes.
        groups: speaker or video of each clip, "" where unknown; none if not read.
        splits: of each clip; none where the clips are of one split or of no split.
        intervals: of predicted numbers, those of ``low``, ``high`` (of the interval that is to hold
            90 % of labels) and ``positive_probability`` that are known for every label.
    """

    ids: tuple[str, ...]
    words: tuple[str, ...]
    kinds: tuple[str, ...]
    labels: tuple[str, ...]
    truth: Float[np.ndarray, "clip label"]
    predicted: Float[np.ndarray, "clip label"]
    groups: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    intervals: Mapping[str, Float[np.ndarray, "_ _"]] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.ids)

    def columns(self) -> dict[str, Any]:
        """What is known of the clips, by the names of the columns of ``predictions.csv``."""
        columns: dict[str, Any] = {"split": self.splits} if self.splits else {}
        columns |= {"id": self.ids}
        for name in ("groups", "words", "kinds"):
            if any(getattr(self, name)):
                columns[name.removesuffix("s") if name != "words" else name] = getattr(self, name)
        numbers = {"label": self.truth, "prediction": self.predicted, **self.intervals}
        for kind, values in numbers.items():
            if not np.isnan(values).all():
                columns |= {f"{kind}_{x}": values[:, i] for i, x in enumerate(self.labels)}
        return columns

    def to_pandas(self) -> "pandas.DataFrame":  # pyright: ignore[reportUnknownParameterType]
        """The columns as a data frame, a row per clip; needs pandas."""
        return data_frame({name: list(column) for name, column in self.columns().items()})


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

    def numbers(kind: str, *, finite: bool = True) -> Float[np.ndarray, "clip label"]:
        columns = [table.numbers(f"{kind}_{name}", finite=finite) for name in labels]
        return np.stack(columns, axis=1)

    return Predictions(
        ids=table["id"],
        words=table["words"],
        kinds=table["kind"],
        groups=table.columns.get("group", ()),
        labels=labels,
        truth=numbers("label"),
        predicted=numbers("prediction"),
        intervals={
            kind: numbers(kind, finite=False)
            for kind in INTERVALS
            if all(f"{kind}_{name}" in table.columns for name in labels)
        },
    )


def predictions_of(rows: Sequence[Mapping[str, Any]], labels: tuple[str, ...]) -> Predictions:
    """Predictions of the rows that ``training.scoring`` makes, at least one.

    Args:
        rows: a mapping for each clip; see ``deadpan.training.scoring.prediction_rows``.
        labels: of the task.
    """

    def texts(name: str) -> tuple[str, ...]:
        return tuple(row[name] for row in rows) if name in rows[0] else ()

    def numbers(kind: str) -> Float[np.ndarray, "clip label"]:
        values = [[row.get(f"{kind}_{name}", np.nan) for name in labels] for row in rows]
        return np.array(values, np.float64)

    return Predictions(
        ids=texts("id"),
        words=texts("words"),
        kinds=texts("kind"),
        groups=texts("group"),
        splits=texts("split"),
        labels=labels,
        truth=numbers("label"),
        predicted=numbers("prediction"),
        intervals={
            kind: numbers(kind)
            for kind in INTERVALS
            if all(f"{kind}_{name}" in rows[0] for name in labels)
        },
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
