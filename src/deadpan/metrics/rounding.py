"""Equality but for rounding: a model's values differ in their last bits for no reason."""

import math

import numpy as np
from jaxtyping import Num

ROUNDING = 16 * float(np.finfo(np.float32).eps)
"""Relative difference that sums of float32 in another order may have."""


def is_constant(values: Num[np.ndarray, "..."]) -> bool:
    """Whether all values are the same but for the rounding of float32; also if there are none."""
    if not values.size:
        return True
    low, high = float(values.min()), float(values.max())
    return low == high or high - low <= ROUNDING * max(abs(low), abs(high)) < math.inf


def rounded(values: Num[np.ndarray, "..."]) -> Num[np.ndarray, "..."]:
    """Finite values to the nearest multiple of ``ROUNDING`` times the largest |value|."""
    unit = ROUNDING * np.abs(values).max(initial=0.0)
    return np.round(values / unit) * unit if unit else values
