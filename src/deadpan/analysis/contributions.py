"""How much each modality moves a prediction, clip by clip."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Float

from deadpan.data.dataset import Clip
from deadpan.models.base import Model
from deadpan.training.evaluation import predict_clips
from deadpan.types import Modality


def shapley_values(
    values: Mapping[frozenset[str], Float[np.ndarray, "*shape"]],
) -> dict[str, Float[np.ndarray, "*shape"]]:
    """Mean gain that each player adds, over all orders in which players may join.

    Shapley 1953, A Value for n-Person Games. They sum to ``values[all] - values[none]``
    (efficiency); players that add the same everywhere get the same (symmetry); one that never
    adds anything gets 0 (dummy).

    Args:
        values: value of each of the 2^n subsets of the players, the empty one included.

    Returns:
        Shapley value by player, in the unit of the values and in alphabetical order.

    Raises:
        KeyError: a subset has no value.
    """
    players = sorted(frozenset[str]().union(*values))
    shares: dict[str, Float[np.ndarray, "*shape"]] = {}
    for player in players:
        others = [name for name in players if name != player]
        gains = [
            (values[subset | {player}] - values[subset]) / comb(len(others), size)
            for size in range(len(players))
            for subset in map(frozenset[str], combinations(others, size))
        ]
        shares[player] = np.asarray(np.sum(gains, axis=0) / len(players))
    return shares


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
