"""Tables beside the claims: every system, and its error by kind and degree of incongruity."""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from deadpan.metrics.incongruity import (
    degree,
    mean_by,
    sign_calibration_error,
    sign_reliability,
)
from deadpan.metrics.ranks import roc_auc
from deadpan.replication import statistics as stats
from deadpan.replication.evidence import Evidence, Measured
from deadpan.replication.measuring import Columns
from deadpan.types import TEXT

Cell = tuple[float, float]
"""Mean and standard deviation over seeds; NaN where unknown."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Breakdown:
    """A table of numbers.

    Attributes:
        title: of the table.
        note: how to read it.
        columns: names, the first that of the rows' names.
        rows: a name, then a cell per column.
    """

    title: str
    note: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]


def breakdowns(evidence: Evidence) -> list[Breakdown]:
    """Those that have a row."""
    rates = [data for data, rate in evidence.rates.items() if rate > 0]
    tables = [
        *(_systems(evidence, data) for data in evidence.plan.grid.data),
        _by(evidence, rates, "kind of incongruity", lambda own: list(own["kind"])),
        _by(evidence, rates, "degree", lambda own: [degree(x) for x in own["spread"]]),
    ]
    return [table for table in tables if table.rows]


def _systems(evidence: Evidence, data: str) -> Breakdown:
    measures: dict[str, Callable[[Columns], float]] = {
        "error": lambda own: float(own["error"].mean()),
        "wrong signs": lambda own: _mean(own.get("flip")),
        "sign calibration error": lambda own: _scores(own, sign_calibration_error),
        "sign reliability": lambda own: _scores(own, sign_reliability),
        "text localisation": lambda own: stats.localised(own, method="attention", modality=TEXT),
        "disagreement as proxy": _proxy,
    }
    rows: list[tuple[str, Sequence[Cell]]] = []
    for system in evidence.plan.grid.systems_of(data):
        runs = list(evidence.of(data, system).values())
        if runs:
            cells = [_cell([of(run.columns) for run in runs]) for of in measures.values()]
            rows.append((system, [*cells, *_run_cells(runs)]))
    return Breakdown(
        title=f"Systems: {data}",
        note="error: mean distance of decisions from labels (MAE where there is one label); sign "
        "calibration error: 0 is best, the confidence of a score being its size; sign reliability: "
        "how often a right sign has the larger score, .5 says nothing; text localisation: of "
        "attention, .5 by chance; disagreement as proxy: how well the disagreement of "
        "single-modality predictions tells incongruent clips from negative congruent ones, .5 by "
        "chance; last epoch best: share of runs that were still improving.",
        columns=("system", *measures, "seconds", "last epoch best"),
        rows=rows,
    )


def _run_cells(runs: Sequence[Measured]) -> list[Cell]:
    seconds = [float(np.nansum(run.epochs.seconds)) for run in runs]
    improving = float(np.mean([run.still_improving for run in runs]))
    return [_cell(seconds), (improving, math.nan)]


def _by(
    evidence: Evidence, data: Sequence[str], what: str, groups_of: Callable[[Columns], list[str]]
) -> Breakdown:
    """Error of each system by group of clips, data sets pooled, mean over seeds."""
    systems = [s for s in evidence.plan.grid.systems if evidence.seeds(data, [s])]
    found: dict[str, dict[str, list[float]]] = {}
    for system in systems:
        for seed in evidence.seeds(data, [system]):
            own = evidence.pooled(data, system, seed)
            for group, value in mean_by(own["error"], groups_of(own)).items():
                found.setdefault(group, {}).setdefault(system, []).append(value)
    rows = [
        (group, [_cell(found[group].get(system, [])) for system in systems])
        for group in sorted(found)
    ]
    return Breakdown(
        title=f"Error by {what}",
        note="all rates above 0 together; degree: the largest minus the smallest tendency of a "
        "modality, in [0, 2]",
        columns=(what, *systems),
        rows=rows,
    )


def _proxy(own: Columns) -> float:
    apart = own.get("disagreement")
    if apart is None:
        return math.nan
    return roc_auc(apart[stats.incongruent(own)], apart[stats.peers(own)])


def _scores(own: Columns, of: Callable[[np.ndarray, np.ndarray], float]) -> float:
    if "prediction" not in own:
        return math.nan
    return of(own["prediction"], own["label"])


def _mean(values: Float[np.ndarray, " clip"] | None) -> float:
    if values is None or not len(seen := stats.known(values)):
        return math.nan
    return float(seen.mean())


def _cell(values: Sequence[float]) -> Cell:
    seen = stats.known(np.array(values, dtype=np.float64))
    if not len(seen):
        return math.nan, math.nan
    return float(seen.mean()), float(seen.std(ddof=1)) if len(seen) > 1 else math.nan
