import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.health import sampling
from deadpan.data.health.sampling import Sample


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
