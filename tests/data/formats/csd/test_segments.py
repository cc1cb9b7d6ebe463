import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.formats.csd.segments import EPSILON, align_to_words, overlapping_steps

from .computational_sequences import in_a_row


def test_steps_belong_to_every_target_they_share_time_with():
    steps = in_a_row(0, 1, 2, 3, 4)
    targets = np.array([[0.5, 2], [2, 2.5], [2.5, 9], [4, 5], [-1, 0]])
    found = [indices.tolist() for indices in overlapping_steps(steps, targets)]
    assert found == [[0, 1], [2], [2, 3], [], []]


def test_what_counts_as_nothing():
    steps = np.array([[0, 1], [1, 1], [1, 2]], dtype=float)
    for shared, wanted in ((0.5 * EPSILON, [2]), (2 * EPSILON, [0, 2])):
        (found,) = overlapping_steps(steps, np.array([[1 - shared, 2]]))
        assert found.tolist() == wanted  # a step without duration belongs to none
    assert [len(found) for found in overlapping_steps(steps, np.array([[0.5, 0.5]]))] == [0]
    assert overlapping_steps(steps[:0], np.array([[0.0, 1.0]]))[0].tolist() == []


def test_steps_come_in_order_of_time():
    steps = np.array([[3, 4], [1, 2], [0, 9], [2, 3]], dtype=float)
    (found,) = overlapping_steps(steps, np.array([[1.5, 3.5]]))
    assert found.tolist() == [2, 1, 3, 0]


times = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 10)).map(lambda t: [t[0] / 4, (t[0] + t[1]) / 4]),
    max_size=12,
).map(lambda rows: np.array(rows, dtype=float).reshape(-1, 2))


@given(steps=times, targets=times)
def test_the_rule_is_that_of_the_sdk(steps, targets):
    for (start, end), found in zip(targets, overlapping_steps(steps, targets), strict=True):
        wanted = [
            index
            for index, (first, last) in enumerate(steps)
            if min(last, end) - max(first, start) > EPSILON
        ]
        assert sorted(found.tolist()) == wanted
        assert (np.diff(steps[found][:, 0]) >= 0).all()


def test_frames_collapse_into_words():
    frames = np.array([[1.0, 10], [3, 20], [5, 60], [7, 0]])
    words = np.array([[0, 1], [0.9, 2.1], [6, 7], [3, 4]])
    rows, has = align_to_words(frames, in_a_row(0, 1, 2, 3, 4), words)
    np.testing.assert_array_equal(rows, [[1, 10], [3, 30], [0, 0], [7, 0]])
    assert has.tolist() == [True, True, False, True]
    rows, _ = align_to_words(frames, in_a_row(0, 1, 2, 3, 4), words, collapse="max")
    np.testing.assert_array_equal(rows, [[1, 10], [5, 60], [0, 0], [7, 0]])


def test_what_is_not_finite_stays_so():
    frames = np.array([[np.nan, -np.inf, np.inf], [1, 1, -np.inf]], dtype=np.float32)
    rows, _ = align_to_words(frames, in_a_row(0, 1, 2), np.array([[0.0, 2.0]]))
    assert str(rows.tolist()) == "[[nan, -inf, nan]]"


def test_without_words_or_frames():
    rows, has = align_to_words(np.ones((2, 3)), in_a_row(0, 1, 2), np.zeros((0, 2)))
    assert (rows.shape, has.tolist()) == ((0, 3), [])
    rows, has = align_to_words(np.ones((0, 3)), np.zeros((0, 2)), np.array([[0.0, 1.0]]))
    assert (rows.tolist(), has.tolist()) == ([[0, 0, 0]], [False])


def test_only_known_ways_to_collapse():
    with pytest.raises(KeyError):
        align_to_words(np.ones((1, 1)), in_a_row(0, 1), np.array([[0.0, 1.0]]), collapse="median")
