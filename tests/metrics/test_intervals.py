import math

import numpy as np
import pytest
from scipy import stats

from deadpan.metrics.intervals import clip_variance, seed_interval, share_interval, weakest


def test_the_interval_of_seeds_is_students():
    effects = np.array([0.1, 0.3, 0.2, 0.25, 0.4])
    result = seed_interval(effects)
    low, high = stats.t.interval(0.95, 4, effects.mean(), stats.sem(effects))
    assert (result.estimate, result.low, result.high) == pytest.approx((0.25, low, high))
    assert result.p == pytest.approx(stats.ttest_1samp(effects, 0).pvalue)
    other = seed_interval(effects, null=0.5)
    assert other.p == pytest.approx(stats.ttest_1samp(effects, 0.5).pvalue)
    assert (other.low, other.null) == (result.low, 0.5)


def test_seeds_that_say_nothing_are_left_out_and_one_is_not_enough():
    with_nan = np.array([0.1, np.nan, 0.3])
    assert seed_interval(with_nan) == seed_interval(np.array([0.1, 0.3]))
    for effects in (np.array([0.1]), np.array([0.1, np.nan])):
        result = seed_interval(effects)
        assert result.estimate == 0.1
        assert math.isnan(result.low) and math.isnan(result.p)
    assert math.isnan(seed_interval(np.array([])).estimate)


def test_equal_effects_are_sure():
    assert seed_interval(np.full(3, 0.5)).p == 0
    assert seed_interval(np.zeros(3)).p == 1


def test_redrawn_clips_widen_the_interval():
    effects = np.array([0.1, 0.3, 0.2])
    narrow, wide = seed_interval(effects), seed_interval(effects, clip_variance=0.04)
    # Variances add: .01 / 3 + .04.
    ratio = math.sqrt((0.01 / 3 + 0.04) / (0.01 / 3))
    assert wide.high - 0.2 == pytest.approx(ratio * (narrow.high - 0.2))
    assert wide.p > narrow.p


def test_the_variance_of_redrawn_clips_is_that_of_their_mean():
    clips = np.random.default_rng(0).normal(size=200)
    result = clip_variance(lambda drawn: float(clips[drawn].mean()), 200)
    assert result == pytest.approx(clips.var() / 200, rel=0.15)
    assert result == clip_variance(lambda drawn: float(clips[drawn].mean()), 200)
    assert math.isnan(clip_variance(lambda drawn: math.nan, 200, resamples=9))


def test_nineteen_of_twenty_intervals_hold_the_truth():
    random = np.random.default_rng(1)
    result = [seed_interval(random.normal(0.3, 1, 5)) for _ in range(1000)]
    assert 0.93 < np.mean([x.low < 0.3 < x.high for x in result]) < 0.97
    assert 0.03 < np.mean([seed_interval(random.normal(0, 1, 5)).p < 0.05 for _ in result]) < 0.07


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (3, 5), (9, 10), (10, 10), (20, 25)])
def test_the_interval_of_a_share_is_wilsons(successes, trials):
    interval = share_interval(successes, trials, null=1 / 3)
    assert interval.estimate == successes / trials
    for end in (interval.low, interval.high):
        if end != pytest.approx(interval.estimate):  # an end at 0 or 1
            score = (interval.estimate - end) / math.sqrt(end * (1 - end) / trials)
            assert abs(score) == pytest.approx(stats.norm.ppf(0.975))
    assert interval.high - interval.low > 0.1
    assert interval.low - 1e-9 <= interval.estimate <= interval.high + 1e-9


def test_the_p_of_a_share_is_exact():
    assert share_interval(5, 5, null=0.5).p == pytest.approx(2 / 32)
    # At 1/4, five trials: 3, 4 or 5 successes have 90, 15 and 1 chances of 1024; 0 has 243.
    assert share_interval(3, 5, null=0.25).p == pytest.approx((90 + 15 + 1) / 1024)
    assert share_interval(1, 5, null=0.25).p == pytest.approx(1)


def test_no_trial_says_nothing():
    assert math.isnan(share_interval(0, 0, null=0.5).low)


def test_all_are_claimed_only_as_far_as_the_weakest():
    strong, weak = (seed_interval(np.array([x, x + 0.1, x + 0.2])) for x in (0.5, 0.1))
    unknown = seed_interval(np.array([9.0]))
    assert weakest([strong, weak]) is weak
    assert weakest([strong, unknown, weak]) is unknown
