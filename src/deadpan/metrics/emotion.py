"""Metrics of emotions, each of which is present in a clip or absent.

A margin is how much more the prediction is for "present" than for "absent": the difference of the
two logits. Labels are 1 where present, 0 where absent. At least one clip.
"""

import numpy as np
from jaxtyping import Float

from deadpan.metrics import binary

ClipEmotion = Float[np.ndarray, "clip emotion"]
Logits = Float[np.ndarray, "clip output"]
PerEmotion = tuple[float, ...]


def margins(logits: Logits) -> ClipEmotion:
    """Present minus absent, from logits (absent, present) of each emotion in turn."""
    return logits[:, 1::2] - logits[:, 0::2]


def accuracies(margins: ClipEmotion, labels: ClipEmotion) -> PerEmotion:
    """Per emotion the share of clips decided rightly, in [0, 1]; a tie counts as absent."""
    present, true = margins > 0, labels > 0.5
    return tuple(binary.accuracy(*pair) for pair in zip(present.T, true.T, strict=True))


def f1s(margins: ClipEmotion, labels: ClipEmotion) -> PerEmotion:
    """Per emotion the weighted F1 of present against absent, in [0, 1]; a tie counts as absent."""
    present, true = margins > 0, labels > 0.5
    return tuple(binary.weighted_f1(*pair) for pair in zip(present.T, true.T, strict=True))


def exclusive_accuracy(margins: ClipEmotion, labels: ClipEmotion) -> float:
    """Share of clips whose largest margin is that of their emotion (ties: the first emotion).

    Returns:
        A value in [0, 1]; NaN unless every clip has exactly one emotion.
    """
    true = labels > 0.5
    if not (true.sum(axis=1) == 1).all():
        return float("nan")
    return float(np.mean(margins.argmax(axis=1) == true.argmax(axis=1)))
