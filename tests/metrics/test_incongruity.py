import numpy as np
import pytest

from deadpan.metrics.incongruity import (
    degree,
    disagreement,
    localisation,
    mean_by,
    pointing,
    sign_calibration_error,
    sign_flips,
    sign_reliability,
    view_distance,
)


def array(*values):
    return np.array(values, dtype=np.float64)


def test_localisation_by_hand():
    salience = array(0.1, 0.4, 0.2, 0.3)
    assert localisation(salience, (1, 3)) == 1
    assert localisation(salience, (0,)) == 0
    assert localisation(salience, (2,)) == pytest.approx(1 / 3)
    assert localisation(np.ones(5), (2, 3)) == 0.5
    assert np.isnan(localisation(salience, ()))
    assert np.isnan(localisation(salience, (0, 1, 2, 3)))


def test_pointing_by_hand():
    assert pointing(array(0.1, 0.9, 0.2), (1,)) == 1
    assert pointing(array(0.1, 0.9, 0.2), (0, 2)) == 0
    assert pointing(np.ones(4), (1,)) == 0.25  # all are tied: by chance
    assert np.isnan(pointing(np.ones(2), ()))
    assert np.isnan(pointing(np.ones(2), (0, 1)))


def test_the_distance_of_views_is_their_angle():
    first = array([1, 0], [0, 2], [3, 0], [1, 1])
    assert view_distance(first, 5 * first) == pytest.approx(0)
    assert view_distance(first, -first) == pytest.approx(2)
    assert view_distance(first[:1], array([0, 7])) == pytest.approx(1)
    # 0 and 90 degrees: (0 + 1) / 2.
    assert view_distance(first[:2], array([2, 0], [1, 0])) == pytest.approx(0.5)
    assert view_distance(first[:1], array([0, 0])) == 1  # a view of nothing
    assert np.isnan(view_distance(first[:0], first[:0]))


def test_the_degree_of_incongruity_by_hand():
    assert [degree(x) for x in (0.0, 0.01, 0.25, 0.49, 0.5, 1.0)] == [
        "none",
        "0.00 to 0.25",
        "0.25 to 0.50",
        "0.25 to 0.50",
        "0.50 to 0.75",
        "0.75 to 1.00",
    ]


def test_wrong_signs_by_hand():
    flips = sign_flips(array(1, -1, 0, 2, 3), array(2, 2, -1, -0.1, 0))
    np.testing.assert_array_equal(flips, [0, 1, 1, 1, np.nan])


def test_means_by_group_leave_out_what_is_not_known():
    result = mean_by(array(1, 3, np.nan, 5, np.nan), ["a", "a", "a", "b", "c"])
    assert result["a"] == 2
    assert result["b"] == 5
    assert np.isnan(result["c"])


def test_the_calibration_of_the_sign_by_hand():
    # Scores of 3 claim certainty: half of them are right, so the error is a half.
    assert sign_calibration_error(array(3, 3, -4, -9), array(1, -1, -1, 1)) == 0.5
    # Scores of 0 claim a half; sign(0) is never that of a label.
    assert sign_calibration_error(array(0, 0), array(1, -1)) == 0.5
    # One bin each: |1 - 0.75| and |0 - 1|, clips of label 0 left out.
    result = sign_calibration_error(array(1.5, 3, 3), array(1, -1, 0), bins=2)
    assert result == pytest.approx((0.25 + 1) / 2)
    assert np.isnan(sign_calibration_error(array(1), array(0)))


def test_a_calibrated_score_has_no_error_over_many_clips():
    random = np.random.default_rng(0)
    size = random.uniform(0, 3, 20_000)
    right = random.random(20_000) < 0.5 + size / 6
    label = random.choice([-1.0, 1.0], 20_000)
    assert sign_calibration_error(np.where(right, label, -label) * size, label) < 0.02


def test_the_size_of_a_score_is_reliable_where_larger_ones_are_right():
    label = array(1, 1, -1, -1)
    assert sign_reliability(array(3, -1, -3, 1), label) == 1
    assert sign_reliability(array(1, -3, -1, 3), label) == 0
    assert np.isnan(sign_reliability(label, label))


def test_disagreement_by_hand():
    alone = array([1, 2, 0], [-1, 2, 0], [0, 5, 0])
    np.testing.assert_array_equal(disagreement(alone), [2, 3, 0])
    np.testing.assert_array_equal(disagreement(alone[:1]), [0, 0, 0])


def test_scores_that_vary_by_a_rounding_are_calibrated_as_a_constant():
    label = np.where(np.arange(40) % 3 == 0, -1.0, 1.0)
    value = np.float32(0.3)
    rounded = np.where(label > 0, np.nextafter(value, np.float32(1)), value).astype(float)
    constant = np.full(40, float(value))
    assert sign_calibration_error(rounded, label) == pytest.approx(
        sign_calibration_error(constant, label)
    )
    assert sign_reliability(rounded, label) == 0.5
