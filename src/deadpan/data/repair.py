"""Features that are no numbers: what is done about them, and how often it was."""

from collections import Counter

import numpy as np
from jaxtyping import Float, Num

from deadpan.types import Modality


def finite(
    steps: Num[np.ndarray, "step width"], *, modality: Modality, repairs: Counter[str]
) -> Float[np.ndarray, "step width"]:
    """A float32 copy in which every value that is not finite is 0; the other values stay.

    The rule: COVAREP writes -inf for the logarithm of nothing, and the field sets it to 0; we do
    the same with +inf and NaN, and count each kind, so that nobody is left to think the file was
    sound. A step is kept whatever was mended in it. A value beyond float32 counts as infinite.

    Args:
        steps: real steps of one sequence.
        modality: whose they are.
        repairs: receives the number of values under ``"audio: -inf set to 0"`` and so on.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.array(steps, dtype=np.float32, order="C")
    if np.isfinite(values).all():
        return values
    for kind, wrong in (
        ("-inf", np.isneginf(values)),
        ("+inf", np.isposinf(values)),
        ("NaN", np.isnan(values)),
    ):
        if count := int(wrong.sum()):
            repairs[f"{modality}: {kind} set to 0"] += count
    values[~np.isfinite(values)] = 0
    return values
