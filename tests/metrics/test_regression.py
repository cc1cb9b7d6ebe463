import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr
from sklearn.metrics import f1_score

from deadpan.metrics import regression

ALL = (
    regression.mean_absolute_error,
    regression.pearson_correlation,
    regression.accuracy_7,
    regression.accuracy_5,
    regression.accuracy_2_non0,
    regression.f1_non0,
    regression.accuracy_2_has0,
    regression.f1_has0,
)
SCORES = arrays(np.float64, 12, elements=st.floats(-4, 4, width=16))


def scores(*values):
    return np.array(values, dtype=np.float64)


def test_mean_absolute_error_by_hand():
    assert regression.mean_absolute_error(scores(1, -2, 0), scores(0.5, 1, 0)) == pytest.approx(
        3.5 / 3
    )


def test_pearson_correlation_by_hand():
    # Deviations (-1, 0, 1) and (-1, 1, 0): 1 / sqrt(2 * 2).
    assert regression.pearson_correlation(scores(1, 2, 3), scores(0, 2, 1)) == pytest.approx(0.5)
    assert regression.pearson_correlation(scores(1, 2, 3), scores(3, 1, -1)) == pytest.approx(-1)


@pytest.mark.parametrize("value", [0.0, 0.1, -2.7])
def test_pearson_correlation_of_a_constant_is_zero(value):
    # The mean of 0.1s is not exactly 0.1: the residue must not be correlated with anything.
    constant, label = np.full(7, value), np.arange(7.0)
    assert regression.pearson_correlation(constant, label) == 0
    assert regression.pearson_correlation(label, constant) == 0


def test_predictions_that_vary_by_a_rounding_are_constant():
    label = np.random.default_rng(0).uniform(-3, 3, 200)
    for value in (0.3, -2.7, 1e-6):
        collapsed = np.float32(value)
        rounded = np.where(label > 1, np.nextafter(collapsed, np.float32(1)), collapsed)
        assert np.ptp(rounded) > 0
        assert regression.pearson_correlation(rounded.astype(float), label) == 0
        assert regression.pearson_correlation(label, rounded.astype(float)) == 0
        (undefined,) = regression.correlations_per_label(label[:, None], rounded[:, None])
        assert math.isnan(undefined)
    slight = 0.3 + 1e-5 * (label > 1)  # a difference that no rounding makes
    assert regression.pearson_correlation(slight, label) > 0.5


@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e200])
def test_pearson_correlation_does_not_depend_on_scale(scale):
    x, y = np.random.default_rng(1).normal(size=(2, 30))
    expected = pearsonr(x, y).statistic
    assert regression.pearson_correlation(scale * x, y) == pytest.approx(expected)
    assert regression.pearson_correlation(scale * x + 5 * scale, y) == pytest.approx(expected)


@given(SCORES, SCORES)
def test_pearson_correlation_is_symmetric_and_bounded(x, y):
    r = regression.pearson_correlation(x, y)
    assert -1 <= r <= 1
    assert regression.pearson_correlation(y, x) == pytest.approx(r)


@pytest.mark.parametrize(
    ("prediction", "rounded"),
    [
        (0.5, 0),
        (1.5, 2),
        (2.5, 2),
        (-0.5, 0),
        (-1.5, -2),
        (-2.5, -2),
        (0.51, 1),
        (-9.0, -3),
        (9, 3),
    ],
)
def test_accuracy_7_rounds_half_to_even_and_clips(prediction, rounded):
    for label in range(-3, 4):
        hit = regression.accuracy_7(scores(prediction), scores(label))
        assert hit == (label == rounded)
        assert regression.accuracy_7(scores(label), scores(prediction)) == hit


def test_accuracy_7_keeps_clips_labelled_zero():
    assert regression.accuracy_7(scores(0.2, 1, 1, 1), scores(0, 2, 2, 2)) == 0.25


def test_accuracy_5_clips_both_sides_to_two():
    prediction, label = scores(2, 9, 1, -3, 0.5), scores(3, 2.5, 2, -2, 0)
    assert regression.accuracy_5(prediction, label) == pytest.approx(4 / 5)
    assert regression.accuracy_7(prediction, label) == pytest.approx(1 / 5)


def test_two_conventions_of_accuracy_2_and_f1_by_hand():
    prediction, label = scores(0.3, -0.2, 0.0, 1.0, -1.0), scores(1, 0, -2, 0, -0.4)
    # non0 keeps clips 1, 3, 5; a prediction of exactly 0 is not positive there: all right.
    assert regression.accuracy_2_non0(prediction, label) == 1
    assert regression.f1_non0(prediction, label) == 1
    # has0: predicted + - + + -, true + + - + -. F1 of + is 2/3, of - is 1/2.
    assert regression.accuracy_2_has0(prediction, label) == pytest.approx(3 / 5)
    assert regression.f1_has0(prediction, label) == pytest.approx(3 / 5 * 2 / 3 + 2 / 5 * 1 / 2)


def test_f1_takes_its_weights_from_the_labels():
    prediction, label = scores(1, 1, 1, 1), scores(1, 1, 1, -1)
    # Swapped as in MulT's code it would be 6/7.
    for f1 in (regression.f1_non0, regression.f1_has0):
        assert f1(prediction, label) == pytest.approx(3 / 4 * 6 / 7)
        assert f1(label, prediction) == pytest.approx(6 / 7)


def test_agrees_with_scipy_and_sklearn_on_random_scores():
    rng = np.random.default_rng(2)
    for _ in range(20):
        x = rng.normal(size=60)
        y = np.round(rng.normal(size=60) + 0.5 * x, 1) * (rng.random(60) > 0.2)
        assert (y == 0).any()
        signed = [i for i in range(60) if y[i] != 0]
        non0 = [y[i] > 0 for i in signed], [x[i] > 0 for i in signed]
        has0 = [v >= 0 for v in y], [v >= 0 for v in x]
        assert regression.pearson_correlation(x, y) == pytest.approx(pearsonr(x, y).statistic)
        assert regression.f1_non0(x, y) == pytest.approx(f1_score(*non0, average="weighted"))
        assert regression.f1_has0(x, y) == pytest.approx(f1_score(*has0, average="weighted"))


def test_non0_is_undefined_where_every_label_is_zero():
    prediction, label = scores(1, -1), scores(0, -0.0)
    assert math.isnan(regression.accuracy_2_non0(prediction, label))
    assert math.isnan(regression.f1_non0(prediction, label))
    assert regression.accuracy_2_has0(prediction, label) == 0.5


@given(SCORES)
def test_the_labels_themselves_score_best(y):
    for share in ALL[2:]:
        assert share(y, y) == 1 or math.isnan(share(y, y))
    assert regression.mean_absolute_error(y, y) == 0
    assert regression.pearson_correlation(y, y) == pytest.approx(0 if np.ptp(y) == 0 else 1)


@given(SCORES, SCORES, st.permutations(range(12)))
def test_the_order_of_clips_does_not_matter(x, y, order):
    for metric in ALL:
        shuffled = metric(x[list(order)], y[list(order)])
        assert shuffled == pytest.approx(metric(x, y), nan_ok=True)


LABELS = np.array([[0.0, 10.0], [2.0, 10.0], [1.0, 10.0]])
PREDICTIONS = np.array([[1.0, 13.0], [2.0, 10.0], [3.0, 4.0]])


def test_several_labels_by_hand():
    assert regression.errors_per_label(PREDICTIONS, LABELS) == pytest.approx((1, 3))
    # Deviations (-1, 1, 0) and (-1, 0, 1): 1 / sqrt(2 * 2); the second truth never changes.
    first, second = regression.correlations_per_label(PREDICTIONS, LABELS)
    assert first == pytest.approx(0.5)
    assert math.isnan(second)


def test_a_constant_prediction_of_a_label_has_a_correlation_of_zero():
    assert regression.correlations_per_label(LABELS, PREDICTIONS)[1] == 0


def test_one_clip_has_an_error_and_no_correlation():
    assert regression.errors_per_label(PREDICTIONS[:1], LABELS[:1]) == (1, 3)
    assert all(map(math.isnan, regression.correlations_per_label(PREDICTIONS[:1], LABELS[:1])))


def test_several_labels_agree_with_scipy():
    true, predicted = np.random.default_rng(0).normal(size=(2, 40, 3))
    reference = [pearsonr(t, p).statistic for t, p in zip(true.T, predicted.T, strict=True)]
    assert regression.correlations_per_label(predicted, true) == pytest.approx(reference)


def test_the_mean_leaves_out_what_is_undefined():
    assert regression.mean_without_nan((0.5, math.nan, -0.25)) == 0.125
    assert math.isnan(regression.mean_without_nan((math.nan,)))
