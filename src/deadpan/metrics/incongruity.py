"""Where modalities disagree, and what that does to a model: inside it and in what it predicts."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

STRONGEST = 3.0
"""Sentiment lies in [-3, 3]."""


def ranked_above(
    positive: Float[np.ndarray, " positive"], negative: Float[np.ndarray, " negative"]
) -> float:
    """How often a value of the first is above one of the second: the area under the ROC curve.

    Ties count half (Fawcett 2006, An introduction to ROC analysis). In [0, 1]; 0.5 by chance; NaN
    where either is empty.
    """
    if not len(positive) or not len(negative):
        return float("nan")
    both = np.concatenate([positive, negative])
    _, place, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    above = ranks[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2
    return float(above / (len(positive) * len(negative)))


def localisation(salience: Float[np.ndarray, " step"], known: Collection[int]) -> float:
    """How well salience finds the steps known to matter, in one clip and modality.

    The area under the ROC curve of salience as a detector of those steps: in [0, 1], 1 where all of
    them stand out from all others, 0.5 by chance. NaN where no step or every step matters.
    """
    matters = _marked(len(salience), known)
    return ranked_above(salience[matters], salience[~matters])


def pointing(salience: Float[np.ndarray, " step"], known: Collection[int]) -> float:
    """Whether the most salient step is one known to matter: the pointing game.

    Zhang et al. 2016, Top-down Neural Attention by Excitation Backprop. 1 or 0; of steps tied for
    the most salient, the share that matters. By chance the share of all steps that matters. NaN
    where none or every one does.
    """
    matters = _marked(len(salience), known)
    if not matters.any() or matters.all():
        return float("nan")
    return float(matters[salience == salience.max()].mean())


def pulled_apart(
    first: Float[np.ndarray, "step width"], second: Float[np.ndarray, "step width"]
) -> float:
    """How far two views of one sequence differ in direction, on average over its steps.

    1 - cosine at each step (a view that is zero there has cosine 0). In [0, 2]: 0 where both point
    the same way at every step, 1 where they are unrelated, 2 where they are opposed. NaN without
    steps. The measure is ours: the paper shows heatmaps. It does not see how long the views are,
    and views of different networks do not compare; clips of one network do.
    """
    if not len(first):
        return float("nan")
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    products = (first.astype(np.float64) * second).sum(axis=1)
    cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return float(1 - np.clip(cosines, -1, 1).mean())


def spread(tendencies: Mapping[str, float]) -> float:
    """The degree of a clip's incongruity: how far its most opposed modalities stand apart.

    The largest tendency minus the smallest, each in [-1, 1]: in [0, 2]; above 1 only where signs
    differ.
    """
    return max(tendencies.values()) - min(tendencies.values())


def degree(value: float, edges: Sequence[float] = (0.5, 1.0, 1.5)) -> str:
    """The name of the degree a spread falls in, such as ``1.0 to 1.5``; edges belong above."""
    bounds = [0.0, *edges, 2.0]
    place = int(np.searchsorted(edges, value, side="right"))
    return f"{bounds[place]:.1f} to {bounds[place + 1]:.1f}"


def sign_flips(
    prediction: Float[np.ndarray, " clip"], label: Float[np.ndarray, " clip"]
) -> Float[np.ndarray, " clip"]:
    """1 where the prediction's sign is not the label's (0 has none), 0 where it is.

    NaN for a label of 0, so that ``nanmean`` is 1 minus the accuracy ``non0``.
    """
    wrong = np.sign(prediction) != np.sign(label)
    return np.where(label == 0, np.nan, wrong.astype(np.float64))


def mean_by(values: Float[np.ndarray, " clip"], groups: Sequence[str]) -> dict[str, float]:
    """The mean over the clips of each group (a kind, a degree), NaN left out, by name."""
    names = np.array(groups, dtype=object)
    found: dict[str, float] = {}
    for name in sorted(set(groups)):
        known = values[names == name]
        known = known[~np.isnan(known)]
        found[name] = float(known.mean()) if len(known) else float("nan")
    return found


def sign_calibration_error(
    prediction: Float[np.ndarray, " clip"], label: Float[np.ndarray, " clip"], *, bins: int = 10
) -> float:
    """How far confidence in the sign is from how often it is right: the expected calibration error.

    Guo et al. 2017, On Calibration of Modern Neural Networks, with the confidence that a score
    implies: 0.5 at 0, rising linearly to 1 at an absolute value of 3 and beyond. Clips are cut into
    bins of as equal a count as can be, by confidence; the result is the mean over clips of
    ``|accuracy - confidence|`` of their bin. In [0, 1]; 0 is best. Clips of label 0 are left out;
    NaN if none is left.
    """
    kept = label != 0
    confidence = 0.5 + np.minimum(np.abs(prediction[kept]), STRONGEST) / (2 * STRONGEST)
    right = 1 - sign_flips(prediction[kept], label[kept])
    if not len(right):
        return float("nan")
    order = np.argsort(confidence, kind="stable")
    gaps = [
        len(part) * abs(right[part].mean() - confidence[part].mean())
        for part in np.array_split(order, min(bins, len(order)))
    ]
    return float(sum(gaps) / len(right))


def sign_reliability(
    prediction: Float[np.ndarray, " clip"], label: Float[np.ndarray, " clip"]
) -> float:
    """Whether a larger absolute score means a sign that is right more often.

    How often a score with the right sign is larger than one with a wrong sign: in [0, 1], 0.5 where
    size tells nothing. NaN where all signs are right, or all wrong. Unlike the calibration error it
    asks for the order alone. Clips of label 0 are left out.
    """
    flips, size = sign_flips(prediction, label), np.abs(prediction)
    return ranked_above(size[flips == 0], size[flips == 1])


def disagreement(alone: Float[np.ndarray, "modality clip"]) -> Float[np.ndarray, " clip"]:
    """How far predictions from single modalities stand apart: a proxy where no truth is known.

    The largest minus the smallest, in the unit of the prediction; 0 with one modality. The same as
    :func:`spread`, of what a model reads in each modality instead of what is in it.
    """
    return alone.max(axis=0) - alone.min(axis=0)


def _marked(steps: int, known: Collection[int]) -> Bool[np.ndarray, " step"]:
    marked = np.zeros(steps, dtype=bool)
    marked[list(known)] = True
    return marked
