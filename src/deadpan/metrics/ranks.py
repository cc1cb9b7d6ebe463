"""Comparisons of the order of values: rank correlation, and the area under the ROC curve."""

import numpy as np
from jaxtyping import Float


def rank_correlation(
    first: Float[np.ndarray, " item"], second: Float[np.ndarray, " item"]
) -> float:
    """Spearman's rho, in [-1, 1]: Pearson's r of the ranks, ties sharing their mean rank.

    NaN where one side is constant or there are fewer than two items.
    """
    x, y = (_ranks(values) for values in (first, second))
    x, y = x - x.mean() if len(x) else x, y - y.mean() if len(y) else y
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / spread if spread else float("nan")


def roc_auc(
    positive: Float[np.ndarray, " positive"], negative: Float[np.ndarray, " negative"]
) -> float:
    """Area under the ROC curve: how often a positive's value is above a negative's.

    Ties count half (Fawcett 2006, An introduction to ROC analysis). In [0, 1]; 0.5 by chance; NaN
    where either is empty.
    """
    if not len(positive) or not len(negative):
        return float("nan")
    ranks = _ranks(np.concatenate([positive, negative]))
    above = ranks[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2
    return float(above / (len(positive) * len(negative)))


def _ranks(values: Float[np.ndarray, " item"]) -> Float[np.ndarray, " item"]:
    """Rank of each value, from 1; ties share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]
