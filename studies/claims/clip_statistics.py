"""The statistics of the tests: from one or two systems' columns on the same clips to one number."""

import math

import numpy as np

from deadpan.benchmarking.evidence import Columns, error_avoided
from deadpan.metrics.ranks import roc_auc

CONGRUENT, OUTVOTED = "congruent", "majority"
HARD = (OUTVOTED, "combination")


def error_avoided_on_hard(ours: Columns, theirs: Columns) -> float:
    """The share of their error that ours avoids on incongruent clips."""
    return _error_avoided_where(incongruent(ours), ours, theirs)


def error_avoided_on_others(ours: Columns, theirs: Columns) -> float:
    """The same on the clips of all other kinds."""
    return _error_avoided_where(~incongruent(ours), ours, theirs)


def error_avoided_on_disagreement(ours: Columns, theirs: Columns) -> float:
    """The same on the half of the clips whose single-modality predictions disagree most.

    By the mean disagreement of both systems, so that neither chooses the clips.
    """
    disagreement = ours["disagreement"] + theirs["disagreement"]
    return _error_avoided_where(disagreement >= np.median(disagreement), ours, theirs)


def flips_avoided(ours: Columns, theirs: Columns, *, hard: bool = True) -> float:
    """How much less often the sign of our prediction is wrong than of theirs.

    The rate of theirs minus ours, in [-1, 1], on incongruent clips or on the others.
    """
    return _flips(theirs, hard) - _flips(ours, hard)


def traced(columns: Columns, *, stage: str, target: str) -> float:
    """How well latent incongruity tells clips of two against one from those of three that agree.

    In [0, 1]. The area under the ROC curve: 0.5 where it carries no information. In both kinds of
    clips all three modalities show something: one that shows nothing sets views apart as well.
    Distances of different networks do not compare; this does, and between the two sides of
    self-attention.
    """
    values = columns.get(f"{stage}_{target}")
    if values is None:
        return math.nan
    outvoted, congruent = values[columns["kind"] == OUTVOTED], values[peers(columns)]
    return roc_auc(without_nan(outvoted), without_nan(congruent))


def told_apart(columns: Columns, *, stage: str, target: str) -> float:
    """The same whichever side is larger, less what chance gives: a distance that falls tells, too.

    The distance of the area from .5. By chance that has the mean of a half-normal number, whose
    deviation is that of Mann and Whitney's U.
    """
    values = columns.get(f"{stage}_{target}")
    if values is None:
        return math.nan
    outvoted, congruent = (
        int((~np.isnan(values[which])).sum())
        for which in (columns["kind"] == OUTVOTED, peers(columns))
    )
    deviation = math.sqrt((outvoted + congruent + 1) / (12 * outvoted * congruent or math.nan))
    by_chance = math.sqrt(2 / math.pi) * deviation
    return abs(traced(columns, stage=stage, target=target) - 0.5) - by_chance


def less_traced(ours: Columns, theirs: Columns, *, target: str) -> float:
    """How much less of it is left after self-attention in our primary than in their target."""
    left = told_apart(theirs, stage="after", target=target)
    return left - told_apart(ours, stage="after", target="primary")


def resolved_within(columns: Columns, *, target: str) -> float:
    """How much of it self-attention takes away within one system: before minus after."""
    before = told_apart(columns, stage="before", target=target)
    return before - told_apart(columns, stage="after", target=target)


def learned_to_find(columns: Columns, *, where: str) -> float:
    """How much better attention finds the steps known to matter than that of untrained weights.

    Args:
        columns: of a system.
        where: a modality, or ``sources``: those that crossmodal attention attends to.
    """
    trained = mean(columns.get(f"auc_attention_{where}", np.array([])))
    return trained - mean(columns.get(f"untrained_auc_attention_{where}", np.array([])))


def localised(columns: Columns, *, method: str, modality: str) -> float:
    """The mean localisation of the steps known to matter, in [0, 1]."""
    return mean(columns.get(f"auc_{method}_{modality}", np.array([])))


def better_localised(ours: Columns, theirs: Columns, *, method: str, modality: str) -> float:
    """The difference in localisation, ours minus theirs."""
    difference = localised(ours, method=method, modality=modality)
    return difference - localised(theirs, method=method, modality=modality)


def ahead(columns: Columns, *, modality: str) -> float:
    """How much more error a modality takes away than the best of the others, as a share.

    As a share of the error that all of them take away together; NaN where they take none away.
    """
    gains = mean_gains(columns)
    if modality not in gains or len(gains) < 2 or sum(gains.values()) <= 0:
        return math.nan
    best = max(gain for name, gain in gains.items() if name != modality)
    return (gains[modality] - best) / sum(gains.values())


def mean_gains(columns: Columns) -> dict[str, float]:
    """The mean Shapley value of each modality in lowering the error."""
    start = "gain_"
    return {k.removeprefix(start): mean(x) for k, x in columns.items() if k.startswith(start)}


def incongruent(columns: Columns) -> np.ndarray:
    """Which clips' modalities contradict or complete each other; False where no truth is known.

    The kinds ``majority`` and ``combination``, which are as often positive as negative.
    """
    return np.isin(columns["kind"].astype(str), HARD)


def peers(columns: Columns) -> np.ndarray:
    """Which clips are congruent; they are as often positive as incongruent ones."""
    return columns["kind"] == CONGRUENT


def without_nan(values: np.ndarray) -> np.ndarray:
    """The values that are not NaN."""
    return values[~np.isnan(values)]


def mean(values: np.ndarray) -> float:
    """The mean of the values that are not NaN; NaN where there is none."""
    values = without_nan(values)
    return float(values.mean()) if len(values) else math.nan


def _error_avoided_where(which: np.ndarray, ours: Columns, theirs: Columns) -> float:
    return error_avoided({"error": ours["error"][which]}, {"error": theirs["error"][which]})


def _flips(columns: Columns, hard: bool) -> float:
    flips = columns.get("flip")
    return math.nan if flips is None else mean(flips[incongruent(columns) == hard])
