"""Figures of the predictions, one per task, each with the sentence it shows."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from deadpan.analysis import prediction_figures
from deadpan.analysis.confusion_figure import confusion_height, confusion_matrix, short_names
from deadpan.analysis.drawing import to_svg
from deadpan.analysis.panels import Panel, counted
from deadpan.analysis.predictions import Predictions
from deadpan.metrics.classification import class_indices, confusion_counts
from deadpan.metrics.regression import correlations_per_label

MOST_SCATTERS = 6
_SOURCES = ("predictions.csv",)


def sentiment_panel(predictions: Predictions) -> Panel:
    """Prediction against truth, in [-3, 3]."""
    return Panel(
        title="Prediction against truth",
        finding=_off_the_line(predictions),
        svg=to_svg(
            "scatter", lambda figure: prediction_figures.scatter(figure, predictions), height=4.2
        ),
        sources=_SOURCES,
    )


def emotions_panel(predictions: Predictions) -> Panel:
    """Probabilities where an emotion is absent and where it is present."""
    return Panel(
        title="Probability given to each emotion",
        finding=f"{counted(len(predictions.ids), 'test clip')}: blue should lie right of the "
        "dashed line, grey left of it; the bar is the median.",
        svg=to_svg(
            "emotions",
            lambda figure: prediction_figures.strips(figure, predictions),
            height=0.9 + 0.32 * 2 * len(predictions.labels),
        ),
        sources=_SOURCES,
    )


def classes_panel(predictions: Predictions) -> Panel:
    """The confusion matrix."""
    names = predictions.labels
    predicted, true = class_indices(predictions.predicted), class_indices(predictions.truth)
    counts = confusion_counts(predicted, true, len(names))
    short = short_names(names, longest=14)
    return Panel(
        title="Confusion matrix",
        finding=f"{counted(len(predictions.ids), 'test clip')}, a row for each true class and a "
        "column for each predicted one; shares are of the row, darker is more. "
        f"{_worst_confusion(counts, names)}{_key(short, names)}",
        svg=to_svg(
            "confusion",
            lambda figure: confusion_matrix(figure, counts, short),
            height=confusion_height(len(names)),
        ),
        sources=_SOURCES,
    )


def scores_panel(predictions: Predictions) -> Panel:
    """Prediction against truth for each label; for the worst of them where they are many."""
    count = len(predictions.labels)
    corrs = correlations_per_label(predictions.predicted, predictions.truth)
    # A label that is the same in all clips has no Corr, nor anything to see: it comes last.
    worst = np.argsort(np.nan_to_num(corrs, nan=np.inf), kind="stable")[:MOST_SCATTERS]
    shown = sorted(worst.tolist())
    drawn = dataclasses.replace(
        predictions,
        labels=tuple(predictions.labels[label] for label in shown),
        truth=predictions.truth[:, shown],
        predicted=predictions.predicted[:, shown],
    )
    short = short_names(drawn.labels, longest=18)
    titles = [
        name if np.isnan(corrs[label]) else f"{name}: Corr {_minus(corrs[label])}"
        for name, label in zip(short, shown, strict=True)
    ]
    finding = (
        _off_the_line(predictions)
        if count == 1
        else f"{counted(len(predictions.ids), 'clip')}: on the dashed line a prediction is perfect."
        f"{_corr_range(corrs, predictions.labels)}"
    )
    if count > MOST_SCATTERS:
        finding += f" Of {count} labels, the {MOST_SCATTERS} with the lowest Corr are drawn."
    return Panel(
        title="Prediction against truth",
        finding=finding + _key(short, drawn.labels),
        svg=to_svg(
            "scatters",
            lambda figure: prediction_figures.scatters(figure, drawn, titles),
            height=prediction_figures.scatters_height(len(shown)),
        ),
        sources=_SOURCES,
    )


def _off_the_line(predictions: Predictions) -> str:
    spread = float(predictions.truth.std())
    ratio = f"{float(predictions.predicted.std()) / spread:.2f}" if spread else ""
    off = float(np.abs(predictions.predicted - predictions.truth).mean())
    return (
        f"{counted(len(predictions.ids), 'clip')}: on average {off:.2f} off the dashed line of "
        "perfect prediction"
        f"{f'; predictions spread {ratio} times as wide as the truth' if ratio else ''}."
    )


def _worst_confusion(counts: Int[np.ndarray, "class class"], names: Sequence[str]) -> str:
    wrong = counts * (1 - np.eye(len(names), dtype=int))
    if not wrong.any():
        return "No clip is given a wrong class."
    true, said = divmod(int(wrong.argmax()), len(names))
    return (
        f"Most often mistaken: {names[true]} for {names[said]}, "
        f"{wrong[true, said]} of {counted(int(counts[true].sum()), 'clip')}."
    )


def _corr_range(corrs: Sequence[float], names: Sequence[str]) -> str:
    known = [(corr, name) for corr, name in zip(corrs, names, strict=True) if not np.isnan(corr)]
    if not known:
        return ""
    (low, worst), (high, best) = min(known), max(known)
    return f" Corr is {_minus(low)} ({worst}) to {_minus(high)} ({best})."


def _minus(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _key(short: Sequence[str], names: Sequence[str]) -> str:
    """What the shortened names stand for."""
    pairs = [f"{s} = {name}" for s, name in zip(short, names, strict=True) if name not in s]
    return f" In the figure: {'; '.join(pairs)}." if pairs else ""
