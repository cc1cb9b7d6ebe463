import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.metrics.ranks import rank_correlation, roc_auc


@pytest.mark.parametrize(
    ("second", "expected"), [([10, 20, 30], 1), ([3, 2, 1], -1), ([1, 3, 2], 0.5)]
)
def test_by_hand(second, expected):
    assert rank_correlation(np.array([1.0, 2, 9]), np.array(second, float)) == pytest.approx(
        expected
    )


def slow_ranks(values):
    return [
        sum(other < x for other in values) + sum(other == x for other in values) / 2 for x in values
    ]


def test_ties_share_their_mean_rank():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 5, (2, 40)).astype(float)
    expected = np.corrcoef(slow_ranks(first), slow_ranks(second))[0, 1]
    assert rank_correlation(first, second) == pytest.approx(expected)


@pytest.mark.parametrize("first", [[], [1.0], [2.0, 2.0]])
def test_without_an_order_there_is_none(first):
    assert math.isnan(rank_correlation(np.array(first), np.array(first)))


def pairs_above(positive, negative):
    """The same by its definition, pair by pair."""
    scores = [(p > n) + 0.5 * (p == n) for p, n in itertools.product(positive, negative)]
    return float(np.mean(scores))


def array(*values):
    return np.array(values, dtype=np.float64)


def test_roc_auc_by_hand():
    assert roc_auc(array(3, 1), array(2, 0)) == 0.75
    assert roc_auc(array(1, 1), array(1)) == 0.5
    assert np.isnan(roc_auc(array(), array(1)))
    assert np.isnan(roc_auc(array(1), array()))


few = st.lists(st.integers(-3, 3), min_size=1, max_size=7)


@given(few, few)
def test_roc_auc_is_the_share_of_pairs(positive, negative):
    result = roc_auc(array(*positive), array(*negative))
    assert result == pytest.approx(pairs_above(positive, negative))
    assert result + roc_auc(array(*negative), array(*positive)) == pytest.approx(1)


def test_values_that_vary_by_a_rounding_have_no_order():
    truth = np.arange(20.0)
    value = np.float32(0.3)
    rounded = np.where(truth > 9, np.nextafter(value, np.float32(1)), value).astype(float)
    assert math.isnan(rank_correlation(rounded, truth))
    assert math.isnan(rank_correlation(truth, rounded))
    assert roc_auc(rounded[10:], rounded[:10]) == 0.5
