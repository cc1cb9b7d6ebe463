import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.dataset import Clip
from deadpan.data.health import modalities
from deadpan.data.health.inspection import label_edges
from deadpan.data.health.modalities import (
    ModalityStatistics,
    Sample,
    length_histogram,
    measure_scaling,
    second_histogram,
    summary,
)
from deadpan.data.normalization import fit_normalizer


def stream(*clips):
    made = ModalityStatistics(2)
    for index, (split, steps) in enumerate(clips):
        made.add(index, split, np.array(steps, np.float32).reshape(-1, 2), bytes([index]))
    return made


CLIPS = (
    ("train", [[0, 5], [2, 5]]),
    ("train", [[1, 5], [1, 5]]),
    ("test", [[0, 0], [-3, 9], [0, 0]]),
    ("test", []),
    ("train", [[1, 5]]),
)


def test_steps_are_counted():
    counted = stream(*CLIPS)
    assert counted.lengths == {"train": [2, 2, 1], "valid": [], "test": [3, 0]}
    assert (counted.zero_steps, counted.zero_clips) == (2, 1)
    assert counted.constant == [1]  # one step alone is no constant clip
    assert len(counted.digests) == 5


def test_extremes_know_their_clips():
    everywhere = stream(*CLIPS).over_all()
    assert everywhere.low.tolist() == [-3, 0]
    assert everywhere.high.tolist() == [2, 9]
    assert everywhere.low_clip.tolist() == [2, 2]
    assert everywhere.high_clip.tolist() == [0, 2]


def test_constants_are_those_of_train():
    counted = stream(*CLIPS)
    assert counted.fitted().constant.tolist() == [False, True]
    assert not counted.over_all().constant.any()
    without_train = stream(("test", [[1, 2], [1, 3]]))
    assert without_train.fitted().constant.tolist() == [True, False]


def test_the_farthest_value_on_either_side():
    everywhere = stream(*CLIPS).over_all()
    worst = everywhere.farthest(np.array([0.0, 5.0]), np.array([1.0, 4.0]))
    assert worst == (0, 2, -3, 3)
    worst = everywhere.farthest(np.array([0.0, 4.5]), np.array([9.0, 1.0]))
    assert worst == (1, 2, 0, 4.5)
    worst = everywhere.farthest(np.array([0.0, 4.0]), np.array([9.0, 1.0]))
    assert worst == (1, 2, 9, 5)


def counted_steps(first, count):
    return np.arange(first, first + count, dtype=np.float32).reshape(-1, 1)


def filled(lengths, most):
    sample, first = Sample(1), 0
    sample.most = most
    for index, length in enumerate(lengths):
        sample.add(counted_steps(first, length), fitted=index % 2 == 0)
        first += length
    return sample


@given(st.lists(st.integers(0, 40), max_size=20), st.integers(2, 30))
def test_steps_kept_are_evenly_spaced_and_never_too_many(lengths, most):
    sample = filled(lengths, most)
    wanted = np.arange(0, sum(lengths), sample.every)
    assert sample.steps()[:, 0].tolist() == wanted.tolist()
    assert len(sample) == len(wanted) <= most
    if sample.every > 1:
        assert len(sample) >= most // 2
    whose = np.repeat(np.arange(len(lengths)), lengths)[:: sample.every]
    assert sample.fitted().tolist() == (whose % 2 == 0).tolist()


def test_all_steps_are_kept_while_they_are_few():
    sample = filled([3, 4], 7)
    assert sample.every == 1
    assert sample.steps()[:, 0].tolist() == list(range(7))


def test_a_sample_holds_no_view_of_a_clip():
    clip = counted_steps(0, 4)
    sample = Sample(1)
    sample.add(clip, fitted=True)
    clip[:] = -1
    assert sample.steps()[:, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("width", "most"), [(1, 100_000), (300, 100_000), (3000, 10_000)])
def test_memory_is_bounded_whatever_the_width(width, most):
    assert Sample(width).most == most
    assert Sample(10 * modalities.VALUES).most == 2


def test_a_summary():
    assert summary([1, 3, 8, 4]) == {"min": 1, "median": 3.5, "mean": 4, "max": 8}


def test_lengths_that_fit_have_a_bin_each():
    assert length_histogram([3, 5, 5, 6]) == {"edges": [3, 4, 5, 6, 7], "counts": [1, 0, 2, 1]}
    assert length_histogram([6, 6]) == {"edges": [6, 7], "counts": [2]}


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=50))
def test_every_length_is_in_one_of_few_bins_of_equal_width(counted_steps):
    bins = length_histogram(counted_steps)
    edges = np.array(bins["edges"])
    assert len(bins["counts"]) == len(edges) - 1 <= 20
    assert len(set(np.diff(edges))) == 1
    assert edges[0] == min(counted_steps)
    assert edges[-2] <= max(counted_steps) < edges[-1]
    for low, high, count in zip(edges[:-1], edges[1:], bins["counts"], strict=True):
        assert count == sum(low <= length < high for length in counted_steps)


@given(st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=50))
def test_every_duration_is_in_a_bin(seconds):
    bins = second_histogram(seconds)
    assert sum(bins["counts"]) == len(seconds)
    assert bins["edges"][0] == 0
    assert bins["edges"][-1] == (max(seconds) or 1)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_every_label_is_in_a_bin(values):
    values = np.array(values, np.float64)
    edges = label_edges(values)
    whole = (values == np.floor(values)).all() and np.ptp(values) < 11
    assert len(edges) == 8 or (whole and len(edges) == np.ptp(values) + 2)
    assert np.histogram(values, edges)[0].sum() == len(values)


def test_a_label_alone_is_in_the_middle():
    assert label_edges(np.array([2.5, 2.5]))[[0, -1]] == pytest.approx([1.25, 3.75])
    assert label_edges(np.array([0.5]))[[0, -1]] == pytest.approx([0, 1])


def test_few_whole_numbers_have_a_bin_each():
    assert label_edges(np.array([1.0, 5, 3])).tolist() == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]
    assert label_edges(np.array([0.0, 1])).tolist() == [-0.5, 0.5, 1.5]
    assert label_edges(np.array([2.0, 2])).tolist() == [1.5, 2.5]
    for values in ([0.0, 11], [0.0, 0.5], [1e300, 1e300], [2.0**60, 2.0**60 + 1024]):
        assert len(label_edges(np.array(values))) == 8


def sample_of(*clips):
    sample = Sample(clips[0][0].shape[1])
    for steps, fitted in clips:
        sample.add(steps, fitted=fitted)
    return sample


@given(st.integers(0, 1000), st.integers(1, 40))
def test_it_scales_as_training_does(seed, width):
    random = np.random.default_rng(seed)
    train, other = (random.standard_cauchy((50, width)).astype(np.float32) for _ in range(2))
    robust = measure_scaling(sample_of((train, True), (other, False)))
    clip = Clip(id="a", sequences={"audio": train}, label=np.zeros(1, np.float32))
    wanted = fit_normalizer([clip], {"audio": width}, "robust")
    np.testing.assert_array_equal(robust.centers, wanted.centers["audio"])
    np.testing.assert_array_equal(robust.scales, wanted.scales["audio"])
    away = np.abs(np.concatenate([train, other]) - robust.centers) / robust.scales
    assert robust.cut == pytest.approx((away > 5).mean())
    assert robust.far == pytest.approx((away > 10).mean())


def test_shares_worked_by_hand():
    # Quartiles -1 and 1: the deviation is 2 / 1.349 = 1.483; 5 are 7.4, and 10 are 14.8.
    train = np.float32([-1, -1, 0, 1, 1]).reshape(-1, 1)
    other = np.float32([7, -8, 14, 15, 1e30]).reshape(-1, 1)
    robust = measure_scaling(sample_of((train, True), (other, False)))
    assert robust.centers.tolist() == [0]
    assert robust.scales == pytest.approx([2 / 1.349])
    assert (robust.cut, robust.far) == (0.4, 0.2)


def test_without_training_steps_all_count():
    steps = np.float32([-1, -1, 0, 1, 1]).reshape(-1, 1)
    assert measure_scaling(sample_of((steps, False))).scales == pytest.approx([2 / 1.349])
