"""Metrics of sentiment as a score in [-3, 3]; several claim one name in the literature.

``non0`` leaves out the clips whose label is 0, then asks whether prediction and label are positive
(MulT, HCT-MG). ``has0`` keeps every clip and asks whether they are at least 0 (MFN, LMF, MCTN). The
two differ by several points, so a number of one must not stand beside a number of the other.

Every function takes one prediction and one label per clip, finite, and at least one clip.
"""

import numpy as np
from jaxtyping import Bool, Float

from deadpan.metrics.binary import accuracy, weighted_f1

Scores = Float[np.ndarray, " clip"]
Decisions = Bool[np.ndarray, " kept"]


def mean_absolute_error(prediction: Scores, label: Scores) -> float:
    """Mean distance between prediction and label, in units of the label."""
    return float(np.mean(np.abs(prediction - label), dtype=np.float64))


def pearson_correlation(prediction: Scores, label: Scores) -> float:
    """Pearson's r in [-1, 1]; 0 where either side is constant."""
    # r of a constant is 0 / 0. A constant tells nothing of the label, and the majority row that
    # stands in every table must print a number, so it is 0 here.
    if np.ptp(prediction) == 0 or np.ptp(label) == 0:
        return 0.0
    r = np.mean(_standardized(prediction) * _standardized(label))
    return float(np.clip(r, -1, 1))


def accuracy_7(prediction: Scores, label: Scores) -> float:
    """Share of clips in the right class of -3 .. 3, in [0, 1]."""
    return _class_accuracy(prediction, label, bound=3)


def accuracy_5(prediction: Scores, label: Scores) -> float:
    """Share of clips in the right class of -2 .. 2, in [0, 1]."""
    return _class_accuracy(prediction, label, bound=2)


def accuracy_2_non0(prediction: Scores, label: Scores) -> float:
    """Share of non-neutral clips told rightly as positive or not; NaN where all are neutral."""
    return accuracy(*_positive(prediction, label))


def f1_non0(prediction: Scores, label: Scores) -> float:
    """Weighted F1 of positive against negative, without neutral clips; NaN where all are."""
    return weighted_f1(*_positive(prediction, label))


def accuracy_2_has0(prediction: Scores, label: Scores) -> float:
    """Share of all clips told rightly as negative or not, in [0, 1]."""
    return accuracy(prediction >= 0, label >= 0)


def f1_has0(prediction: Scores, label: Scores) -> float:
    """Weighted F1 of negative against the rest, over all clips, in [0, 1]."""
    return weighted_f1(prediction >= 0, label >= 0)


def _positive(prediction: Scores, label: Scores) -> tuple[Decisions, Decisions]:
    kept = label != 0
    return prediction[kept] > 0, label[kept] > 0


def _class_accuracy(prediction: Scores, label: Scores, *, bound: int) -> float:
    # np.round rounds half to even, as the field's published numbers do: 0.5 -> 0, 1.5 -> 2.
    guess, true = (np.round(np.clip(scores, -bound, bound)) for scores in (prediction, label))
    return float(np.mean(guess == true))


def _standardized(scores: Scores) -> Scores:
    centred = scores.astype(np.float64)
    centred = centred - centred.mean()
    # Scaled before it is squared, or the square of a very small or large deviation leaves float64.
    centred = centred / np.abs(centred).max()
    return centred / centred.std()
