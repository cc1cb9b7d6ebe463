"""Which steps share time, and the alignment of other modalities to words."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float, Int, Num

EPSILON = 1e-5
"""Seconds that count as nothing, as in CMU-MultimodalSDK (its 10e-6)."""

COLLAPSE: Mapping[str, Callable[..., np.ndarray]] = {"mean": np.mean, "max": np.max}
"""What can be made of the steps within a word, feature by feature. The field's way is the mean."""


def shared_steps(
    intervals: Float[np.ndarray, "step 2"], targets: Float[np.ndarray, "target 2"]
) -> list[Int[np.ndarray, "_"]]:
    """The steps that share more than ``EPSILON`` seconds with each target, in order of time.

    The rule of CMU-MultimodalSDK: a step that ends where a target starts shares nothing with it,
    one that straddles the border of two targets belongs to both, and a step or a target without
    duration belongs to none.

    Args:
        intervals: start and end of each step in seconds; in any order, and they may overlap.
        targets: start and end of each target in seconds of the same clock.

    Returns:
        Per target, indices into ``intervals``, by start.
    """
    order = np.argsort(intervals[:, 0], kind="stable")
    starts, ends = intervals[order].T
    # No step before the first whose predecessors reach the target can share time with it.
    reach = np.maximum.accumulate(ends)
    found: list[np.ndarray] = []
    for start, end in targets:
        near = slice(
            int(np.searchsorted(reach, start, "right")), int(np.searchsorted(starts, end, "left"))
        )
        shared = np.minimum(ends[near], end) - np.maximum(starts[near], start)
        found.append(order[near][shared > EPSILON])
    return found


def aligned(
    features: Num[np.ndarray, "step width"],
    intervals: Float[np.ndarray, "step 2"],
    words: Float[np.ndarray, "word 2"],
    *,
    collapse: str = "mean",
) -> tuple[Float[np.ndarray, "word width"], Bool[np.ndarray, " word"]]:
    """One row of features per word, made of the steps that share time with it.

    A step that straddles two words counts in both, and every step counts the same however much of
    it is within the word, as in the SDK's examples. A word without any step is a row of zeros.
    What is not finite makes its feature of the word not finite.

    Args:
        features: of each step.
        intervals: start and end of each step in seconds.
        words: start and end of each word in seconds of the same clock.
        collapse: a key of ``COLLAPSE``.

    Returns:
        The rows, in float64, and which of the words have a step.
    """
    rows = np.zeros((len(words), features.shape[1]))
    steps = shared_steps(intervals, words)
    with np.errstate(invalid="ignore", over="ignore"):
        for row, within in zip(rows, steps, strict=True):
            if len(within):
                row[:] = COLLAPSE[collapse](features[within].astype(np.float64), axis=0)
    return rows, np.array([len(within) > 0 for within in steps], dtype=bool)
