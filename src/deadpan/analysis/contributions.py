"""How much each modality moves a prediction, clip by clip."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float

from deadpan.data.dataset import Clip
from deadpan.metrics.shapley import shapley_values
from deadpan.models.base import Model
from deadpan.training.evaluation import predict_clips
from deadpan.types import Modality

Outputs = Mapping[frozenset[Modality], Float[np.ndarray, "clip output"]]
"""Raw outputs of a model that is given just these modalities, by subset."""


def subset_outputs(
    model: Model, clips: Sequence[Clip]
) -> dict[frozenset[Modality], Float[np.ndarray, "clip output"]]:
    """A model's raw outputs from every subset of its modalities, the empty one among them.

    What is left out counts as missing, as it does in clips that lack it; the network is the one
    that was trained on all. So a subset is an input the model may never have seen in training, and
    says what this model relies on, not what could be known from the subset.

    Args:
        model: any; 2 to the power of its modalities forward passes are made over the clips.
        clips: at least one, already normalised.

    Returns:
        In the order of size, then of ``model.modalities``.
    """
    return {
        frozenset(subset): predict_clips(model, clips, {m: model.widths[m] for m in subset})
        for size in range(len(model.modalities) + 1)
        for subset in combinations(model.modalities, size)
    }


def contributions(outputs: Outputs) -> dict[Modality, Float[np.ndarray, "clip output"]]:
    """The exact Shapley value of each modality in each clip's output.

    Summed over modalities they give the output with all of them minus that with none; in the unit
    of the output.
    """
    return shapley_values(outputs)
