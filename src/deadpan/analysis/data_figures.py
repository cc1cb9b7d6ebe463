"""The figures of a data set: labels by split, lengths by modality, and what is missing."""

import math
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deadpan.analysis.drawing import PLAIN, modality_looks

if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

# Dark, light and coloured: told apart in grey print, and by colour-blind eyes.
_SPLITS = {"train": "#4d5761", "valid": "#b9c0c7", "test": "#CC79A7"}

Numbers = Sequence[int | float]
Shares = Mapping[str, Numbers]
"""Per split, a share in [0, 1] for each category."""


def upright_bars(
    figure: "matplotlib.figure.Figure", categories: Sequence[str], shares: Shares, label: str
) -> None:
    """For each category a bar per split, upwards, in percent of the split's clips."""
    axes = figure.subplots()
    _bars(axes, categories, shares, upright=True)
    axes.set_xlabel(label)
    axes.set_ylabel("clips of the split (%)")
    axes.grid(visible=False, axis="x")
    _split_legend(figure)


def level_bars(
    figure: "matplotlib.figure.Figure", categories: Sequence[str], shares: Shares
) -> None:
    """The same from left to right, where the names of categories need room."""
    axes = figure.subplots()
    _bars(axes, categories, shares, upright=False)
    axes.invert_yaxis()
    axes.set_xlabel("clips of the split (%)")
    axes.grid(visible=False, axis="y")
    _split_legend(figure)


def level_height(categories: int, splits: int) -> float:
    """Inches that level bars need."""
    return 0.95 + categories * (0.12 + 0.15 * splits)


def _bars(
    axes: "matplotlib.axes.Axes", categories: Sequence[str], shares: Shares, *, upright: bool
) -> None:
    places, size = np.arange(len(categories)), 0.84 / len(shares)
    for index, (split, values) in enumerate(shares.items()):
        at = places + (index - (len(shares) - 1) / 2) * size
        (axes.bar if upright else axes.barh)(
            at, 100 * np.asarray(values), 0.92 * size, color=_SPLITS[split], label=split
        )
    (axes.set_xticks if upright else axes.set_yticks)(places, categories)


def label_bins(
    figure: "matplotlib.figure.Figure",
    titles: Sequence[str],
    splits: Mapping[str, Sequence[Mapping[str, Any]]],
) -> None:
    """For each label its bins, an outline per split, in percent of the split's clips.

    Args:
        figure: empty.
        titles: one per label, short.
        splits: per split a histogram (``edges``, ``counts``) for each label.
    """
    columns = min(2, len(titles))
    grid = figure.subplots(math.ceil(len(titles) / columns), columns, squeeze=False)
    for axes in grid.flat[len(titles) :]:
        axes.remove()
    for index, title in enumerate(titles):
        axes = grid.flat[index]
        for split, histograms in splits.items():
            edges = histograms[index]["edges"]
            counts = np.array(histograms[index]["counts"])
            shares = 100 * counts / counts.sum()
            axes.stairs(shares, edges, color=_SPLITS[split], lw=2, label=split)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(title)
        axes.set_ylabel("clips (%)" if index % columns == 0 else "")
    _split_legend(figure)


def bins_height(labels: int) -> float:
    """Inches that the bins of these labels need."""
    return 3.0 if labels == 1 else 0.5 + 1.8 * math.ceil(labels / 2)


def length_bars(
    figure: "matplotlib.figure.Figure",
    histograms: Mapping[str, Mapping[str, Numbers]],
    unit: str,
) -> None:
    """A histogram of lengths for each modality, below each other.

    Args:
        figure: empty.
        histograms: per modality ``edges`` and ``counts``.
        unit: of the edges: ``steps`` or ``seconds``.
    """
    looks = modality_looks(list(histograms))
    rows = figure.subplots(len(histograms), 1, squeeze=False)[:, 0]
    for axes, (name, bins) in zip(rows, histograms.items(), strict=True):
        # A length of 6 stands over the 6, not between 6 and 7.
        edges = np.asarray(bins["edges"]) - (0.5 if unit == "steps" else 0)
        colour = looks.get(name, PLAIN).colour
        axes.stairs(bins["counts"], edges, fill=True, color=colour)
        if edges[-1] - edges[0] <= 1:  # one length alone is a bar, not a wall
            axes.set_xlim(max(0, edges[0] - 2), edges[-1] + 2)
        axes.locator_params(axis="x", integer=unit == "steps", nbins=8)
        axes.locator_params(axis="y", integer=True, nbins=4)
        axes.set_xlabel(f"{name} {unit} per clip" if unit == "steps" else f"{name}, {unit}")
        axes.set_ylabel("clips")


def lengths_height(modalities: int) -> float:
    """Inches that the lengths of these modalities need."""
    return 0.3 + 1.35 * modalities


def _split_legend(figure: "matplotlib.figure.Figure") -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=3, handlelength=1.6, columnspacing=1.4
    )
