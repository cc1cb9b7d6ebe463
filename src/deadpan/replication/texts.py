"""How the numbers of the page read."""

import math

from deadpan.metrics.intervals import Interval
from deadpan.replication.breakdown import Cell
from deadpan.replication.rules import Decided, Finding


def finding_texts(told: Decided, found: Finding) -> list[str]:
    """The cells of a test as people read them; the deciding one is marked."""
    first = f"**{found.test}**" if found is told.claim.deciding else found.test
    if found.missing:
        return [first, found.missing, "", "", "", "", ""]
    interval = found.interval
    if math.isnan(interval.estimate):
        return [first, "undefined here", "", "", "", "", str(len(found.seeds))]
    p = told.p if found is told.claim.deciding else interval.p
    shown = [_number(x, found.percent) for x in (interval.estimate, interval.null, found.margin)]
    low, high = (_number(x, found.percent) for x in (interval.low, interval.high))
    between = "unknown" if math.isnan(interval.low) else f"{low} to {high}"
    seeds = str(len(found.seeds))
    return [first, f"{shown[0]} {found.unit}", between, shown[1], shown[2], p_text(p), seeds]


def effect_text(found: Finding) -> str:
    """An effect with its interval."""
    low, high = (_number(x, found.percent) for x in (found.interval.low, found.interval.high))
    return f"{_number(found.interval.estimate, found.percent)} [{low}, {high}]"


def interval_text(interval: Interval) -> str:
    """A mean with its interval, where there is one."""
    if math.isnan(interval.low):
        return f"{interval.estimate:.3f}"
    return f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def p_text(p: float) -> str:
    """A p value, or nothing where there is none."""
    if math.isnan(p):
        return ""
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def cell_text(cell: Cell) -> str:
    """Mean and deviation."""
    mean, deviation = cell
    if math.isnan(mean):
        return ""
    shown = f"{mean:.1f}" if abs(mean) >= 10 else f"{mean:.3f}"
    return shown if math.isnan(deviation) else f"{shown} ± {deviation:.{1 if mean >= 10 else 3}f}"


def _number(value: float, percent: bool) -> str:
    if math.isnan(value):
        return "?"
    return f"{100 * value:.1f} %" if percent else f"{value:.3f}"
