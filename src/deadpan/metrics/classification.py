"""Metrics of decisions between classes: one of several, or each emotion present or absent.

Every function takes the prediction, then the label. Metrics of several classes are read off their
confusion matrix and need at least one clip.
"""

import math

import numpy as np
from jaxtyping import Bool, Float, Int

ClassIndices = Int[np.ndarray, " clip"]
Confusion = Int[np.ndarray, "class class"]
ClipEmotion = Float[np.ndarray, "clip emotion"]


def class_indices(rows: Float[np.ndarray, "clip class"]) -> ClassIndices:
    """Class index of each clip, from logits, probabilities or one-hot labels; first of ties."""
    return rows.argmax(axis=1)


def confusion_counts(predicted: ClassIndices, true: ClassIndices, classes: int) -> Confusion:
    """Confusion matrix: counts of clips by their true class (row) and predicted class (column)."""
    cells = np.bincount(true * classes + predicted, minlength=classes**2)
    return cells.reshape(classes, classes)


def accuracy(counts: Confusion) -> float:
    """Share of clips whose class was predicted, in [0, 1]."""
    return float(counts.trace() / counts.sum())


def f1_per_class(counts: Confusion) -> tuple[float, ...]:
    """F1 of each class against all others, in [0, 1]; 0 for a class that is never predicted.

    NaN for a class that no clip has: any prediction of it is wrong, so its F1 could only be 0.
    """
    true, predicted, hits = counts.sum(axis=1), counts.sum(axis=0), counts.diagonal()
    return tuple(
        2 * int(hit) / int(t + p) if t else math.nan
        for t, p, hit in zip(true, predicted, hits, strict=True)
    )


def weighted_f1(counts: Confusion) -> float:
    """Mean F1, each class weighted by its true clips, in [0, 1]: the field's usual choice."""
    return float(np.average(np.nan_to_num(f1_per_class(counts)), weights=counts.sum(axis=1)))


def macro_f1(counts: Confusion) -> float:
    """Mean F1 over the classes that some clip has, each counting the same, in [0, 1].

    The same classes count for every system. scikit-learn's "macro" also counts, as 0, a class that
    occurs only among the predictions: more classes for one system than for another.
    """
    return float(np.nanmean(f1_per_class(counts)))


def binary_accuracy(predicted: Bool[np.ndarray, " clip"], true: Bool[np.ndarray, " clip"]) -> float:
    """Share of clips decided correctly, in [0, 1]; NaN without clips."""
    return float(np.mean(predicted == true)) if len(true) else math.nan


def binary_weighted_f1(
    predicted: Bool[np.ndarray, " clip"], true: Bool[np.ndarray, " clip"]
) -> float:
    """Weighted F1 of the two classes, in [0, 1]; NaN without clips.

    The weights are counts of true labels. MulT's code swaps the arguments and so weights by
    predictions, which flatters a model that prefers the majority.
    """
    if not len(true):
        return math.nan
    return weighted_f1(confusion_counts(predicted.astype(np.int64), true.astype(np.int64), 2))


def emotion_margins(logits: Float[np.ndarray, "clip output"]) -> ClipEmotion:
    """Logit of "present" minus logit of "absent", from pairs (absent, present) of each emotion."""
    return logits[:, 1::2] - logits[:, 0::2]


def emotion_accuracies(margins: ClipEmotion, labels: ClipEmotion) -> tuple[float, ...]:
    """Accuracy of each emotion's presence, in [0, 1]; labels are 0 or 1, a tie means absent."""
    present, true = margins > 0, labels > 0.5
    return tuple(binary_accuracy(*pair) for pair in zip(present.T, true.T, strict=True))


def emotion_f1s(margins: ClipEmotion, labels: ClipEmotion) -> tuple[float, ...]:
    """Weighted F1 of each emotion's presence, in [0, 1]; labels are 0 or 1, a tie means absent."""
    present, true = margins > 0, labels > 0.5
    return tuple(binary_weighted_f1(*pair) for pair in zip(present.T, true.T, strict=True))


def exclusive_accuracy(margins: ClipEmotion, labels: ClipEmotion) -> float:
    """Share of clips whose emotion of the largest margin is the true one (ties: the first).

    Returns:
        A value in [0, 1]; NaN unless every clip has exactly one emotion.
    """
    true = labels > 0.5
    if not (true.sum(axis=1) == 1).all():
        return math.nan
    return float(np.mean(margins.argmax(axis=1) == true.argmax(axis=1)))
