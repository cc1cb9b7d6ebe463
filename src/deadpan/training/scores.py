"""The table of scores that ``deadpan evaluate`` wrote, and which of its cells are best."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

from deadpan.training.fields import evaluate_first, read_json


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """A metric as it is shown.

    Attributes:
        key: its name in each row's metrics.
        title: its heading.
        higher_is_better: which way is good.
        percent: the metric is a fraction in [0, 1] and shown times 100.
    """

    key: str
    title: str
    higher_is_better: bool
    percent: bool

    def shown(self, value: float) -> str:
        """The value with the digits it is read with; a dash where there is none."""
        if not math.isfinite(value):
            return "–"
        text = f"{100 * value:.1f}" if self.percent else f"{value:.3f}"
        return text.replace("-", "−")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A system's scores; ``metrics`` holds NaN where a metric is undefined."""

    system: str
    parameters: int
    metrics: Mapping[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scores:
    """Systems by metrics on one split of ``clips`` clips."""

    split: str
    clips: int
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def best(self, column: Column) -> frozenset[str]:
        """Systems whose score, as shown, nobody beats; none where fewer than two have one."""
        known = {r.system: v for r in self.rows if math.isfinite(v := r.metrics[column.key])}
        if len(known) < 2:
            return frozenset()
        top = column.shown((max if column.higher_is_better else min)(known.values()))
        return frozenset(system for system, value in known.items() if column.shown(value) == top)


def read_scores(file: Path) -> Scores:
    """Read the ``scores.json`` of a run; RunError where it is missing or broken."""
    record = read_json(file, evaluate_first(file.parent))
    columns = tuple(
        Column(
            key=column.text("key"),
            title=column.text("title"),
            higher_is_better=column.flag("higher_is_better"),
            percent=column.flag("percent"),
        )
        for column in record.rows("columns")
    )
    rows: list[Row] = []
    for row in record.rows("rows"):
        metrics = row.fields("metrics")
        rows.append(
            Row(
                system=row.text("system"),
                parameters=row.whole("parameters"),
                metrics={column.key: metrics.number(column.key) for column in columns},
            )
        )
    return Scores(
        split=record.text("split"), clips=record.whole("clips"), columns=columns, rows=tuple(rows)
    )
