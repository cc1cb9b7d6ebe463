from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis.extra import numpy as hnp

from deadpan.data.repair import finite


def test_what_is_not_finite_becomes_zero_and_is_counted():
    steps = np.array([[1, -np.inf, np.nan], [np.inf, -np.inf, -2]])
    repairs = Counter({"audio: NaN set to 0": 5})
    mended = finite(steps, modality="audio", repairs=repairs)
    np.testing.assert_array_equal(mended, [[1, 0, 0], [0, 0, -2]])
    assert mended.dtype == np.float32
    assert repairs == {
        "audio: -inf set to 0": 2,
        "audio: +inf set to 0": 1,
        "audio: NaN set to 0": 6,
    }
    assert np.isnan(steps).any(), "the caller's array is not written to"


def test_what_float32_cannot_hold_counts_as_infinite():
    repairs = Counter()
    mended = finite(np.array([[1e300, 1e30]]), modality="text", repairs=repairs)
    np.testing.assert_allclose(mended, [[0, 1e30]], rtol=1e-6)
    assert repairs == {"text: +inf set to 0": 1}


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0)))
def test_sound_values_stay_and_unsound_ones_are_all_counted(steps):
    repairs = Counter()
    mended = finite(steps, modality="vision", repairs=repairs)
    sound = np.isfinite(steps)
    np.testing.assert_array_equal(mended, np.where(sound, steps, 0))
    assert repairs.total() == (~sound).sum()
    assert not np.shares_memory(mended, steps)
