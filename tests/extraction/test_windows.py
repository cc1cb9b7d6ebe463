import numpy as np
import pytest

from deadpan.extraction.media import AudioBlock
from deadpan.extraction.sequences import Column
from deadpan.extraction.windows import WindowMeter

COLUMNS = tuple(
    Column(name=name, unit="", source="test", low=0.0, high=1e6) for name in ("first", "heard")
)
RATE = 16_000


def first_and_heard(samples, begin, steps):
    """The first sample of each step, and how many samples the whole window was given."""
    return np.array([[samples[begin + 10 * step], len(samples)] for step in range(steps)])


def measured(pieces, *, reach=0, window=20):
    """What a meter of steps of 10 samples makes of pieces of (start, samples)."""
    meter = WindowMeter(first_and_heard, columns=COLUMNS, step=10, window=window, reach=reach)
    for start, samples in pieces:
        meter.push(AudioBlock(time=start / RATE, samples=np.asarray(samples, np.float32)))
    return meter.finish()


def test_steps_stand_on_the_clock_and_windows_reach_to_either_side():
    sequence = measured([(0, range(505))], reach=30)
    assert (sequence.rate, sequence.first) == (RATE / 10, 0)
    assert sequence.values[:, 0].tolist() == [10 * step for step in range(51)]
    assert sequence.values[::20, 1].tolist() == [230, 260, 135]
    assert sequence.present.all()
    assert sequence.confidence.tolist() == [1] * 51


@pytest.mark.parametrize("size", [1, 7, 10, 199, 505])
def test_how_sound_is_cut_into_blocks_changes_nothing(size):
    whole = measured([(0, range(505))], reach=30)
    blocks = [(start, range(start, min(start + size, 505))) for start in range(0, 505, size)]
    assert np.array_equal(measured(blocks, reach=30).values, whole.values)


def test_what_begins_late_begins_with_a_whole_step():
    sequence = measured([(13, range(13, 50))])
    assert sequence.first == 2
    assert sequence.values[:, 0].tolist() == [20, 30, 40]


def test_a_gap_is_absent_and_nothing_reaches_over_it():
    sequence = measured([(0, range(100)), (152, range(152, 300))], reach=30)
    steps = np.flatnonzero(sequence.present)
    assert steps.tolist() == [*range(10), *range(16, 30)]
    assert (sequence.values[steps, 0] == 10 * steps).all()
    assert (sequence.values[~sequence.present] == 0).all()
    assert (sequence.confidence == sequence.present).all()
    assert sequence.values[[0, 16, 20], 1].tolist() == [100, 70, 130]


def test_timestamps_that_are_rounded_by_a_sample_are_no_gap():
    sequence = measured([(0, range(100)), (101, range(100, 200)), (199, range(200, 300))])
    assert sequence.values[:, 0].tolist() == list(range(0, 300, 10))


def test_without_a_sound_there_is_no_step():
    assert measured([]).values.shape == (0, 2)
    assert measured([(0, [])]).values.shape == (0, 2)


def test_a_column_may_be_of_several_numbers():
    wide = (Column(name="state", unit="", source="test", low=0.0, high=1.0, count=3),)
    meter = WindowMeter(lambda *_: np.ones((2, 3)), columns=wide, step=10, window=2)
    meter.push(AudioBlock(time=0.0, samples=np.zeros(20, np.float32)))
    assert meter.finish().values.tolist() == [[1, 1, 1]] * 2
