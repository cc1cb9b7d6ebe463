"""Metrics of predicted numbers: sentiment in [-3, 3], or labels on scales of their own.

Every function takes the prediction, then the label, both finite, of at least one clip.

Two conventions of Acc-2 and F1 share one name in the literature. ``non0`` leaves out the clips
whose label is 0, then asks whether prediction and label are positive (MulT, HCT-MG). ``has0`` keeps
every clip and asks whether they are at least 0 (MFN, LMF, MCTN). The two differ by several points,
so a number of one must not stand beside a number of the other.
"""

import math

import numpy as np
from jaxtyping import Bool, Float

from deadpan.metrics.classification import binary_accuracy, binary_weighted_f1
from deadpan.metrics.rounding import is_constant

PerClip = Float[np.ndarray, " clip"]
ClipLabel = Float[np.ndarray, "clip label"]


def mean_absolute_error(prediction: PerClip, label: PerClip) -> float:
    """Mean distance between prediction and label, in units of the label."""
    return float(np.mean(np.abs(prediction - label), dtype=np.float64))


def pearson_correlation(prediction: PerClip, label: PerClip) -> float:
    """Pearson's r in [-1, 1]; 0 where either side is constant (see ``is_constant``)."""
    # r of a constant is 0 / 0. A constant tells nothing of the label, and the majority row that
    # stands in every table must print a number, so it is 0 here.
    if is_constant(prediction) or is_constant(label):
        return 0.0
    r = np.mean(_standardized(prediction) * _standardized(label))
    return float(np.clip(r, -1, 1))


def accuracy_7(prediction: PerClip, label: PerClip) -> float:
    """Share of clips in the right class of -3 .. 3, in [0, 1]."""
    return _class_accuracy(prediction, label, bound=3)


def accuracy_5(prediction: PerClip, label: PerClip) -> float:
    """Share of clips in the right class of -2 .. 2, in [0, 1]."""
    return _class_accuracy(prediction, label, bound=2)


def accuracy_2_non0(prediction: PerClip, label: PerClip) -> float:
    """Accuracy of positive against negative, without neutral clips; NaN where all are neutral."""
    return binary_accuracy(*_non_neutral(prediction, label))


def f1_non0(prediction: PerClip, label: PerClip) -> float:
    """Weighted F1 of positive against negative, without neutral clips; NaN where all are."""
    return binary_weighted_f1(*_non_neutral(prediction, label))


def accuracy_2_has0(prediction: PerClip, label: PerClip) -> float:
    """Accuracy of negative against the rest, over all clips, in [0, 1]."""
    return binary_accuracy(prediction >= 0, label >= 0)


def f1_has0(prediction: PerClip, label: PerClip) -> float:
    """Weighted F1 of negative against the rest, over all clips, in [0, 1]."""
    return binary_weighted_f1(prediction >= 0, label >= 0)


def errors_per_label(prediction: ClipLabel, label: ClipLabel) -> tuple[float, ...]:
    """Mean absolute error of each label, in its own unit."""
    pairs = zip(prediction.T, label.T, strict=True)
    return tuple(mean_absolute_error(*pair) for pair in pairs)


def correlations_per_label(prediction: ClipLabel, label: ClipLabel) -> tuple[float, ...]:
    """Pearson's r of each label, in [-1, 1]; 0 where the prediction is constant.

    NaN where all clips have the same label: no prediction could correlate with it.
    """
    return tuple(
        math.nan if is_constant(y) else pearson_correlation(x, y)
        for x, y in zip(prediction.T, label.T, strict=True)
    )


def mean_without_nan(values: tuple[float, ...]) -> float:
    """Mean of the values that are not NaN; NaN where all are."""
    finite = [value for value in values if not math.isnan(value)]
    return float(np.mean(finite)) if finite else math.nan


def _non_neutral(
    prediction: PerClip, label: PerClip
) -> tuple[Bool[np.ndarray, " non0"], Bool[np.ndarray, " non0"]]:
    non_neutral = label != 0
    return prediction[non_neutral] > 0, label[non_neutral] > 0


def _class_accuracy(prediction: PerClip, label: PerClip, *, bound: int) -> float:
    # np.round rounds half to even, as the field's published numbers do: 0.5 -> 0, 1.5 -> 2.
    predicted, true = (np.round(np.clip(x, -bound, bound)) for x in (prediction, label))
    return float(np.mean(predicted == true))


def _standardized(values: PerClip) -> PerClip:
    centred = values.astype(np.float64)
    centred = centred - centred.mean()
    # Scaled before it is squared, or the square of a very small or large deviation leaves float64.
    centred = centred / np.abs(centred).max()
    return centred / centred.std()
