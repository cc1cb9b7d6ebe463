import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.metrics.shapley import shapley_values


def subsets(players):
    sizes = range(len(players) + 1)
    return [frozenset(c) for size in sizes for c in itertools.combinations(players, size)]


def by_orders(values, players):
    """The definition: what each adds as it joins, over every order of joining."""
    shares = dict.fromkeys(players, 0.0)
    orders = list(itertools.permutations(players))
    for order in orders:
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            shares[player] += (values[before | {player}] - values[before]) / len(orders)
    return shares


games = st.integers(1, 4).flatmap(
    lambda n: st.lists(st.floats(-5, 5), min_size=2**n, max_size=2**n)
)


@given(games)
def test_shares_are_means_over_orders_and_add_up(numbers):
    players = "abcd"[: len(numbers).bit_length() - 1]
    values = {which: np.array(x) for which, x in zip(subsets(players), numbers, strict=True)}
    result = shapley_values(values)
    assert result == pytest.approx(by_orders(values, players), abs=1e-9)
    whole = values[frozenset(players)] - values[frozenset()]
    assert sum(result.values()) == pytest.approx(whole, abs=1e-9)


def test_by_hand_for_many_clips_at_once():
    # a brings 6 alone, b brings 2, together 10: the 2 that come of both are halved.
    values = {"": (0, 1), "a": (6, 1), "b": (2, 1), "ab": (10, 1)}
    result = shapley_values({frozenset(k): np.array(v, float) for k, v in values.items()})
    np.testing.assert_allclose(result["a"], [7, 0])
    np.testing.assert_allclose(result["b"], [3, 0])


def test_equal_players_get_the_same_and_a_useless_one_nothing():
    # The value counts a and b together, squared; c changes nothing.
    values = {w: np.array(float(len(w - {"c"}) ** 2)) for w in subsets("abc")}
    result = shapley_values(values)
    assert result["a"] == result["b"] == 2
    assert result["c"] == 0


def test_a_subset_without_a_value_is_refused():
    with pytest.raises(KeyError):
        shapley_values({frozenset(): np.zeros(1), frozenset("ab"): np.ones(1)})
