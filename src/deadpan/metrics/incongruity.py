"""Measures of incongruity between modalities and of its effect on a model's predictions."""

from collections.abc import Collection, Sequence

import numpy as np
from jaxtyping import Bool, Float

from deadpan.metrics.ranks import roc_auc
from deadpan.metrics.rounding import is_constant

MAX_SENTIMENT = 3.0
"""The largest absolute sentiment: labels lie in [-3, 3]."""


def localisation(salience: Float[np.ndarray, " step"], relevant: Collection[int]) -> float:
    """Area under the ROC curve of salience as a detector of the relevant steps of one clip.

    In [0, 1]: 1 where every relevant step is more salient than every other step, 0.5 by chance. NaN
    where no step or every step is relevant.

    Args:
        salience: salience of each step of one modality.
        relevant: indices of the steps that carry the sentiment.
    """
    mask = _step_mask(len(salience), relevant)
    return roc_auc(salience[mask], salience[~mask])


def pointing(salience: Float[np.ndarray, " step"], relevant: Collection[int]) -> float:
    """Score of the pointing game: 1 if the most salient step is relevant, else 0.

    Zhang et al. 2016, Top-down Neural Attention by Excitation Backprop. Where steps tie for the
    most salient, the relevant share of them; by chance the relevant share of all steps. NaN where
    no step or every step is relevant.
    """
    mask = _step_mask(len(salience), relevant)
    if not mask.any() or mask.all():
        return float("nan")
    return float(mask[salience == salience.max()].mean())


def view_distance(
    first: Float[np.ndarray, "step width"], second: Float[np.ndarray, "step width"]
) -> float:
    """Mean cosine distance between two views of one sequence, over its steps.

    The distance is 1 - cosine at each step (the cosine of a zero vector counts as 0). In [0, 2]: 0
    where both views have the same direction at every step, 1 where they are orthogonal, 2 where
    they are opposed. NaN without steps. The measure is ours: the paper shows heatmaps. It ignores
    the lengths of the vectors. Compare clips within one network, not views of different networks.
    """
    if not len(first):
        return float("nan")
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    products = (first.astype(np.float64) * second).sum(axis=1)
    cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return float(1 - np.clip(cosines, -1, 1).mean())


def degree(value: float, edges: Sequence[float] = (0.25, 0.5, 0.75)) -> str:
    """Name of the bin of a degree of incongruity in [0, 1], such as ``0.25 to 0.50``.

    An edge opens its bin; 0 is ``none``.
    """
    if value == 0:
        return "none"
    bounds = [0.0, *edges, 1.0]
    index = int(np.searchsorted(edges, value, side="right"))
    return f"{bounds[index]:.2f} to {bounds[index + 1]:.2f}"


def sign_flips(
    prediction: Float[np.ndarray, " clip"], label: Float[np.ndarray, " clip"]
) -> Float[np.ndarray, " clip"]:
    """Sign errors: 1 where prediction and label differ in sign (-1, 0 or 1), 0 where they agree.

    NaN for a label of 0, so that ``nanmean`` is 1 minus the accuracy ``non0``.
    """
    errors = np.sign(prediction) != np.sign(label)
    return np.where(label == 0, np.nan, errors.astype(np.float64))


def mean_by(values: Float[np.ndarray, " clip"], groups: Sequence[str]) -> dict[str, float]:
    """Mean over the clips of each group (a kind or a degree), by its name; NaN is left out."""
    names = np.array(groups, dtype=object)
    means: dict[str, float] = {}
    for name in sorted(set(groups)):
        group = values[names == name]
        group = group[~np.isnan(group)]
        means[name] = float(group.mean()) if len(group) else float("nan")
    return means


def sign_calibration_error(
    prediction: Float[np.ndarray, " clip"], label: Float[np.ndarray, " clip"], *, bins: int = 10
) -> float:
    """Expected calibration error of the sign: mean gap between confidence and accuracy.

    Guo et al. 2017, On Calibration of Modern Neural Networks, with the confidence that a score
    implies: 0.5 at 0, rising linearly to 1 at an absolute value of 3 and beyond. Clips are cut into
    bins of as equal a count as can be, by confidence; the result is the mean over clips of
    ``|accuracy - confidence|`` of their bin. In [0, 1]; 0 is best. Clips of label 0 are left out;
    NaN if none is left.
    """
    signed = label != 0
    confidence = 0.5 + np.minimum(np.abs(prediction[signed]), MAX_SENTIMENT) / (2 * MAX_SENTIMENT)
    correct = 1 - sign_flips(prediction[signed], label[signed])
    if not len(correct):
        return float("nan")
    order = np.argsort(confidence, kind="stable")
    if is_constant(confidence):  # the order of rounding errors is none
        order = np.arange(len(confidence))
    gaps = [
        len(part) * abs(correct[part].mean() - confidence[part].mean())
        for part in np.array_split(order, min(bins, len(order)))
    ]
    return float(sum(gaps) / len(correct))


def sign_reliability(
    prediction: Float[np.ndarray, " clip"], label: Float[np.ndarray, " clip"]
) -> float:
    """Area under the ROC curve of the absolute score as a detector of correct signs.

    How often a score with the correct sign is larger than one with a wrong sign: in [0, 1], 0.5
    where size carries no information. NaN where all signs are correct, or all wrong. Unlike the
    calibration error it depends only on the order of scores. Clips of label 0 are left out.
    """
    flips, size = sign_flips(prediction, label), np.abs(prediction)
    return roc_auc(size[flips == 0], size[flips == 1])


def disagreement(single: Float[np.ndarray, "modality clip"]) -> Float[np.ndarray, " clip"]:
    """Range of each clip's predictions from single modalities: a proxy for its incongruity.

    The largest minus the smallest, in the unit of the prediction; 0 with one modality. Where
    ``Truth.incongruity`` needs the true tendency of each modality, this uses a model's prediction
    from it.
    """
    return single.max(axis=0) - single.min(axis=0)


def _step_mask(steps: int, indices: Collection[int]) -> Bool[np.ndarray, " step"]:
    mask = np.zeros(steps, dtype=bool)
    mask[list(indices)] = True
    return mask
