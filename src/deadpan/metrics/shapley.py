"""Exact Shapley values: each player's share of what all players gain together."""

from collections.abc import Mapping
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Float


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
