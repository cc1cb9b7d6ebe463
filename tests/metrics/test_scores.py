import math

import numpy as np
import pytest
from scipy.stats import pearsonr

from deadpan.metrics import scores

TRUE = np.array([[0.0, 10.0], [2.0, 10.0], [1.0, 10.0]])
SAID = np.array([[1.0, 13.0], [2.0, 10.0], [3.0, 4.0]])


def test_by_hand():
    assert scores.mean_absolute_errors(TRUE, SAID) == pytest.approx((1, 3))
    # Deviations (-1, 1, 0) and (-1, 0, 1): 1 / sqrt(2 * 2); the second truth never changes.
    first, second = scores.pearson_correlations(TRUE, SAID)
    assert first == pytest.approx(0.5)
    assert math.isnan(second)


def test_a_constant_prediction_has_a_correlation_of_zero():
    assert scores.pearson_correlations(SAID, TRUE)[1] == 0


def test_one_clip_has_an_error_and_no_correlation():
    assert scores.mean_absolute_errors(TRUE[:1], SAID[:1]) == (1, 3)
    assert all(map(math.isnan, scores.pearson_correlations(TRUE[:1], SAID[:1])))


def test_agrees_with_scipy():
    true, said = np.random.default_rng(0).normal(size=(2, 40, 3))
    wanted = [pearsonr(t, s).statistic for t, s in zip(true.T, said.T, strict=True)]
    assert scores.pearson_correlations(true, said) == pytest.approx(wanted)


def test_the_mean_leaves_out_what_is_undefined():
    assert scores.mean_of_known((0.5, math.nan, -0.25)) == 0.125
    assert math.isnan(scores.mean_of_known((math.nan,)))
