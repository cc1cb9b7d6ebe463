"""Figures of the predictions, one per task, each with the sentence it shows."""

import dataclasses
import math
import typing
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from deadpan.errors import count_of
from deadpan.metrics.classification import class_indices, confusion_counts
from deadpan.metrics.regression import correlations_per_label
from deadpan.show.confusion import confusion_height, confusion_matrix, short_names
from deadpan.show.drawing import INK, MUTED, PLAIN, kind_looks, to_svg
from deadpan.show.page import Panel
from deadpan.training.opened import PREDICTIONS_FILE
from deadpan.training.predictions import HardClip, Predictions, disbelief, errors, relative_errors

if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

MOST_SCATTERS = 6
_SOURCES = (PREDICTIONS_FILE,)


def sentiment_panel(predictions: Predictions) -> Panel:
    """Prediction against truth, in [-3, 3]."""
    return Panel(
        title="Prediction against truth",
        finding=_off_the_line(predictions),
        svg=to_svg("scatter", lambda figure: scatter(figure, predictions), height=4.2),
        sources=_SOURCES,
    )


def emotions_panel(predictions: Predictions) -> Panel:
    """Probabilities where an emotion is absent and where it is present."""
    return Panel(
        title="Probability given to each emotion",
        finding=f"{count_of(len(predictions.ids), 'test clip')}: blue should lie right of the "
        "dashed line, grey left of it; the bar is the median.",
        svg=to_svg(
            "emotions",
            lambda figure: strips(figure, predictions),
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
        finding=f"{count_of(len(predictions.ids), 'test clip')}, a row for each true class and a "
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
    indices = sorted(worst.tolist())
    subset = dataclasses.replace(
        predictions,
        labels=tuple(predictions.labels[label] for label in indices),
        truth=predictions.truth[:, indices],
        predicted=predictions.predicted[:, indices],
    )
    short = short_names(subset.labels, longest=18)
    titles = [
        name if np.isnan(corrs[label]) else f"{name}: Corr {_minus(corrs[label])}"
        for name, label in zip(short, indices, strict=True)
    ]
    finding = (
        _off_the_line(predictions)
        if count == 1
        else f"{count_of(len(predictions.ids), 'clip')}: "
        "on the dashed line a prediction is perfect."
        f"{_corr_range(corrs, predictions.labels)}"
    )
    if count > MOST_SCATTERS:
        finding += f" Of {count} labels, the {MOST_SCATTERS} with the lowest Corr are drawn."
    return Panel(
        title="Prediction against truth",
        finding=finding + _key(short, subset.labels),
        svg=to_svg(
            "scatters",
            lambda figure: scatters(figure, subset, titles),
            height=scatters_height(len(indices)),
        ),
        sources=_SOURCES,
    )


def _off_the_line(predictions: Predictions) -> str:
    spread = float(predictions.truth.std())
    ratio = f"{float(predictions.predicted.std()) / spread:.2f}" if spread else ""
    off = float(np.abs(predictions.predicted - predictions.truth).mean())
    return (
        f"{count_of(len(predictions.ids), 'clip')}: on average {off:.2f} off the dashed line of "
        "perfect prediction"
        f"{f'; predictions spread {ratio} times as wide as the truth' if ratio else ''}."
    )


def _worst_confusion(counts: Int[np.ndarray, "class class"], names: Sequence[str]) -> str:
    confusions = counts * (1 - np.eye(len(names), dtype=int))
    if not confusions.any():
        return "No clip is given a wrong class."
    true, predicted = divmod(int(confusions.argmax()), len(names))
    return (
        f"Most often mistaken: {names[true]} for {names[predicted]}, "
        f"{confusions[true, predicted]} of {count_of(int(counts[true].sum()), 'clip')}."
    )


def _corr_range(corrs: Sequence[float], names: Sequence[str]) -> str:
    defined = [(corr, name) for corr, name in zip(corrs, names, strict=True) if not np.isnan(corr)]
    if not defined:
        return ""
    (low, worst), (high, best) = min(defined), max(defined)
    return f" Corr is {_minus(low)} ({worst}) to {_minus(high)} ({best})."


def _minus(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _key(short: Sequence[str], names: Sequence[str]) -> str:
    """What the shortened names stand for."""
    pairs = [f"{s} = {name}" for s, name in zip(short, names, strict=True) if name not in s]
    return f" In the figure: {'; '.join(pairs)}." if pairs else ""


Numbers = Float[np.ndarray, "clip *label"]

_ABSENT, _PRESENT = "#8d96a0", "#0072B2"


def scatter(figure: "matplotlib.figure.Figure", predictions: Predictions) -> None:
    """Predicted against true sentiment on a square, by kind where any is known."""
    axes = figure.subplots()
    truth, predicted = predictions.truth, predictions.predicted
    # Labels lie in [-3, 3]; a prediction beyond must still be seen.
    reach = 1.06 * max(3.0, float(np.abs(truth).max()), float(np.abs(predicted).max()))
    _square(axes, -reach, reach)
    _points(axes, truth, predicted, predictions.kinds)
    axes.set_xlabel("true sentiment (−3 to 3)")
    axes.set_ylabel("predicted sentiment")
    figure.legend(loc="outside upper center", ncols=3, handlelength=1.6, columnspacing=1.2)


def scatters_height(labels: int) -> float:
    """Inches that a scatter for each of these labels needs."""
    return 4.2 if labels == 1 else 0.5 + 2.5 * math.ceil(labels / 2)


def scatters(
    figure: "matplotlib.figure.Figure", predictions: Predictions, titles: Sequence[str]
) -> None:
    """For each label its prediction against its truth, on a square of the label's own scale.

    Args:
        figure: empty.
        predictions: of these labels.
        titles: one per label, short.
    """
    rows, columns = math.ceil(len(titles) / 2), min(2, len(titles))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(titles) :]:
        axes.remove()
    for index, (title, truth, predicted) in enumerate(
        zip(titles, predictions.truth.T, predictions.predicted.T, strict=True)
    ):
        axes = grid.flat[index]
        low = min(float(truth.min()), float(predicted.min()))
        high = max(float(truth.max()), float(predicted.max()))
        margin = 0.06 * (high - low) or 1.0
        _square(axes, low - margin, high + margin)
        axes.locator_params(nbins=5)
        _points(axes, truth, predicted, predictions.kinds)
        axes.set_title(title, fontsize=9)
        axes.set_ylabel("predicted" if index % columns == 0 else "")
        axes.set_xlabel("true" if index + columns >= len(titles) else "")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=3, handlelength=1.6, columnspacing=1.2
    )


def _square(axes: "matplotlib.axes.Axes", low: float, high: float) -> None:
    """The same scale on both axes, and the line on which a prediction is perfect."""
    axes.plot([low, high], [low, high], color=INK, lw=0.9, ls=(0, (4, 2)), label="identity")
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")


def _points(
    axes: "matplotlib.axes.Axes", truth: Numbers, predicted: Numbers, kinds: Sequence[str]
) -> None:
    """A point per clip; by kind where any is known."""
    if not any(kinds):
        axes.scatter(truth, predicted, s=16, c=PLAIN.colour, marker=PLAIN.marker, lw=0, alpha=0.55)
        return
    for kind, look in kind_looks(kinds).items():
        chosen = np.array(kinds) == kind
        axes.scatter(
            truth[chosen],
            predicted[chosen],
            s=16,
            c=look.colour,
            marker=look.marker,
            lw=0,
            alpha=0.75,
            label=f"{kind or 'unknown'} ({chosen.sum()})",
        )


def strips(figure: "matplotlib.figure.Figure", predictions: Predictions) -> None:
    """For each emotion, the predicted probabilities where it is absent and where it is present."""
    axes = figure.subplots()
    ticks: list[str] = []
    for label, truth, probability in zip(
        predictions.labels, predictions.truth.T, predictions.predicted.T, strict=True
    ):
        for word, chosen, right, colour in (
            ("absent", truth < 0.5, probability <= 0.5, _ABSENT),
            ("present", truth >= 0.5, probability > 0.5, _PRESENT),
        ):
            row = len(ticks)
            ticks.append(f"{label}  {word}" if word == "absent" else word)
            _strip(axes, row, probability[chosen], colour)
            share = f"{right[chosen].mean():.0%} of {chosen.sum()}" if chosen.any() else "–"
            axes.text(1.04, row, share, va="center", color=INK, fontsize=8)
    axes.text(1.04, -0.9, "right", va="center", color=MUTED, fontsize=8)
    axes.axvline(0.5, color=INK, lw=0.9, ls=(0, (4, 2)))
    axes.set_yticks(range(len(ticks)), ticks)
    axes.set_ylim(len(ticks) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("predicted probability of presence")
    axes.grid(visible=False, axis="y")


def _strip(
    axes: "matplotlib.axes.Axes", row: int, values: Float[np.ndarray, " clip"], colour: str
) -> None:
    """Points of one row, spread evenly over its height, and their median."""
    if not len(values):
        axes.text(0.5, row, "no clip", ha="center", va="center", color=MUTED)
        return
    # Multiples of the golden ratio spread points evenly and, unlike random ones, repeatably.
    spread = (np.arange(len(values)) * 0.6180339887) % 1 - 0.5
    axes.scatter(values, row + 0.7 * spread, s=9, c=colour, lw=0, alpha=0.45)
    axes.vlines(np.median(values), row - 0.42, row + 0.42, color=INK, lw=1.6)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskView:
    """What is particular to a task.

    Attributes:
        loss_unit: what the validation loss is.
        panel: draws the predictions.
        score_note: how to read the scores; empty where nothing needs to be said.
        faults: how wrong each prediction is; decides which clips are the hardest.
        hard_note: the order of the hardest clips, in words.
        hard_columns: headings of their columns; the last is emphasised.
        hard_cells: the text of those columns for a clip.
    """

    loss_unit: str
    panel: Callable[[Predictions], Panel]
    score_note: str = ""
    faults: Callable[[Predictions], Float[np.ndarray, "clip label"]]
    hard_note: str
    hard_columns: tuple[str, ...]
    hard_cells: Callable[[HardClip], tuple[str, ...]]


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _number(value: float, sign: str = "") -> str:
    digits = ",.0f" if abs(value) >= 1000 else ".4g"
    return f"{value:{sign}{digits}}".replace("-", "−")


def _sentiment_cells(clip: HardClip) -> tuple[str, ...]:
    return _signed(clip.truth), _signed(clip.prediction), _signed(clip.error)


def _emotion_cells(clip: HardClip) -> tuple[str, ...]:
    truth = "present" if clip.truth > 0.5 else "absent"
    return clip.label, truth, f"{clip.prediction:.3f}", f"{1 - abs(clip.error):.3f}"


def _class_cells(clip: HardClip) -> tuple[str, ...]:
    return clip.label, clip.highest, f"{clip.prediction:.3f}"


def _score_cells(clip: HardClip) -> tuple[str, ...]:
    numbers = _number(clip.truth), _number(clip.prediction), _number(clip.error, "+")
    return clip.label, *numbers


VIEWS = {
    "regression": TaskView(
        loss_unit="L1",
        panel=sentiment_panel,
        faults=errors,
        hard_note="Largest absolute error first. Error is prediction minus truth: positive is too "
        "friendly a reading.",
        hard_columns=("Truth", "Prediction", "Error"),
        hard_cells=_sentiment_cells,
    ),
    "emotions": TaskView(
        loss_unit="cross-entropy, nats",
        panel=emotions_panel,
        score_note="Accuracy and weighted F1 are per emotion, present against absent: compare them "
        "with always saying “absent” before anything else.",
        faults=errors,
        hard_note="Lowest probability of the truth first, each clip by its worst emotion.",
        hard_columns=("Emotion", "Truth", "P(present)", "P(truth)"),
        hard_cells=_emotion_cells,
    ),
    "classes": TaskView(
        loss_unit="cross-entropy, nats",
        panel=classes_panel,
        score_note="Weighted F1 counts each class by its clips, macro F1 all classes alike; F1 of "
        "a class is against all others, and a class without a clip in the split has none.",
        faults=disbelief,
        hard_note="Lowest probability of the true class first.",
        hard_columns=("Truth", "Predicted", "P(truth)"),
        hard_cells=_class_cells,
    ),
    "scores": TaskView(
        loss_unit="L1",
        panel=scores_panel,
        score_note="MAE is in the label’s own unit, Corr is Pearson’s r; a label that is the same "
        "in all clips has no Corr.",
        faults=relative_errors,
        hard_note="Largest error first, measured in standard deviations of the label over the "
        "split, each clip by its worst label. Error is prediction minus truth.",
        hard_columns=("Label", "Truth", "Prediction", "Error"),
        hard_cells=_score_cells,
    ),
}
"""By the name of the task in ``environment.json``."""
