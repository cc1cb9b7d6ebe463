"""The scores of a run on its test split, beside those of the baselines."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from deadpan.errors import DeadpanError, RunError, unknown_name
from deadpan.files import read_json
from deadpan.frames import data_frame
from deadpan.options import NullableFloat, record
from deadpan.tasks.task import MetricColumn
from deadpan.training.uncertainty import UncertaintyScores

if TYPE_CHECKING:
    import pandas  # pyright: ignore[reportMissingImports]


def evaluate_first(run: Path) -> str:
    """What to do where a file that only evaluation writes is missing or broken."""
    return f"run `deadpan evaluate {run}` first"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """The scores of one system; ``metrics`` holds NaN where a metric is undefined."""

    system: str
    parameters: int
    metrics: Mapping[str, NullableFloat]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunScores:
    """Systems by metrics on one split of ``clips`` clips; an older run scored no uncertainty."""

    split: str
    clips: int
    columns: tuple[MetricColumn, ...]
    rows: tuple[ScoreRow, ...]
    uncertainty: UncertaintyScores | None = None

    def best(self, column: MetricColumn) -> frozenset[str]:
        """Systems whose score, as shown, nobody beats; none where fewer than two have one."""
        return column.best({row.system: row.metrics[column.key] for row in self.rows})

    def of(self, system: str) -> Mapping[str, float]:
        """The metrics of a system, by key.

        Raises:
            RunError: no row has this name.
        """
        rows = {row.system: row.metrics for row in self.rows}
        if system not in rows:
            raise RunError(unknown_name("system", system, rows))
        return rows[system]

    def to_pandas(self) -> "pandas.DataFrame":  # pyright: ignore[reportUnknownParameterType]
        """A row per system: its parameters and metrics; needs pandas."""
        columns = {
            "system": [row.system for row in self.rows],
            "parameters": [row.parameters for row in self.rows],
        }
        keys = [column.key for column in self.columns]
        return data_frame(columns | {k: [row.metrics[k] for row in self.rows] for k in keys})


def read_scores(file: Path) -> RunScores:
    """Read the scores of a run; RunError where the file is missing or broken."""
    remedy = evaluate_first(file.parent)
    try:
        scores = record(str(file), read_json(file, remedy), RunScores)
    except DeadpanError as error:
        raise RunError(f"{error}; {remedy}") from None
    keys = [column.key for column in scores.columns]
    rows = [
        dataclasses.replace(row, metrics={key: row.metrics.get(key, math.nan) for key in keys})
        for row in scores.rows
    ]
    return dataclasses.replace(scores, rows=tuple(rows))
