"""Distributions of a label over bins or classes, from logits; numpy alone, as the predictor needs.

Every function takes logits [..., bin] and the labels' values at the middle of each bin, ascending
and evenly spaced, [..., bin] or [bin]. Within a bin the probability is spread evenly.
"""

import numpy as np


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Probability of each bin or class, float64 [..., bin], sum 1: the softmax of the logits."""
    logits = logits.astype(np.float64)
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def expectation(logits: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Expected label, float64 [...]."""
    return (probabilities(logits) * values).sum(axis=-1)


def quantiles(logits: np.ndarray, bins: np.ndarray, share: float) -> np.ndarray:
    """Label below which there is a share of the distribution, float64 [...].

    The first and the last bin reach half a bin out of the labels' range, as all reach half a bin
    to both sides of their value.

    Args:
        logits: [..., bin].
        bins: values at the middle of each bin, [bin].
        share: above 0 and below 1.
    """
    each = probabilities(logits)
    up_to = np.cumsum(each, axis=-1)
    index = np.minimum((up_to < share).sum(axis=-1), len(bins) - 1)[..., None]
    own = np.take_along_axis(each, index, axis=-1)[..., 0]
    before = np.take_along_axis(up_to, index, axis=-1)[..., 0] - own
    width = bins[1] - bins[0]
    return bins[index[..., 0]] + width * ((share - before) / own - 0.5)


def signed_probability(outputs: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Probability that each label is above 0, float64 [clip, label]; NaN for one without a sign.

    Args:
        outputs: logits of all labels' bins side by side, [clip, label * bin].
        bins: values [label, bin]; a label has a sign if some are below and some above 0.
    """
    logits = outputs.reshape(len(outputs), *bins.shape)
    width = bins[:, 1:2] - bins[:, :1]
    above = (probabilities(logits) * np.clip(bins / width + 0.5, 0, 1)).sum(axis=-1)
    return np.where((bins[:, 0] < 0) & (bins[:, -1] > 0), above, np.nan)
