"""Whether one system is better than another on the same clips, also where many are tested."""

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
    """Two-sided p that two systems have the same mean error, by a paired permutation test.

    If neither is better, the sign of each clip's difference is a coin: p is the share of
    ``resamples`` random sign patterns, the true one counted in, whose mean difference is as far
    from 0 as the one found. Clips count as independent; those of one speaker are less so, which
    makes p too small.

    Args:
        first: error of each clip.
        second: error of the same clips.
        resamples: random sign patterns.
        seed: of the patterns.

    Returns:
        In (0, 1].
    """
    differences = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    found = abs(float(differences.mean()))
    random = np.random.default_rng(seed)
    as_far = 1
    for start in range(0, resamples, 1000):  # a thousand at a time: memory stays small
        rows = min(1000, resamples - start)
        signs = random.integers(0, 2, size=(rows, len(differences)), dtype=np.int8) * 2 - 1
        means = np.abs(signs @ differences) / len(differences)
        # Sums in another order differ in their last bits.
        as_far += int((means >= found * (1 - 1e-12)).sum())
    return as_far / (resamples + 1)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """P values of several tests, corrected so that any false finding among them is as rare as one.

    Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure: the smallest is multiplied
    by the number of tests, the next by one less, and so on; none falls below the one before it.
    """
    corrected: dict[str, float] = {}
    highest = 0.0
    for place, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        highest = max(highest, min(1.0, (len(p_values) - place) * p_values[name]))
        corrected[name] = highest
    return corrected
