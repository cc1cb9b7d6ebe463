"""Salience of steps that are no words, over time."""

import typing
from collections.abc import Sequence

import numpy as np

from deadpan.analysis.drawing import MUTED
from deadpan.analysis.heatmap import Axis
from deadpan.analysis.word_strips import Strip

if typing.TYPE_CHECKING:
    import matplotlib.figure

_LINES = (("#0072B2", "-"), ("#D55E00", (0, (5, 1.6))), ("#009E73", (0, (6, 1.4, 1.2, 1.4))))


def step_curves(figure: "matplotlib.figure.Figure", axis: Axis, strips: Sequence[Strip]) -> None:
    """A line for each strip, flat over each step.

    Args:
        figure: empty.
        axis: the steps.
        strips: at most three, in even shares.
    """
    axes = figure.subplots()
    for (title, values), (colour, line) in zip(strips, _LINES, strict=False):
        heights = np.append(values, values[-1:])
        axes.step(axis.edges, heights, where="post", c=colour, ls=line, lw=1.3, label=title)
    axes.axhline(1, color=MUTED, lw=0.7, zorder=0)
    axes.set_ylim(bottom=0)
    axes.set_xlim(axis.edges[0], axis.edges[-1])
    axes.set_xlabel(f"{axis.name} ({axis.unit})")
    axes.set_ylabel("salience (1 = all alike)")
    figure.legend(loc="outside upper center", ncols=1)
