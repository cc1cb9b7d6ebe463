"""Significance tests between systems on the same clips, and their correction for many tests."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float


def sign_flip_test(
    first: Float[np.ndarray, " clip"],
    second: Float[np.ndarray, " clip"],
    *,
    resamples: int = 9_999,
    seed: int = 0,
) -> float:
    """Paired permutation test of whether two systems have the same mean error.

    If neither is better, the sign of each clip's difference is a coin: p is the share of
    ``resamples`` random sign patterns, the observed one counted in, whose mean difference is at
    least as far from 0 as the observed one. Clips count as independent; clips of one speaker are
    not quite, which makes p too small.

    Args:
        first: error of the first system on each clip.
        second: error of the second system on the same clips.
        resamples: number of random sign patterns.
        seed: seed of the patterns.

    Returns:
        The two-sided p value, in (0, 1].
    """
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    observed = abs(float(differences.mean()))
    random = np.random.default_rng(seed)
    extreme = 1
    for start in range(0, resamples, 1000):  # a thousand at a time: memory stays small
        rows = min(1000, resamples - start)
        signs = random.integers(0, 2, size=(rows, len(differences)), dtype=np.int8) * 2 - 1
        means = np.abs(signs @ differences) / len(differences)
        # Sums in another order differ in their last bits.
        extreme += int((means >= observed * (1 - 1e-12)).sum())
    return extreme / (resamples + 1)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P values of several tests, corrected to control the family-wise error rate.

    Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure: the smallest is multiplied
    by the number of tests, the next by one less, and so on; none falls below the one before it.
    """
    corrected: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[name]))
        corrected[name] = highest
    return corrected
