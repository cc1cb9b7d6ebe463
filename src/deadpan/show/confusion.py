"""A confusion matrix: which class was taken for which."""

import typing
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from deadpan.show.drawing import INK, MUTED
from deadpan.show.fonts import lacks_letters

if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

MOST_WITH_SHARES, MOST_WITH_COUNTS = 9, 16
"""Classes whose cells have room for a count and a share, and for a count alone."""


def confusion_height(classes: int) -> float:
    """Inches the matrix needs to be read."""
    return 1.5 + min(classes, 16) * (0.5 if classes <= MOST_WITH_SHARES else 0.33)


def confusion_matrix(
    figure: "matplotlib.figure.Figure",
    counts: Int[np.ndarray, "class class"],
    names: Sequence[str],
) -> None:
    """Rows are the truth, columns the prediction; the darker, the larger the share of the row.

    Args:
        figure: empty.
        counts: clips.
        names: short, one per class.
    """
    axes = figure.subplots()
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, np.newaxis]
    # One hue from light to dark is read by every eye and in grey print. As vectors: no image.
    axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="#ffffff", linewidth=0.6)
    for row, (total, line) in enumerate(zip(totals, counts, strict=True)):
        for column, count in enumerate(line):
            _cell(axes, row, column, int(count), int(total), len(names))
        if len(names) <= MOST_WITH_COUNTS:
            axes.text(len(names) + 0.12, row + 0.5, f"of {total}", va="center", c=MUTED, fontsize=8)
    centres = np.arange(len(names)) + 0.5
    upright = len(names) <= 3 or max(map(len, names)) * len(names) <= 42
    axes.set_xticks(centres, names)
    axes.set_yticks(centres, names)
    if not upright:
        crowded = len(names) > MOST_WITH_COUNTS
        slant, level = (90, "center") if crowded else (40, "top")
        for label in axes.get_xticklabels():
            label.set(rotation=slant, ha="right", va=level, rotation_mode="anchor")
    axes.set(xlabel="predicted", ylabel="true", xlim=(0, len(names)), ylim=(len(names), 0))
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _cell(
    axes: "matplotlib.axes.Axes", row: int, column: int, count: int, total: int, classes: int
) -> None:
    if classes > MOST_WITH_COUNTS or not total:
        return
    share = count / total
    with_share = classes <= MOST_WITH_SHARES and count
    axes.text(
        column + 0.5,
        row + 0.5,
        f"{count}\n{share:.0%}" if with_share else str(count),
        ha="center",
        va="center",
        color="#ffffff" if share > 0.68 else INK if count else MUTED,
        fontsize=8 if classes <= MOST_WITH_SHARES else 7,
        fontweight="bold" if row == column else "normal",
        linespacing=1.1,
    )


def short_names(names: Sequence[str], *, longest: int) -> tuple[str, ...]:
    """The names as a figure can show them, each another one.

    Long ones are cut. Where the font lacks a letter of one, or two would look the same once cut,
    each starts with its position from 1, and one that cannot be drawn is nothing but that.
    """
    readable = ["" if lacks_letters(name) else " ".join(name.split()) for name in names]
    cut = [_cut(name, longest) for name in readable]
    if all(cut) and len(set(cut)) == len(cut):
        return tuple(cut)
    numbered = (f"{index} {name}".strip() for index, name in enumerate(readable, start=1))
    return tuple(_cut(name, longest) for name in numbered)


def _cut(name: str, longest: int) -> str:
    return name if len(name) <= longest else name[: longest - 1].rstrip() + "…"
