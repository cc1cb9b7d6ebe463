from collections import Counter

import numpy as np
import pytest

from deadpan.data.padding import real_steps


def array(*rows):
    """[clip, step, 1] of numbers."""
    return np.array(rows, np.float32)[..., None]


def steps(arrays, *, mask=None, lengths=None, aligned=False):
    """(first, end) of each clip of each modality, and what was counted."""
    repairs = Counter()
    given = {name: np.array(values, np.float64) for name, values in (lengths or {}).items()}
    mask = None if mask is None else np.array(mask, bool)
    ends = real_steps(arrays, mask=mask, lengths=given, aligned=aligned, repairs=repairs)
    return {
        name: [*zip(*map(np.ndarray.tolist, pair), strict=True)] for name, pair in ends.items()
    }, (dict(repairs))


@pytest.mark.parametrize(
    ("row", "length", "wanted", "repaired"),
    [
        ([1, 2, 0, 0], 2, (0, 2), ""),
        ([0, 2, 0, 0], 3, (0, 3), ""),  # zeros within the length are steps
        ([1, 2, 3, 4], 4, (0, 4), ""),
        ([0, 0, 3, 4], 2, (2, 4), ""),  # padded on the left
        ([0, 0, 0, 4], 2, (2, 4), ""),
        ([1, 2, 3, 4], 9, (0, 4), "beyond"),
        ([1, 2, 3, 4], np.inf, (0, 4), "beyond"),
        ([1, 0, 3, 0], 1, (0, 3), "leave out"),  # where the search for zeros stopped
        ([0, 1, 3, 0], 1, (1, 3), "leave out"),
        ([1, 0, 0, 0], 0, (0, 1), "leave out"),
        ([1, 0, 0, 0], -1, (0, 1), "leave out"),
        ([0, 0, 0, 0], 1, (0, 0), ""),  # what is written for clips without any
        ([0, 0, 0, 0], 9, (0, 0), ""),
        ([0, 0, 0, 0], -1, (0, 0), ""),
        ([0, np.nan, 0, 0], 2, (0, 2), ""),  # NaN is no zero
    ],
)
def test_lengths_are_followed_where_all_that_is_not_zero_fits(row, length, wanted, repaired):
    found, repairs = steps({"audio": array(row)}, lengths={"audio": [length]})
    assert found["audio"] == [wanted]
    assert [repaired in text for text in repairs] == [True] * bool(repaired)
    assert set(repairs.values()) <= {1}


@pytest.mark.parametrize(
    ("row", "mask", "wanted"),
    [
        ([1, 2, 3, 0], [1, 1, 1, 0], (0, 3)),
        ([0, 2, 3, 0], [1, 1, 1, 0], (0, 3)),
        ([1, 2, 3, 4], [1, 1, 0, 0], (0, 2)),  # BERT's output for padding
        ([1, 0, 0, 0], [1, 1, 1, 0], (0, 1)),  # a word without special tokens
        ([0, 0, 3, 4], [0, 0, 1, 1], (2, 4)),
        ([0, 2, 3, 0], [0, 0, 0, 0], (1, 3)),
        ([0, 0, 3, 4], [1, 1, 0, 0], (2, 4)),
        ([0, 0, 0, 0], [1, 1, 0, 0], (0, 0)),
    ],
)
def test_text_follows_the_mask_up_to_its_last_step_that_is_not_zero(row, mask, wanted):
    assert steps({"text": array(row)}, mask=[mask]) == ({"text": [wanted]}, {})


def test_aligned_sequences_have_the_steps_of_all():
    arrays = {
        "text": array([1, 2, 3, 4, 0], [1, 2, 0, 0, 0]),
        "audio": array([0, 2, 3, 0, 0], [0, 0, 0, 0, 0]),
    }
    found, _ = steps(arrays, mask=[[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], aligned=True)
    assert found == {"text": [(0, 4), (0, 2)], "audio": [(0, 4), (0, 0)]}
    assert steps({}, aligned=True) == ({}, {})
    assert steps({"text": np.zeros((2, 0, 3))}, aligned=True)[0] == {"text": [(0, 0), (0, 0)]}
