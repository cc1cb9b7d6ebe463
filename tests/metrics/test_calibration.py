import math

import numpy as np
import pytest

from deadpan.metrics.calibration import (
    abstention_curve,
    abstention_points,
    expected_calibration_error,
    reliability_bins,
)


def test_bins_and_their_error_by_hand():
    probabilities = np.array([0.0, 0.05, 0.1, 0.95, 1.0])
    bins = reliability_bins(probabilities, np.array([False, True, False, True, True]))
    assert [part.clips for part in bins] == [2, 1, 0, 0, 0, 0, 0, 0, 0, 2]
    assert (bins[0].probability, bins[0].share) == (0.025, 0.5)
    assert math.isnan(bins[2].share)
    assert (bins[0].low, bins[-1].high) == (0, 1)
    # |0.025 - 0.5| of two clips, 0.1 of one, 0.025 of two.
    assert expected_calibration_error(bins) == pytest.approx((2 * 0.475 + 0.1 + 2 * 0.025) / 5)


def test_right_probabilities_have_hardly_an_error_and_no_clip_has_none():
    random = np.random.default_rng(0)
    probabilities = random.uniform(size=20_000)
    outcomes = random.uniform(size=20_000) < probabilities
    assert expected_calibration_error(reliability_bins(probabilities, outcomes)) < 0.015
    assert math.isnan(expected_calibration_error(reliability_bins(np.zeros(0), np.zeros(0, bool))))


def test_the_most_certain_come_first():
    curve = abstention_curve(np.array([3.0, 1, 2]), np.array([0.1, 0.9, 0.5]))
    assert curve == pytest.approx([1, 1.5, 2])


def test_ties_count_their_mean_in_any_order():
    values, certainty = np.array([4.0, 0, 2, 6]), np.array([1.0, 1, 1, 0])
    wanted = [2, 2, 2, 3]
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]):
        assert abstention_curve(values[order], certainty[order]) == pytest.approx(wanted)


def test_certainties_that_differ_by_rounding_alone_are_ties():
    radius, predictions = 0.1, np.linspace(-3, 3, 50)
    widths = (predictions + radius) - (predictions - radius)
    assert len(set(widths)) > 1
    values = np.arange(51.0)
    curve = abstention_curve(values, -np.append(widths, 2.0))
    assert curve == pytest.approx([24.5] * 50 + [25])


def test_where_all_are_as_certain_there_is_no_curve():
    values = np.array([4.0, 0, 2, 6])
    for certainty in (np.zeros(4), np.full(4, -2.0), 0.3 + np.array([0, 1, -1, 0]) * 1e-16):
        assert abstention_curve(values, certainty) is None
    assert abstention_curve(values[:1], np.array([0.4])) is None


def test_points_end_with_all_clips():
    for clips in (1, 7, 20, 300):
        curve = np.arange(clips, dtype=float)
        points = abstention_points(curve)
        assert len(points) == min(clips, 20)
        assert (points[-1].share, points[-1].value) == (1, clips - 1)
        assert all(0 < point.share <= 1 for point in points)
