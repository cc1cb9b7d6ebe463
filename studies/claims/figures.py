"""The figures of the page and the numbers they draw: means over seeds with their intervals."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

import clip_statistics as stats
import numpy as np
from catalogue import FIXED, OURS, RIVALS
from measuring import ClaimRun, ClaimRuns

from deadpan.metrics.intervals import Interval, seed_interval
from deadpan.show.drawing import INK, MUTED, Look, modality_looks, to_svg
from deadpan.types import MODALITIES

LOOKS = {
    "HCT-MG": Look("#0072B2", "-", "o"),
    "MulT": Look("#D55E00", (0, (5, 1.6)), "s"),
    "LMF-MulT": Look("#E69F00", (0, (6, 1.4, 1.2, 1.4)), "D"),
    "LF-LSTM": Look("#CC79A7", (0, (1.2, 1.2)), "v"),
    "HCT-T": Look("#009E73", (0, (5, 1.6)), "^"),
    "HCT-A": Look("#E69F00", (0, (1.2, 1.2)), "X"),
    "HCT-V": Look("#CC79A7", (0, (6, 1.4, 1.2, 1.4)), "v"),
}
OTHER = Look("#111111", (0, (2.5, 1.2)), "X")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Point:
    """One point of a figure: a mean over seeds with its 95 % interval.

    Attributes:
        series: the line or bar it belongs to.
        place: where it stands on the axis.
        interval: the mean with its interval.
        seeds: number of seeds.
    """

    series: str
    place: str
    interval: Interval
    seeds: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of the page and the numbers it draws."""

    name: str
    title: str
    note: str
    points: Sequence[Point]
    svg: str


def make_figures(runs: ClaimRuns) -> list[Figure]:
    """Every figure that has something to show."""
    figures: list[Figure] = []
    for name, title, others in (
        ("rivals", "systems of similar size", RIVALS),
        ("primaries", "the gate and fixed primaries", FIXED),
    ):
        title = f"Error by rate of incongruity: {title}"
        points = error_points(runs, (OURS, *others))
        if points:
            note = (
                "Mean absolute error on generated clips, mean over seeds; bands: 95 % confidence "
                "intervals over seeds, each with a corpus of its own."
            )
            svg = to_svg(f"claims-{name}", _lines(runs, points), height=3.1)
            figures.append(Figure(name=name, title=title, note=note, points=points, svg=svg))
    points = flip_points(runs)
    if points:
        note = (
            f"Share of wrong signs, {runs.plan.headline or 'generated clips'}: filled marks on "
            "clips whose modalities contradict or complete each other, open ones on the others; "
            "bars: 95 % confidence intervals over seeds."
        )
        svg = to_svg("claims-flips", _pairs(points), height=2.9)
        title = "Wrong signs, by whether modalities agree"
        figures.append(Figure(name="flips", title=title, note=note, points=points, svg=svg))
    points = gain_points(runs)
    if points:
        note = (
            "Shapley value of each modality in lowering the error of HCT-MG, in the label's unit "
            "(ravdess4: probability); bars: 95 % confidence intervals over seeds."
        )
        height = 1.0 + 0.45 * len({point.place for point in points})
        svg = to_svg("claims-gains", _bars(points), height=height)
        title = "Contribution of each modality"
        figures.append(Figure(name="gains", title=title, note=note, points=points, svg=svg))
    return figures


def error_points(runs: ClaimRuns, systems: Sequence[str]) -> list[Point]:
    """Mean error of each system at each rate."""
    return [
        _point(system, f"{rate:g}", runs.by_seed(data, system).values(), _mean_error)
        for system in systems
        for data, rate in runs.rates.items()
        if runs.by_seed(data, system)
    ]


def flip_points(runs: ClaimRuns) -> list[Point]:
    """Share of wrong signs of each system on incongruent clips and on the others."""
    data = [runs.plan.headline] if runs.plan.headline else []
    points: list[Point] = []
    for system in runs.plan.grid.systems:
        own = [run for name in data for run in runs.by_seed(name, system).values()]
        for place, hard in (("the others", False), ("incongruent", True)):
            if own:
                points.append(_point(system, place, own, lambda run, hard=hard: _flips(run, hard)))
    return points


def gain_points(runs: ClaimRuns) -> list[Point]:
    """Mean contribution of each modality to HCT-MG on each data set."""
    points: list[Point] = []
    for data in runs.plan.grid.data:
        own = list(runs.by_seed(data, OURS).values())
        for name in [m for m in MODALITIES if own and f"gain_{m}" in own[0].columns]:
            gain = f"gain_{name}"
            points.append(
                _point(name, data, own, lambda run, gain=gain: float(run.columns[gain].mean()))
            )
    return points


def _point(
    series: str, place: str, runs: Iterable[ClaimRun], measure: Callable[[ClaimRun], float]
) -> Point:
    """One value a seed: runs of one seed on several data sets are averaged first."""
    by_seed: dict[int, list[float]] = {}
    for run in runs:
        by_seed.setdefault(run.seed, []).append(measure(run))
    values = np.array([stats.mean(np.array(each)) for each in by_seed.values()])
    return Point(series=series, place=place, interval=seed_interval(values), seeds=len(values))


def _mean_error(run: ClaimRun) -> float:
    return float(run.columns["error"].mean())


def _flips(run: ClaimRun, hard: bool) -> float:
    return stats.mean(run.columns["flip"][stats.incongruent(run.columns) == hard])


def _lines(runs: ClaimRuns, points: Sequence[Point]) -> Callable:
    def paint(figure) -> None:
        axes = figure.subplots()
        for system in dict.fromkeys(point.series for point in points):
            own = [point for point in points if point.series == system]
            look = LOOKS.get(system, OTHER)
            x = [100 * float(point.place) for point in own]
            y = [point.interval.estimate for point in own]
            wide = 2.4 if system == OURS else 1.5
            axes.plot(x, y, c=look.colour, ls=look.line, marker=look.marker, lw=wide, label=system)
            low = [_or(point.interval.low, point.interval.estimate) for point in own]
            high = [_or(point.interval.high, point.interval.estimate) for point in own]
            axes.fill_between(x, low, high, color=look.colour, alpha=0.14, lw=0)
        rates = runs.rates
        ridge = [
            float(np.mean([run.ridge_error for run in runs.by_seed(data, OURS).values()]))
            for data in rates
            if runs.by_seed(data, OURS)
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


def _pairs(points: Sequence[Point]) -> Callable:
    def paint(figure) -> None:
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
        for label, face in (("the others", "white"), ("incongruent", INK)):
            axes.plot([], [], "o", c=INK, mfc=face, ms=6, label=label)
        figure.legend(loc="outside upper center", ncols=2)

    return paint


def _bars(points: Sequence[Point]) -> Callable:
    def paint(figure) -> None:
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


def _bar(axes, interval: Interval, row: float, colour: str, scale: float) -> None:
    if not math.isnan(interval.low):
        axes.plot([scale * interval.low, scale * interval.high], [row, row], c=colour, lw=1.1)


def _or(value: float, instead: float) -> float:
    return instead if math.isnan(value) else value
