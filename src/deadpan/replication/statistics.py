"""The statistics that tests are made of: columns of some systems on the same clips, one number."""

import math

import numpy as np
from jaxtyping import Bool, Float

from deadpan.metrics.ranks import roc_auc
from deadpan.replication.measuring import Columns

CONGRUENT = "congruent"


def less_error(ours: Columns, theirs: Columns) -> float:
    """The share of their mean error that ours avoids; negative where ours is larger."""
    return _avoided(ours["error"], theirs["error"])


def less_error_on_hard(ours: Columns, theirs: Columns) -> float:
    """The same on incongruent clips alone."""
    hard = incongruent(ours)
    return _avoided(ours["error"][hard], theirs["error"][hard])


def less_error_on_disagreement(ours: Columns, theirs: Columns) -> float:
    """The same on the half of the clips whose single-modality predictions disagree most.

    By the mean disagreement of both systems, so that neither chooses the clips.
    """
    apart = ours["disagreement"] + theirs["disagreement"]
    hard = apart >= np.median(apart)
    return _avoided(ours["error"][hard], theirs["error"][hard])


def flips_avoided(ours: Columns, theirs: Columns) -> float:
    """How much less often incongruity turns our sign than theirs.

    The rate of wrong signs on incongruent clips minus that on their congruent peers, theirs minus
    ours, in [-2, 2].
    """
    return _added_flips(theirs) - _added_flips(ours)


def traced(own: Columns, *, stage: str, target: str) -> float:
    """How well latent incongruity tells incongruent clips from their congruent peers, in [0, 1].

    The area under the ROC curve: 0.5 where it knows nothing of it. Unlike the latent incongruity
    itself it compares between networks and between the two sides of self-attention.
    """
    values = own.get(f"{stage}_{target}")
    if values is None:
        return math.nan
    return roc_auc(known(values[incongruent(own)]), known(values[peers(own)]))


def less_traced(ours: Columns, theirs: Columns, *, target: str) -> float:
    """How much less of it is left after self-attention in our primary than in their target."""
    left = traced(theirs, stage="after", target=target)
    return left - traced(ours, stage="after", target="primary")


def resolved_within(own: Columns, *, target: str) -> float:
    """How much less of it is left after self-attention than there was before."""
    before = traced(own, stage="before", target=target)
    return before - traced(own, stage="after", target=target)


def localised(own: Columns, *, method: str, modality: str) -> float:
    """The mean localisation of the steps known to matter, in [0, 1]; 0.5 by chance."""
    return _mean(own.get(f"auc_{method}_{modality}", np.array([])))


def better_localised(ours: Columns, theirs: Columns, *, method: str, modality: str) -> float:
    """The difference in localisation, ours minus theirs."""
    mine = localised(ours, method=method, modality=modality)
    return mine - localised(theirs, method=method, modality=modality)


def ahead(own: Columns, *, modality: str) -> float:
    """How much more error a modality takes away than the best of the others, as a share.

    Of the error that all of them take away together; NaN where they take none away.
    """
    gains = mean_gains(own)
    if modality not in gains or len(gains) < 2 or sum(gains.values()) <= 0:
        return math.nan
    best = max(gain for name, gain in gains.items() if name != modality)
    return (gains[modality] - best) / sum(gains.values())


def mean_gains(own: Columns) -> dict[str, float]:
    """The mean Shapley value of each modality in lowering the error."""
    start = "gain_"
    return {k.removeprefix(start): _mean(x) for k, x in own.items() if k.startswith(start)}


def incongruent(own: Columns) -> Bool[np.ndarray, " clip"]:
    """Which clips are; False where no truth is known."""
    return (own["kind"] != CONGRUENT) & (own["kind"] != "")


def peers(own: Columns) -> Bool[np.ndarray, " clip"]:
    """Congruent clips with what all incongruent ones have: a negative label.

    Held against all congruent clips, most of them positive, whatever knows the sign would seem to
    know of incongruity.
    """
    return (own["kind"] == CONGRUENT) & (own.get("label", np.array(math.nan)) < 0)


def known(values: Float[np.ndarray, " clip"]) -> Float[np.ndarray, " known"]:
    """Without NaN."""
    return values[~np.isnan(values)]


def _added_flips(own: Columns) -> float:
    flips = own.get("flip")
    if flips is None:
        return math.nan
    return _mean(flips[incongruent(own)]) - _mean(flips[peers(own)])


def _avoided(ours: Float[np.ndarray, " clip"], theirs: Float[np.ndarray, " clip"]) -> float:
    if not len(theirs) or theirs.mean() == 0:
        return math.nan
    return float(1 - ours.mean() / theirs.mean())


def _mean(values: Float[np.ndarray, " clip"]) -> float:
    seen = known(values)
    return float(seen.mean()) if len(seen) else math.nan
