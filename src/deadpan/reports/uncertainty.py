"""Figures of how sure predictions are, and whether they may be: calibration and abstention."""

import math
import typing
from collections.abc import Sequence

from deadpan.errors import count_of
from deadpan.show.confusion import short_names
from deadpan.show.drawing import INK, MUTED, Look, kind_looks, to_svg
from deadpan.show.page import Panel
from deadpan.training.opened import SCORES_FILE
from deadpan.training.uncertainty import LabelUncertainty, UncertaintyScores

if typing.TYPE_CHECKING:
    import matplotlib.figure

MOST_LINES = 4
"""Labels whose lines can be told apart in one figure; of more, the first are drawn."""

_PROBABILITY = {
    "regression": ("the label is above 0", "above 0"),
    "scores": ("the label is above 0", "above 0"),
    "emotions": ("the emotion is present", "present"),
    "classes": ("the class predicted is the true one", "right"),
}
"""What a probability is of, and its outcome in a word, by task."""


def uncertainty_panels(scores: UncertaintyScores, task: str) -> list[Panel]:
    """The reliability diagram and the abstention curve, each where there is one to draw."""
    panels = list[Panel]()
    if calibrated := [part for part in scores.labels if part.bins]:
        panels.append(_reliability_panel(calibrated, task))
    if ordered := [part for part in scores.labels if part.points]:
        panels.append(_abstention_panel(ordered, task))
    return panels


def coverage_rows(scores: UncertaintyScores) -> list[tuple[str, ...]]:
    """Cells of the table of intervals: label, clips, share held and mean width, by |label|."""
    return [
        (
            part.label,
            "all" if index == 0 else _range(row.start, row.end, first=index == 1),
            f"{row.clips:,}",
            _percent(row.covered),
            _number(row.width),
        )
        for part in scores.labels
        for index, row in enumerate(part.coverage)
    ]


def _range(start: float, end: float, *, first: bool) -> str:
    return f"0 to {_number(end)}" if first else f"above {_number(start)} to {_number(end)}"


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f} %"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:#.3g}".rstrip(".").replace("-", "−")


def _reliability_panel(parts: Sequence[LabelUncertainty], task: str) -> Panel:
    meaning, outcome = _PROBABILITY[task]
    drawn = _drawn(parts)
    worst = max(parts, key=lambda part: part.ece)
    name = f" ({worst.label}, the worst)" if len(parts) > 1 else ""
    clips = count_of(sum(part.clips for part in parts[0].bins), "clip")
    return Panel(
        title="Reliability of the probabilities",
        finding=f"The predicted probability that {meaning}, against how often that was so, for "
        f"{clips} in {len(parts[0].bins)} bins: on the dashed line the two agree. They differ by "
        f"{100 * worst.ece:.1f} points on average (expected calibration error){name}; larger "
        f"points are more clips."
        f"{_left_out(parts)}",
        svg=to_svg("reliability", lambda figure: reliability(figure, drawn, outcome), height=4.2),
        sources=(SCORES_FILE,),
        head=("Label", "Probability", "Clips", "Mean probability", f"Share {outcome}"),
        rows=tuple(
            (
                part.label,
                f"{row.low:.1f} to {row.high:.1f}",
                f"{row.clips:,}",
                _percent(row.probability),
                _percent(row.share),
            )
            for part in parts
            for row in part.bins
        ),
    )


def _abstention_panel(parts: Sequence[LabelUncertainty], task: str) -> Panel:
    drawn = _drawn(parts)
    numbers = task in ("regression", "scores")
    measure = "mean absolute error" if numbers else "accuracy"
    unit = ", relative to that of all clips" if numbers and len(parts) > 1 else ""
    order = {
        "emotions": "whose probability is nearest to one half",
        "classes": "whose predicted class is least probable",
    }.get(task, "whose interval is widest")
    first = parts[0]
    middle = min(first.points, key=lambda point: abs(point.share - 0.5))
    name = f" of {first.label}" if len(parts) > 1 else ""
    return Panel(
        title="Abstention",
        finding=f"The {measure} of the clips that remain as those {order} are left out. It is "
        f"{_value(first.points[-1].value, numbers)}{name} on all clips and "
        f"{_value(middle.value, numbers)} on the surest half; the area under the curve is "
        f"{_value(first.area, numbers)}.{_left_out(parts)}",
        svg=to_svg(
            "abstention",
            lambda figure: abstention(figure, drawn, f"{measure}{unit}", relative=bool(unit)),
            height=4.0,
        ),
        sources=(SCORES_FILE,),
        head=("Label", "Clips kept", measure.capitalize()),
        rows=tuple(
            (part.label, _percent(point.share), _value(point.value, numbers))
            for part in parts
            for point in part.points
        ),
    )


def _value(value: float, is_number: bool) -> str:
    return _number(value) if is_number else _percent(value)


def _drawn(parts: Sequence[LabelUncertainty]) -> dict[str, tuple[LabelUncertainty, Look]]:
    """The parts that are drawn, by a name that a figure can show, and their looks."""
    names = short_names([part.label for part in parts[:MOST_LINES]], longest=18)
    looks = kind_looks([str(index) for index in range(len(names))]).values()
    return dict(zip(names, zip(parts, looks, strict=False), strict=True))


def _left_out(parts: Sequence[LabelUncertainty]) -> str:
    if len(parts) <= MOST_LINES:
        return ""
    return f" Of {len(parts)} labels the first {MOST_LINES} are drawn."


def reliability(
    figure: "matplotlib.figure.Figure",
    parts: dict[str, tuple[LabelUncertainty, Look]],
    outcome: str,
) -> None:
    """Share of each bin for which it came true, against its mean probability.

    Args:
        figure: empty.
        parts: what to draw, by name.
        outcome: what came true, in a word.
    """
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=INK, lw=0.9, ls=(0, (4, 2)), label="agreement")
    for name, (part, look) in parts.items():
        bins = [row for row in part.bins if row.clips]
        most = max(row.clips for row in bins)
        x, y = [row.probability for row in bins], [row.share for row in bins]
        axes.plot(x, y, c=look.colour, lw=1.1, ls=look.line, marker=look.marker, ms=3, label=name)
        sizes = [8 + 72 * row.clips / most for row in bins]
        axes.scatter(x, y, s=sizes, c=look.colour, marker=look.marker, lw=0, alpha=0.55)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
    axes.set_xlabel("predicted probability")
    axes.set_ylabel(f"share of clips that are {outcome}")
    figure.legend(loc="outside upper center", ncols=3)


def abstention(
    figure: "matplotlib.figure.Figure",
    parts: dict[str, tuple[LabelUncertainty, Look]],
    measure: str,
    *,
    relative: bool,
) -> None:
    """Error or accuracy of the surest clips, against the share of clips that they are.

    Args:
        figure: empty.
        parts: what to draw, by name.
        measure: the name of the values, for the axis.
        relative: divide values by that of all clips.
    """
    axes = figure.subplots()
    for name, (part, look) in parts.items():
        whole = part.points[-1].value
        unit = whole if relative and whole else 1.0
        x, y = [100 * p.share for p in part.points], [p.value / unit for p in part.points]
        axes.plot(x, y, c=look.colour, ls=look.line, marker=look.marker, ms=3, label=name)
        axes.axhline(whole / unit, color=MUTED, lw=0.9, ls=(0, (4, 2)))
    axes.set_xlim(0, 102)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("surest clips that are kept, %")
    axes.set_ylabel(measure)
    figure.legend(loc="outside upper center", ncols=3)
