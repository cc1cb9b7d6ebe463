import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.health import sampling
from deadpan.data.health.sampling import (
    Sample,
    label_edges,
    length_histogram,
    second_histogram,
    summary,
)


def steps(first, count):
    return np.arange(first, first + count, dtype=np.float32).reshape(-1, 1)


def filled(lengths, most):
    sample, first = Sample(1), 0
    sample.most = most
    for index, length in enumerate(lengths):
        sample.add(steps(first, length), fitted=index % 2 == 0)
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
    clip = steps(0, 4)
    sample = Sample(1)
    sample.add(clip, fitted=True)
    clip[:] = -1
    assert sample.steps()[:, 0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(("width", "most"), [(1, 100_000), (300, 100_000), (3000, 10_000)])
def test_memory_is_bounded_whatever_the_width(width, most):
    assert Sample(width).most == most
    assert Sample(10 * sampling.VALUES).most == 2


def test_a_summary():
    assert summary([1, 3, 8, 4]) == {"min": 1, "median": 3.5, "mean": 4, "max": 8}


def test_lengths_that_fit_have_a_bin_each():
    assert length_histogram([3, 5, 5, 6]) == {"edges": [3, 4, 5, 6, 7], "counts": [1, 0, 2, 1]}
    assert length_histogram([6, 6]) == {"edges": [6, 7], "counts": [2]}


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=50))
def test_every_length_is_in_one_of_few_bins_of_equal_width(steps):
    bins = length_histogram(steps)
    edges = np.array(bins["edges"])
    assert len(bins["counts"]) == len(edges) - 1 <= 20
    assert len(set(np.diff(edges))) == 1
    assert edges[0] == min(steps)
    assert edges[-2] <= max(steps) < edges[-1]
    for low, high, count in zip(edges[:-1], edges[1:], bins["counts"], strict=True):
        assert count == sum(low <= length < high for length in steps)


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
    assert len(edges) == 8
    assert np.histogram(values, edges)[0].sum() == len(values)


def test_a_label_alone_is_in_the_middle():
    assert label_edges(np.array([2.0, 2.0]))[[0, -1]] == pytest.approx([1, 3])
    assert label_edges(np.zeros(1))[[0, -1]] == pytest.approx([-0.5, 0.5])
