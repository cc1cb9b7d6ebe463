"""The heatmap of a crossmodal attention (figure 1 of the HCT-MG paper)."""

import typing
from collections.abc import Callable

import numpy as np

from deadpan.analysis.maps import MOST_NAMED, CrossmodalMap
from deadpan.show.drawing import INK, MUTED
from deadpan.show.fonts import WordFont, word_font

if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

MARK = "#D55E00"
ROW, FONT = 11.0, 8.0  # points


def heatmap(
    drawn: CrossmodalMap,
) -> tuple[tuple[float, float], WordFont, "Callable[[matplotlib.figure.Figure], None]"]:
    """Rows are the target's steps, columns the source's; the darker, the more is attended to.

    Returns:
        Its size in inches, the font of its words, and what draws it.
    """
    font = word_font(drawn.target.words)
    longest = max(font.widths(FONT), default=20.0)
    rows = len(drawn.weights)
    named = bool(drawn.target.words)
    height = min(max(ROW * rows, 90.0), ROW * MOST_NAMED) if named else 260.0
    size = (max(6.5, (longest + 300) / 72), (height + 64) / 72)

    def paint(figure: "matplotlib.figure.Figure") -> None:
        axes = figure.subplots()
        x, y = drawn.source.edges, np.arange(rows + 1.0) if named else drawn.target.edges
        mesh = axes.pcolormesh(x, y, drawn.shares, cmap="Blues", vmin=0, rasterized=True)
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        for number, (row, column) in enumerate(drawn.strongest(), start=1):
            _mark(axes, number, x[column : column + 2].mean(), y[row : row + 2].mean())
        axes.set_xlabel(f"{drawn.source.name} ({drawn.source.unit})")
        if named:
            _name_rows(axes, drawn, font)
        else:
            axes.set_ylabel(f"{drawn.target.name} ({drawn.target.unit})")
        bar = figure.colorbar(
            mesh, ax=axes, pad=0.015, aspect=28, shrink=min(1.0, 260 / height), anchor=(0.0, 1.0)
        )
        bar.set_label("attention (1 = all alike)")
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]

    return size, font, paint


def _mark(axes: "matplotlib.axes.Axes", number: int, x: float, y: float) -> None:
    axes.plot(x, y, "s", ms=7, mfc="none", mec="white", mew=2.6)
    axes.plot(x, y, "s", ms=7, mfc="none", mec=MARK, mew=1.3)
    axes.annotate(
        str(number),
        (x, y),
        (5, 4),
        textcoords="offset points",
        fontsize=7,
        fontweight="bold",
        color=INK,
        bbox={"boxstyle": "round,pad=0.12", "fc": "white", "ec": MARK, "lw": 0.7},
    )


def _name_rows(axes: "matplotlib.axes.Axes", drawn: CrossmodalMap, font: WordFont) -> None:
    """Name every row; where they are too many, the marked ones and as many others as fit."""
    rows = range(len(drawn.weights))
    marked = {row for row, _ in drawn.strongest()}
    chosen = list(rows)
    if len(rows) > MOST_NAMED:
        apart = drawn.apart
        far = [row for row in rows[::apart] if all(abs(row - mark) >= apart for mark in marked)]
        chosen = sorted(marked | set(far))
    axes.set_yticks([row + 0.5 for row in chosen], [font.shown[row] for row in chosen])
    for row, label in zip(chosen, axes.get_yticklabels(), strict=True):
        strong = row in marked
        label.set(parse_math=False, fontsize=FONT, fontweight="bold" if strong else "normal")
        label.set_color(MARK if strong else INK)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", color=MUTED)
