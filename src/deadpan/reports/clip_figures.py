"""Figures of one clip: its crossmodal attention, and its words on the colour of their salience."""

import typing
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from deadpan.analysis.crossmodal import MOST_NAMED, Axis, CrossmodalMap
from deadpan.show.drawing import INK, MUTED
from deadpan.show.fonts import DrawnWords, drawn_words

if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

MARK = "#D55E00"
ROW, ROW_FONT = 11.0, 8.0  # points

Strip = tuple[str, Float[np.ndarray, " word"]]
"""A title, and the salience of each word in even shares: 1 where all words count alike."""

WIDTH, MARGIN, FONT = 468.0, 8.0, 9.0  # points; 6.5 inches are the text width of a paper
LINE, TITLE, PAD, GAP, FOOT = 16.5, 17.0, 2.6, 1.6, 40.0


def heatmap(
    attention: CrossmodalMap,
) -> tuple[tuple[float, float], DrawnWords, "Callable[[matplotlib.figure.Figure], None]"]:
    """Rows are the target's steps, columns the source's; the darker, the more is attended to.

    Returns:
        Its size in inches, its words as they are drawn, and what draws it.
    """
    labels = drawn_words(attention.target.words)
    longest = max(labels.widths(ROW_FONT), default=20.0)
    rows = len(attention.weights)
    named = bool(attention.target.words)
    height = min(max(ROW * rows, 90.0), ROW * MOST_NAMED) if named else 260.0
    size = (max(6.5, (longest + 300) / 72), (height + 64) / 72)

    def paint(figure: "matplotlib.figure.Figure") -> None:
        axes = figure.subplots()
        x, y = attention.source.edges, np.arange(rows + 1.0) if named else attention.target.edges
        mesh = axes.pcolormesh(x, y, attention.shares, cmap="Blues", vmin=0, rasterized=True)
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        for number, (row, column) in enumerate(attention.strongest(), start=1):
            _mark(axes, number, x[column : column + 2].mean(), y[row : row + 2].mean())
        axes.set_xlabel(f"{attention.source.name} ({attention.source.unit})")
        if named:
            _name_rows(axes, attention, labels)
        else:
            axes.set_ylabel(f"{attention.target.name} ({attention.target.unit})")
        bar = figure.colorbar(
            mesh, ax=axes, pad=0.015, aspect=28, shrink=min(1.0, 260 / height), anchor=(0.0, 1.0)
        )
        bar.set_label("attention (1 = all alike)")
        bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]

    return size, labels, paint


def strongest_cells(attention: CrossmodalMap) -> str:
    """The marked cells of a heatmap in words, with their shares."""
    shares = attention.shares
    return "; ".join(
        f"{number}. {attention.target.at(row)} to {attention.source.at(column)} "
        f"({shares[row, column]:.2g})"
        for number, (row, column) in enumerate(attention.strongest(), start=1)
    )


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


def _name_rows(axes: "matplotlib.axes.Axes", attention: CrossmodalMap, labels: DrawnWords) -> None:
    """Name every row; where they are too many, the marked ones and as many others as fit."""
    rows = range(len(attention.weights))
    marked = {row for row, _ in attention.strongest()}
    chosen = list(rows)
    if len(rows) > MOST_NAMED:
        apart = attention.apart
        far = [row for row in rows[::apart] if all(abs(row - mark) >= apart for mark in marked)]
        chosen = sorted(marked | set(far))
    axes.set_yticks([row + 0.5 for row in chosen], [labels.texts[row] for row in chosen])
    for row, label in zip(chosen, axes.get_yticklabels(), strict=True):
        strong = row in marked
        label.set(parse_math=False, fontsize=ROW_FONT, fontweight="bold" if strong else "normal")
        label.set_color(MARK if strong else INK)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", color=MUTED)


def shade(share: float, scale: tuple[float, float]) -> tuple[str, str]:
    """The colour behind a word, and that of its letters, for a share on a scale."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    low, high = scale
    # One hue from light to dark is read by every eye and in grey print.
    red, green, blue, _ = colormaps["Blues"]((share - low) / (high - low))
    dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5
    return to_hex((red, green, blue)), "#ffffff" if dark else INK


def scale_of(strips: Sequence[Strip]) -> tuple[float, float]:
    """The least and the greatest share on the one scale of all strips.

    As far below 1 as above, but not below 0: shares differ by hundredths where a model attends to
    all alike, which must be seen, but noise below a tenth is not blown up.
    """
    shares = np.concatenate([values for _, values in strips])
    reach = max(0.1, float(np.abs(shares - 1).max(initial=0.0)))
    return max(0.0, 1 - reach), 1 + reach


def word_strips(
    words: Sequence[str], strips: Sequence[Strip]
) -> tuple[tuple[float, float], DrawnWords, "Callable[[matplotlib.figure.Figure], None]"]:
    """Every strip shows all words, wrapped, none of them cut; the darker, the more it counts.

    Args:
        words: at least one.
        strips: at least one, each with a number per word.

    Returns:
        The figure's size in inches, its words as they are drawn, and what draws it.
    """
    labels = drawn_words(words)
    sizes = [width + 2 * PAD for width in labels.widths(FONT)]
    width = max(WIDTH, max(sizes) + 2 * MARGIN)
    places = _places(sizes, width - 2 * MARGIN)
    block = TITLE + LINE * (places[-1][1] + 1)
    height = len(strips) * block + FOOT
    scale = scale_of(strips)

    def paint(figure: "matplotlib.figure.Figure") -> None:
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(height, 0))
        axes.set_axis_off()
        for index, (title, values) in enumerate(strips):
            top = index * block
            x, side = (width - MARGIN, "right") if labels.right_to_left else (MARGIN, "left")
            axes.text(x, top + TITLE - 4, title, fontsize=8, color=MUTED, ha=side, parse_math=False)
            cells = zip(labels.texts, sizes, places, values.tolist(), strict=True)
            for word, size, (x, line), share in cells:
                left = width - MARGIN - x - size if labels.right_to_left else MARGIN + x
                corner = (left, top + TITLE + line * LINE)
                _word(axes, word, corner, size, shade(share, scale))
        _scale(axes, height - FOOT + 10, scale)

    return (width / 72, height / 72), labels, paint


def _places(sizes: Sequence[float], room: float) -> list[tuple[float, int]]:
    """Where each word begins in its line, in points, and which line that is."""
    x, line = 0.0, 0
    places: list[tuple[float, int]] = []
    for size in sizes:
        if x and x + size > room:
            x, line = 0.0, line + 1
        places.append((x, line))
        x += size + GAP
    return places


def _word(
    axes: "matplotlib.axes.Axes",
    word: str,
    corner: tuple[float, float],
    width: float,
    colours: tuple[str, str],
) -> None:
    from matplotlib.patches import Rectangle

    back, front = colours
    x, y = corner
    axes.add_patch(Rectangle((x, y), width, LINE - GAP, color=back, lw=0))
    axes.text(
        x + width / 2,
        y + LINE - GAP - 4.4,
        word,
        fontsize=FONT,
        color=front,
        ha="center",
        parse_math=False,
    )


def _scale(axes: "matplotlib.axes.Axes", top: float, scale: tuple[float, float]) -> None:
    """A bar of the colours with its ends and 1."""
    from matplotlib.patches import Rectangle

    (low, high), steps, length, start = scale, 60, 150.0, MARGIN + 8
    for step in range(steps):
        back, _ = shade(low + step / (steps - 1) * (high - low), scale)
        left = start + step * length / steps
        axes.add_patch(Rectangle((left, top), length / steps + 0.3, 7, color=back, lw=0))
    for share in dict.fromkeys((low, 1.0, high)):
        position = (share - low) / (high - low)
        if share in scale or 0.12 < position < 0.88:
            text = f"{share:.2f}".rstrip("0").rstrip(".")
            x = start + length * position
            axes.text(x, top + 16, text, fontsize=7, color=MUTED, ha="center")
    axes.text(
        start + length + 14, top + 7, "salience (1 = every word alike)", fontsize=8, color=MUTED
    )


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
