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


def quantile(logits: np.ndarray, values: np.ndarray, share: float) -> np.ndarray:
    """Label below which a share of the probability lies, float64 [...], within the values.

    Args:
        logits: of the bins.
        values: of the bins.
        share: in [0, 1]; 0.05 and 0.95 are the ends of a 90 % interval.
    """
    of_bin = probabilities(logits)
    up_to = of_bin.cumsum(axis=-1)
    last = up_to.shape[-1] - 1
    index = np.minimum((up_to < share).sum(axis=-1, keepdims=True), last)

    def at_index(x: np.ndarray) -> np.ndarray:
        return np.take_along_axis(np.broadcast_to(x, up_to.shape), index, axis=-1)[..., 0]

    within = at_index(of_bin)
    below = at_index(up_to) - within
    fraction = np.clip((share - below) / np.maximum(within, 1e-300), 0, 1)
    width = values[..., 1] - values[..., 0]
    return np.clip(at_index(values) + (fraction - 0.5) * width, values[..., 0], values[..., -1])


def signed_probability(outputs: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Probability that each label is above 0, float64 [clip, label]; NaN for one without a sign.

    Args:
        outputs: logits of all labels' bins side by side, [clip, label * bin].
        bins: values [label, bin]; a label has a sign if some are below and some above 0.
    """
    above = probability_above(outputs.reshape(len(outputs), *bins.shape), bins)
    return np.where((bins[:, 0] < 0) & (bins[:, -1] > 0), above, np.nan)


def probability_above(logits: np.ndarray, values: np.ndarray, threshold: float = 0.0) -> np.ndarray:
    """Probability in [0, 1] of a label above a threshold, float64 [...]."""
    width = values[..., 1:2] - values[..., :1]
    above = np.clip((values - threshold) / width + 0.5, 0, 1)
    return (probabilities(logits) * above).sum(axis=-1)
