"""The figures of the page: error by rate of incongruity, contributions, wrong signs."""

import dataclasses
import math
import typing
from collections.abc import Callable, Sequence

import numpy as np

from deadpan.metrics.intervals import Interval
from deadpan.replication.catalogue import MENDS
from deadpan.replication.evidence import Evidence
from deadpan.replication.points import Point, error_points, flip_points, gain_points
from deadpan.show.drawing import INK, MUTED, Look, modality_looks, to_svg

if typing.TYPE_CHECKING:
    import matplotlib.axes
    import matplotlib.figure

LOOKS = {
    "HCT-MG": Look("#0072B2", "-", "o"),
    "HCT-MG (pre)": Look("#56B4E9", (0, (5, 1.6)), "P"),
    "HCT-MG (even)": Look("#111111", (0, (1.2, 1.2)), "D"),
    "MulT": Look("#D55E00", (0, (5, 1.6)), "s"),
    "LMF-MulT": Look("#E69F00", (0, (6, 1.4, 1.2, 1.4)), "D"),
    "LF-LSTM": Look("#CC79A7", (0, (1.2, 1.2)), "v"),
    "HCT-T": Look("#009E73", (0, (5, 1.6)), "^"),
    "HCT-A": Look("#E69F00", (0, (1.2, 1.2)), "X"),
    "HCT-V": Look("#CC79A7", (0, (6, 1.4, 1.2, 1.4)), "v"),
}
OTHER = Look("#111111", (0, (2.5, 1.2)), "X")
RIVALS = ("HCT-MG", "MulT", "LMF-MulT", "LF-LSTM")
PRIMARIES = ("HCT-MG", *MENDS, "HCT-T", "HCT-A", "HCT-V")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of the page and the numbers it draws."""

    name: str
    title: str
    note: str
    points: Sequence[Point]
    svg: str


def figures(evidence: Evidence) -> list[Figure]:
    """Those that have something to show."""
    made: list[Figure] = []
    for name, title, systems in (
        ("rivals", "Error by rate of incongruity: systems of similar size", RIVALS),
        ("primaries", "Error by rate of incongruity: the gate and fixed primaries", PRIMARIES),
    ):
        points = error_points(evidence, systems)
        if points:
            note = (
                "Mean absolute error on generated clips, mean over seeds; bands: 95 % confidence "
                "intervals over seeds, each with a corpus of its own."
            )
            svg = to_svg(f"claims-{name}", _lines(evidence, points), height=3.1)
            made.append(Figure(name=name, title=title, note=note, points=points, svg=svg))
    points = flip_points(evidence)
    if points:
        note = (
            "Share of wrong signs on clips of negative label, all rates above 0 together: open "
            "marks where modalities agree, filled ones where they do not; bars: 95 % confidence "
            "intervals over seeds."
        )
        svg = to_svg("claims-flips", _pairs(points), height=2.9)
        title = "Wrong signs, by whether modalities agree"
        made.append(Figure(name="flips", title=title, note=note, points=points, svg=svg))
    points = gain_points(evidence)
    if points:
        note = (
            "Shapley value of each modality in lowering the error of HCT-MG, in the label's unit "
            "(ravdess4: probability); bars: 95 % confidence intervals over seeds."
        )
        height = 1.0 + 0.45 * len({point.place for point in points})
        svg = to_svg("claims-gains", _bars(points), height=height)
        title = "Contribution of each modality"
        made.append(Figure(name="gains", title=title, note=note, points=points, svg=svg))
    return made


def _lines(
    evidence: Evidence, points: Sequence[Point]
) -> "Callable[[matplotlib.figure.Figure], None]":
    def paint(figure: "matplotlib.figure.Figure") -> None:
        axes = figure.subplots()
        for system in dict.fromkeys(point.series for point in points):
            own = [point for point in points if point.series == system]
            look = LOOKS.get(system, OTHER)
            x = [100 * float(point.place) for point in own]
            y = [point.interval.estimate for point in own]
            wide = 2.4 if system == "HCT-MG" else 1.5
            axes.plot(x, y, c=look.colour, ls=look.line, marker=look.marker, lw=wide, label=system)
            low = [_or(point.interval.low, point.interval.estimate) for point in own]
            high = [_or(point.interval.high, point.interval.estimate) for point in own]
            axes.fill_between(x, low, high, color=look.colour, alpha=0.14, lw=0)
        rates = evidence.rates
        ridge = [
            float(np.mean([run.ridge for run in evidence.of(data, "HCT-MG").values()]))
            for data in rates
            if evidence.of(data, "HCT-MG")
        ]
        if len(ridge) == len(rates):
            x = [100 * rate for rate in rates.values()]
            axes.plot(x, ridge, c=MUTED, ls=":", lw=1.2, label="ridge")
        axes.set_xticks([100 * rate for rate in rates.values()])
        axes.set_xlabel("incongruent clips (%)")
        axes.set_ylabel("mean absolute error")
        top = max(point.interval.estimate for point in points)
        axes.set_ylim(0, min(axes.get_ylim()[1], 1.6 * top))  # one wide band hides nothing else
        figure.legend(loc="outside upper center", ncols=3)

    return paint


def _pairs(points: Sequence[Point]) -> "Callable[[matplotlib.figure.Figure], None]":
    def paint(figure: "matplotlib.figure.Figure") -> None:
        axes = figure.subplots()
        systems = list(dict.fromkeys(point.series for point in points))
        for point in points:
            look = LOOKS.get(point.series, OTHER)
            hard = point.place == "incongruent"
            row = systems.index(point.series) + (0.13 if hard else -0.13)
            _bar(axes, point.interval, row, look.colour, 100.0)
            axes.plot(
                [100 * point.interval.estimate],
                [row],
                look.marker,
                c=look.colour,
                mfc=look.colour if hard else "white",
                ms=6,
            )
        axes.set_yticks(range(len(systems)), systems)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlim(0, min(axes.get_xlim()[1], 100))
        axes.set_xlabel("clips whose sign is wrong (%)")
        for label, face in (("congruent", "white"), ("incongruent", INK)):
            axes.plot([], [], "o", c=INK, mfc=face, ms=6, label=label)
        figure.legend(loc="outside upper center", ncols=2)

    return paint


def _bars(points: Sequence[Point]) -> "Callable[[matplotlib.figure.Figure], None]":
    def paint(figure: "matplotlib.figure.Figure") -> None:
        axes = figure.subplots()
        names = list(dict.fromkeys(point.series for point in points))
        places = list(dict.fromkeys(point.place for point in points))
        looks = modality_looks(names)
        thick = 0.8 / len(names)
        for point in points:
            shift = (names.index(point.series) - (len(names) - 1) / 2) * thick
            row = places.index(point.place) + shift
            look = looks[point.series]
            axes.barh([row], [point.interval.estimate], 0.9 * thick, color=look.colour)
            _bar(axes, point.interval, row, INK, 1.0)
        for name in names:
            axes.barh([0], [0], color=looks[name].colour, label=name)
        axes.axvline(0, color=MUTED, lw=0.8)
        axes.set_yticks(range(len(places)), places)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("error taken away")
        figure.legend(loc="outside upper center", ncols=len(names))

    return paint


def _bar(
    axes: "matplotlib.axes.Axes", interval: Interval, row: float, colour: str, scale: float
) -> None:
    if not math.isnan(interval.low):
        axes.plot([scale * interval.low, scale * interval.high], [row, row], c=colour, lw=1.1)


def _or(value: float, instead: float) -> float:
    return instead if math.isnan(value) else value
