"""Metrics of clips that each belong to exactly one of several classes.

All are read off a confusion matrix: how many clips of each class (row) were given each class
(column), as scikit-learn has it. At least one clip.
"""

import math

import numpy as np
from jaxtyping import Float, Int

Classes = Int[np.ndarray, " clip"]
Confusion = Int[np.ndarray, "class class"]
PerClass = tuple[float, ...]


def positions(rows: Float[np.ndarray, "clip class"]) -> Classes:
    """The class of each clip, from logits, probabilities or one-hot labels (ties: the first)."""
    return rows.argmax(axis=1)


def confusion(true: Classes, predicted: Classes, classes: int) -> Confusion:
    """The confusion matrix of as many classes; each clip's class is a position from 0."""
    cells = np.bincount(true * classes + predicted, minlength=classes**2)
    return cells.reshape(classes, classes)


def accuracy(counts: Confusion) -> float:
    """Share of clips given their class, in [0, 1]."""
    return float(counts.trace() / counts.sum())


def f1s(counts: Confusion) -> PerClass:
    """F1 of each class against all others, in [0, 1]; 0 for one that is never given.

    NaN for a class that no clip is of: it could only be 0, whatever is said of the others.
    """
    true, predicted, right = counts.sum(axis=1), counts.sum(axis=0), counts.diagonal()
    return tuple(
        2 * int(r) / int(t + p) if t else math.nan
        for t, p, r in zip(true, predicted, right, strict=True)
    )


def weighted_f1(counts: Confusion) -> float:
    """F1 averaged by how many clips truly are of each class, in [0, 1]: the field's choice."""
    return float(np.average(np.nan_to_num(f1s(counts)), weights=counts.sum(axis=1)))


def macro_f1(counts: Confusion) -> float:
    """F1 averaged over the classes that some clip is of, each counting the same, in [0, 1].

    The same classes count for every system. scikit-learn's "macro" also counts, as 0, a class that
    occurs only among the predictions: more classes for one system than for another.
    """
    return float(np.nanmean(f1s(counts)))
