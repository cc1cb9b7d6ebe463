"""How every figure looks, and how it becomes SVG that can stand inside a page."""

import dataclasses
import io
import re
import typing
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from deadpan.show.fonts import installed_families

if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

WIDTH = 5.0
"""Inches. Small, so that 9 pt is still read on a phone, where a figure is 4.5 inches wide."""

INK, MUTED, FAINT = "#1b1f24", "#6b737c", "#c9ced4"

LineStyle = str | tuple[int, tuple[int | float, ...]]


@dataclasses.dataclass(frozen=True)
class Look:
    """A colour, and what still tells it apart in grey print: a line style and a marker."""

    colour: str
    line: LineStyle
    marker: str


# Okabe and Ito's palette, told apart by colour-blind eyes.
_MODALITIES = {
    "text": Look("#0072B2", "-", "o"),
    "audio": Look("#D55E00", (0, (5, 1.6)), "s"),
    "vision": Look("#009E73", (0, (6, 1.4, 1.2, 1.4)), "^"),
}
_OTHERS = (
    Look("#CC79A7", (0, (1.2, 1.2)), "D"),
    Look("#E69F00", (0, (9, 2)), "v"),
    Look("#56B4E9", (0, (4, 1.2, 1, 1.2, 1, 1.2)), "P"),
    Look("#111111", (0, (2.5, 1.2)), "X"),
)
_KINDS = (
    Look("#D55E00", "-", "s"),
    Look("#0072B2", "-", "^"),
    Look("#E69F00", "-", "D"),
    Look("#009E73", "-", "v"),
    Look("#CC79A7", "-", "P"),
    Look("#56B4E9", "-", "X"),
    Look("#111111", "-", "*"),
)
PLAIN = Look("#0072B2", "-", "o")
_QUIET = {"congruent": Look("#9aa2ab", "-", "o"), "": Look(FAINT, "-", "o")}


def modality_looks(modalities: Sequence[str]) -> dict[str, Look]:
    """Text, audio and vision look the same on every page; other names share out the rest."""
    others = sorted(set(modalities) - _MODALITIES.keys())
    looks = _MODALITIES | {m: _OTHERS[i % len(_OTHERS)] for i, m in enumerate(others)}
    return {modality: looks[modality] for modality in modalities}


def kind_looks(kinds: Sequence[str]) -> dict[str, Look]:
    """Colour and marker of each kind of clips, muted kinds first, to be drawn underneath."""
    quiet = {kind: look for kind, look in _QUIET.items() if kind in kinds}
    loud = sorted(set(kinds) - quiet.keys())
    return quiet | {kind: _KINDS[i % len(_KINDS)] for i, kind in enumerate(loud)}


def series_looks(names: Sequence[str]) -> dict[str, Look]:
    """Look of each line or group of dots, such as a system, by its place among the names."""
    looks = (*_MODALITIES.values(), *_OTHERS)
    return {name: looks[i % len(looks)] for i, name in enumerate(names)}


_STYLE = {
    "svg.fonttype": "path",  # no font has to be there, and no text of the data gets into the page
    "text.parse_math": False,  # a dollar in a name is a dollar
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.grid": True,
    "grid.color": "#e9ecef",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "lines.linewidth": 1.6,
}


def to_svg(
    name: str, paint: "Callable[[matplotlib.figure.Figure], None]", *, height: float = 2.9
) -> str:
    """An ``<svg>`` element to stand inside HTML, the same bytes for the same input.

    Args:
        name: unique in the page; the element's inner ids start with it.
        paint: draws on the empty figure it is given.
        height: in inches.
    """
    buffer = io.StringIO()
    with _painted(name, paint, (WIDTH, height)) as figure:
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return _inline(buffer.getvalue(), name)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure for papers.

    Attributes:
        name: of its files, without their ending.
        svg: a file; text is drawn as paths, so that no font has to be there.
        png: a file of 300 dots per inch.
    """

    name: str
    svg: str
    png: bytes

    @property
    def inline(self) -> str:
        """An ``<svg>`` element to stand inside HTML."""
        return _inline(self.svg, self.name)


def picture(
    name: str,
    paint: "Callable[[matplotlib.figure.Figure], None]",
    size: tuple[float, float],
) -> Picture:
    """A figure as SVG and PNG, its letters from any of ``FAMILIES``.

    Args:
        name: of its files.
        paint: draws on the empty figure it is given.
        size: width and height in inches.
    """
    svg, png = io.StringIO(), io.BytesIO()
    with _painted(name, paint, size, _letters()) as figure:
        figure.savefig(svg, format="svg", metadata={"Date": None}, dpi=200)
        figure.savefig(png, format="png", dpi=300)
    # matplotlib's comments repeat every text of the figure.
    plain = re.sub(r"<!--.*?-->", "", svg.getvalue(), flags=re.DOTALL)
    return Picture(name=name, svg=plain, png=png.getvalue())


def inline_picture(
    name: str, paint: "Callable[[matplotlib.figure.Figure], None]", size: tuple[float, float]
) -> str:
    """The ``<svg>`` element of a picture, for a page that has no files for papers.

    Args:
        name: unique in the page.
        paint: draws on the empty figure it is given.
        size: width and height in inches.
    """
    svg = io.StringIO()
    with _painted(name, paint, size, _letters()) as figure:
        figure.savefig(svg, format="svg", transparent=True, metadata={"Date": None}, dpi=100)
    return _inline(svg.getvalue(), name)


def _letters() -> dict[str, Any]:
    """Letters of any script for which a font is here."""
    return {"font.family": list(installed_families())}


@contextmanager
def _painted(
    name: str,
    paint: "Callable[[matplotlib.figure.Figure], None]",
    size: tuple[float, float],
    more: dict[str, Any] | None = None,
) -> "Generator[matplotlib.figure.Figure]":
    import warnings

    import matplotlib.style

    from deadpan.show.figure import NotebookFigure

    style: dict[str, Any] = _STYLE | {"svg.hashsalt": name} | (more or {})
    # "default" first: a matplotlibrc of the user's must not change the page.
    with matplotlib.style.context(["default", style]), warnings.catch_warnings():
        # A name in a script the font lacks is drawn as boxes; the page's text has it right.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = NotebookFigure(figsize=size, layout="constrained")
        paint(figure)
        yield figure


def figure_to_show(
    paint: "Callable[[matplotlib.figure.Figure], None]", *, height: float
) -> "matplotlib.figure.Figure":
    """A figure of matplotlib, which notebooks display; pyplot does not know it.

    Args:
        paint: draws on the empty figure it is given.
        height: in inches.
    """
    with _painted("figure", paint, (1.4 * WIDTH, height)) as figure:
        return figure


def whole_ticks(axes: "matplotlib.axes.Axes") -> None:
    """Put the ticks of the horizontal axis at whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=9, integer=True, min_n_ticks=1))


def _inline(svg: str, name: str) -> str:
    svg = svg[svg.index("<svg") :]
    # The comments repeat every text of the figure; neither they nor the metadata are shown.
    svg = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    return re.sub(r'\s(width|height)="[\d.]+pt"', "", svg, count=2)
