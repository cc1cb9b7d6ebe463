"""Metrics of one or several numbers per clip, each on a scale of its own.

Every function takes the truth, then the prediction, as scikit-learn does; finite, at least one
clip.
"""

import math

import numpy as np
from jaxtyping import Float

from deadpan.metrics import sentiment

ClipLabel = Float[np.ndarray, "clip label"]
PerLabel = tuple[float, ...]


def mean_absolute_errors(true: ClipLabel, predicted: ClipLabel) -> PerLabel:
    """Per label the mean distance between prediction and truth, in the label's unit."""
    pairs = zip(predicted.T, true.T, strict=True)
    return tuple(sentiment.mean_absolute_error(*pair) for pair in pairs)


def pearson_correlations(true: ClipLabel, predicted: ClipLabel) -> PerLabel:
    """Per label Pearson's r in [-1, 1]; 0 where the prediction is constant, as for sentiment.

    NaN where all clips have the same truth: no prediction could correlate with it.
    """
    return tuple(
        sentiment.pearson_correlation(said, label) if np.ptp(label) else math.nan
        for said, label in zip(predicted.T, true.T, strict=True)
    )


def mean_of_known(values: PerLabel) -> float:
    """The mean of the values that are not NaN; NaN where none is."""
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan
