"""Two-way decisions against two-way truths, as the sentiment and the emotion metrics need them."""

import numpy as np
from jaxtyping import Bool


def accuracy(predicted: Bool[np.ndarray, " clip"], true: Bool[np.ndarray, " clip"]) -> float:
    """Share of clips whose decision is right, in [0, 1]; NaN where there is no clip."""
    return float(np.mean(predicted == true)) if len(true) else float("nan")


def weighted_f1(predicted: Bool[np.ndarray, " clip"], true: Bool[np.ndarray, " clip"]) -> float:
    """F1 of each of the two classes, averaged by how many clips truly are of it.

    A class that is never predicted counts 0.

    Returns:
        A value in [0, 1]; NaN where there is no clip.
    """
    if not len(true):
        return float("nan")
    from sklearn.metrics import f1_score  # here, not above: importing it takes a second

    # By name: swapped, as in MulT's code, the weights are those of the prediction, and it flatters.
    return float(f1_score(y_true=true, y_pred=predicted, average="weighted", zero_division=0))
