"""Prediction against truth: scatters of numbers, strips of probabilities for emotions."""

import math
import typing
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from deadpan.analysis.drawing import INK, MUTED, PLAIN, kind_looks
from deadpan.analysis.predictions import Predictions

if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

Numbers = Float[np.ndarray, "clip *label"]

_ABSENT, _PRESENT = "#8d96a0", "#0072B2"


def scatter(figure: "matplotlib.figure.Figure", predictions: Predictions) -> None:
    """Predicted against true sentiment on a square, by kind of incongruity where any is known."""
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
    """A point per clip; by kind of incongruity where any is known."""
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
