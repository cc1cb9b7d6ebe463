"""Agreement of two orders."""

import numpy as np
from jaxtyping import Float


def rank_correlation(
    first: Float[np.ndarray, " item"], second: Float[np.ndarray, " item"]
) -> float:
    """Spearman's rho, in [-1, 1]: Pearson's r of the ranks, ties sharing their mean rank.

    NaN where one of them is the same for all items, or there are fewer than two.
    """
    x, y = (_ranks(values) for values in (first, second))
    x, y = x - x.mean() if len(x) else x, y - y.mean() if len(y) else y
    spread = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / spread if spread else float("nan")


def _ranks(values: Float[np.ndarray, " item"]) -> Float[np.ndarray, " item"]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]
