import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.metrics.significance import holm, sign_flip_test


def exact(first, second):
    """All sign patterns of a few clips."""
    d = np.array(first) - np.array(second)
    means = [abs(np.dot(s, d)) for s in itertools.product((-1, 1), repeat=len(d))]
    return np.mean([m >= abs(d.sum()) - 1e-12 for m in means])


@pytest.mark.parametrize("seed", range(4))
def test_p_is_the_share_of_sign_patterns_as_extreme(seed):
    random = np.random.default_rng(seed)
    first, second = random.normal(size=8) + 0.5, random.normal(size=8)
    assert sign_flip_test(first, second) == pytest.approx(exact(first, second), abs=0.02)


def test_equal_systems_are_not_different_and_unequal_ones_are():
    errors = np.random.default_rng(0).normal(size=300)
    assert sign_flip_test(errors, errors) == 1
    assert sign_flip_test(errors, errors + 0.5) == pytest.approx(1e-4)
    assert sign_flip_test(errors + 0.5, errors) == pytest.approx(1e-4)


def test_p_is_uniform_where_neither_is_better():
    random = np.random.default_rng(1)
    result = [
        sign_flip_test(random.normal(size=40), random.normal(size=40), resamples=199)
        for _ in range(200)
    ]
    assert 0.01 < np.mean(np.array(result) <= 0.05) < 0.1


def test_holm_by_hand():
    corrected = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.5})
    assert corrected == pytest.approx({"a": 0.04, "c": 0.09, "b": 0.09, "d": 0.5})
    assert holm({}) == {}


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8))
def test_holm_only_raises_and_keeps_the_order(p_values):
    corrected = holm(p_values)
    assert corrected.keys() == p_values.keys()
    assert all(p_values[name] <= corrected[name] <= 1 for name in p_values)
    order = sorted(p_values, key=lambda name: p_values[name])
    assert [corrected[n] for n in order] == sorted(corrected.values())
