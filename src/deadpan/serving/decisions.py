"""What outputs mean, task by task: ``Task.decisions`` again, without torch."""

import numpy as np


def decisions(task: str, outputs: np.ndarray) -> np.ndarray:
    """What a person reads of each label, float64 [clip, label].

    Args:
        task: regression and scores: the number; classes: the probability of each, sum 1; emotions:
            the probability that each is present.
        outputs: of the model, [clip, output].
    """
    given = outputs.astype(np.float64)
    if task == "classes":
        odds = np.exp(given - given.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)
    if task == "emotions":
        return 0.5 + 0.5 * np.tanh(0.5 * (given[:, 1::2] - given[:, ::2]))
    return given
