"""Tables beside the claims: every system, and its error by kind and degree of incongruity."""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Sequence

import clip_statistics as stats
import numpy as np
from measuring import ClaimRun, ClaimRuns

from deadpan.benchmarking.evidence import Columns
from deadpan.metrics.incongruity import (
    degree,
    mean_by,
    sign_calibration_error,
    sign_reliability,
)
from deadpan.metrics.ranks import roc_auc
from deadpan.types import MODALITIES

Cell = tuple[float, float]
"""Mean and standard deviation over seeds; NaN where unknown."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A table of numbers.

    Attributes:
        title: its title.
        note: how to read it.
        columns: names of the columns, the first that of the row names.
        rows: a name, then a cell per column.
    """

    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


def make_tables(runs: ClaimRuns) -> list[Table]:
    """Every table that has a row."""
    clashing = [data for data, rate in runs.rates.items() if rate > 0]
    tables = [
        _gates(runs),
        *(_systems(runs, data) for data in runs.plan.grid.data),
        *(
            _error_by(runs, data, "kind", lambda columns: list(columns["kind"]))
            for data in clashing
        ),
        *(
            _error_by(
                runs, data, "degree", lambda columns: [degree(x) for x in columns["incongruity"]]
            )
            for data in clashing
        ),
    ]
    return [table for table in tables if table.rows]


def _gates(runs: ClaimRuns) -> Table:
    """Where the gates of each data set ended."""
    rows: list[tuple[str, Sequence[Cell]]] = []
    for data in runs.plan.grid.data:
        for system in runs.plan.grid.systems_of(data):
            ended = Counter(run.primary for run in runs.by_seed(data, system).values())
            ended.pop(None, None)  # has no gate
            if count := ended.total():
                shares = [(ended[name] / count, math.nan) for name in MODALITIES]
                rows.append((f"{data}, {system} ({count} runs)", shares))
    return Table(
        title="Where the gate ended",
        note="share of the runs in which the gate gave a modality the most weight, in the weights "
        "that are kept; text carries the sentiment unless the data set's name says otherwise",
        columns=("data, system", *MODALITIES),
        rows=rows,
    )


def _systems(runs: ClaimRuns, data: str) -> Table:
    measures: dict[str, Callable[[Columns], float]] = {
        "error": lambda columns: float(columns["error"].mean()),
        "wrong signs": lambda columns: stats.mean(columns.get("flip", np.array([]))),
        "sign calibration error": lambda columns: _of_scores(columns, sign_calibration_error),
        "sign reliability": lambda columns: _of_scores(columns, sign_reliability),
        "localisation": lambda columns: stats.localised(
            columns, method="attention", modality="sources"
        ),
        "disagreement as proxy": _proxy,
    }
    rows: list[tuple[str, Sequence[Cell]]] = []
    for system in runs.plan.grid.systems_of(data):
        finished = list(runs.by_seed(data, system).values())
        if finished:
            cells = [_cell([f(run.columns) for run in finished]) for f in measures.values()]
            rows.append((system, [*cells, *_training_cells(finished)]))
    return Table(
        title=f"Systems: {data}",
        note="error: mean distance of decisions from labels (MAE where there is one label); sign "
        "calibration error: 0 is best, the confidence of a score being its size; sign reliability: "
        "how often a right sign has the larger score, .5 says nothing; localisation: of the "
        "steps known to matter, by attention, in the modalities that crossmodal attention attends "
        "to; disagreement as proxy: how well the disagreement of "
        "single-modality predictions tells incongruent clips from congruent ones, .5 by "
        "chance; at the cap: share of runs that ended before their patience did.",
        columns=("system", *measures, "seconds", "at the cap"),
        rows=rows,
    )


def _training_cells(runs: Sequence[ClaimRun]) -> list[Cell]:
    seconds = [float(np.nansum(run.epochs.seconds)) for run in runs]
    improving = float(np.mean([run.at_the_cap for run in runs]))
    return [_cell(seconds), (improving, math.nan)]


def _error_by(
    runs: ClaimRuns, data: str, what: str, groups_of: Callable[[Columns], list[str]]
) -> Table:
    """Error of each system by group of clips, mean over seeds."""
    systems = [s for s in runs.plan.grid.systems if runs.by_seed(data, s)]
    errors: dict[str, dict[str, list[float]]] = {}
    for system in systems:
        for run in runs.by_seed(data, system).values():
            columns = run.columns
            for group, error in mean_by(columns["error"], groups_of(columns)).items():
                errors.setdefault(group, {}).setdefault(system, []).append(error)
    rows = [
        (group, [_cell(errors[group].get(system, [])) for system in systems])
        for group in sorted(errors)
    ]
    return Table(
        title=f"Error by {what}: {data}",
        note="degree: the share of what the modalities show that is against what is meant, in "
        "[0, 1]"
        if what == "degree"
        else "docs/controlled.md says what the kinds are",
        columns=(what, *systems),
        rows=rows,
    )


def _proxy(columns: Columns) -> float:
    disagreement = columns.get("disagreement")
    if disagreement is None:
        return math.nan
    return roc_auc(disagreement[stats.incongruent(columns)], disagreement[stats.peers(columns)])


def _of_scores(columns: Columns, metric: Callable[[np.ndarray, np.ndarray], float]) -> float:
    if "prediction" not in columns:
        return math.nan
    return metric(columns["prediction"], columns["label"])


def _cell(values: Sequence[float]) -> Cell:
    known = stats.without_nan(np.array(values, dtype=np.float64))
    if not len(known):
        return math.nan, math.nan
    return float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else math.nan
