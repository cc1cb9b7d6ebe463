import math

import numpy as np
import pytest

from deadpan.metrics.ranks import rank_correlation


@pytest.mark.parametrize(
    ("second", "wanted"), [([10, 20, 30], 1), ([3, 2, 1], -1), ([1, 3, 2], 0.5)]
)
def test_by_hand(second, wanted):
    assert rank_correlation(np.array([1.0, 2, 9]), np.array(second, float)) == pytest.approx(wanted)


def slow_ranks(values):
    return [
        sum(other < x for other in values) + sum(other == x for other in values) / 2 for x in values
    ]


def test_ties_share_their_mean_rank():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 5, (2, 40)).astype(float)
    wanted = np.corrcoef(slow_ranks(first), slow_ranks(second))[0, 1]
    assert rank_correlation(first, second) == pytest.approx(wanted)


@pytest.mark.parametrize("first", [[], [1.0], [2.0, 2.0]])
def test_without_an_order_there_is_none(first):
    assert math.isnan(rank_correlation(np.array(first), np.array(first)))
