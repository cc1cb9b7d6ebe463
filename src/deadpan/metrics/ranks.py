"""Comparisons of the order of values: rank correlation, and the area under the ROC curve."""

import numpy as np
from jaxtyping import Float

from deadpan.metrics.rounding import is_constant


def rank_correlation(
    first: Float[np.ndarray, " item"], second: Float[np.ndarray, " item"]
) -> float:
    """Spearman's rho, in [-1, 1]: Pearson's r of the ranks, ties sharing their mean rank.

    NaN where one side is constant (see ``is_constant``) or there are fewer than two items.
    """
    if is_constant(first) or is_constant(second):
        return float("nan")
    x, y = (_ranks(values) for values in (first, second))
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y) / float(np.sqrt((x @ x) * (y @ y)))


def roc_auc(
    positive: Float[np.ndarray, " positive"], negative: Float[np.ndarray, " negative"]
) -> float:
    """Area under the ROC curve: how often a positive's value is above a negative's.

    Ties count half (Fawcett 2006, An introduction to ROC analysis). In [0, 1]; 0.5 by chance, and
    where all values are the same (see ``is_constant``); NaN where either is empty.
    """
    if not len(positive) or not len(negative):
        return float("nan")
    values = np.concatenate([positive, negative])
    if is_constant(values):
        return 0.5
    ranks = _ranks(values)
    above = ranks[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2
    return float(above / (len(positive) * len(negative)))


def _ranks(values: Float[np.ndarray, " item"]) -> Float[np.ndarray, " item"]:
    """Rank of each value, from 1; ties share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]
