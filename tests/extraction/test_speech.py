import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from deadpan.errors import DeadpanError
from deadpan.extraction import speech
from deadpan.extraction.media import RATE, AudioBlock, read
from deadpan.extraction.speech import STEP, SpeechDetector

pytest.importorskip("onnxruntime", reason="needs onnxruntime, of the extra video")

CLIP = Path(__file__).with_name("sense_and_sensibility.opus")
SECONDS = STEP / RATE


class Scripted:
    """A session whose probability of a step is its first sample."""

    seen = None

    def run(self, _, inputs):
        if self.seen is not None:
            self.seen.append(inputs["input"][0].copy())
        return np.array([[inputs["input"][0, speech.CONTEXT]]]), inputs["state"]


@pytest.fixture
def session():
    return Scripted()


@pytest.fixture
def detector(monkeypatch, session):
    monkeypatch.setattr(speech, "_session", lambda file: session)
    return SpeechDetector(Path())


def audio(*runs):
    """Samples of steps: runs of (how many, probability)."""
    return np.concatenate([np.full(count * STEP, level, np.float32) for count, level in runs])


def windows(detector, samples, size=1000, time=0.0):
    ended = []
    for first in range(0, len(samples), size):
        block = AudioBlock(time=time + first / RATE, samples=samples[first : first + size])
        ended += detector.push(block)
    return ended + detector.finish()


def steps(ended, time=0.0):
    """First step of each window, and the one behind its last."""
    return [
        tuple(round((edge - time) / SECONDS, 3) for edge in (each.window.start, each.window.end))
        for each in ended
    ]


def test_a_window_begins_at_one_threshold_and_stays_down_to_a_lower_one(detector):
    samples = audio((20, 0.49), (5, 0.5), (20, 0.36), (4, 0.9), (20, 0.34))
    (ended,) = windows(detector, samples)
    assert steps([ended]) == [(20, 49)]
    confidence = (5 * 0.5 + 20 * 0.36 + 4 * 0.9) / 29
    assert ended.window.confidence == pytest.approx(confidence, abs=1e-6)  # float32


def test_short_pauses_lie_within_a_window_and_long_ones_between_two(detector):
    merged = audio((5, 0.9), (9, 0.1), (5, 0.9), (10, 0.1), (5, 0.9))
    assert steps(windows(detector, merged)) == [(0, 19), (29, 34)]
    # A step between the thresholds prolongs no pause that has begun, and ends none.
    assert steps(windows(detector, audio((5, 0.9), (1, 0.1), (9, 0.4), (9, 0.1)))) == [(0, 5)]


def test_what_is_shorter_than_three_steps_is_no_speech(detector):
    assert steps(windows(detector, audio((9, 0), (2, 1), (20, 0), (3, 1), (20, 0)))) == [(31, 34)]


def test_audio_goes_along_on_both_sides_as_far_as_there_is_some(detector):
    samples = audio((2, 0.1), (5, 0.9), (30, 0.2), (5, 0.8), (3, 0.3))
    first, second = windows(detector, samples[:-100])
    assert first.time == 0
    np.testing.assert_array_equal(first.samples, samples[: 13 * STEP])
    assert second.time == pytest.approx(31 * SECONDS)
    np.testing.assert_array_equal(second.samples, samples[31 * STEP : -100])


def test_a_window_without_a_pause_is_cut_where_it_is_least_like_speech(detector):
    longest = speech.LONGEST
    levels = np.full(longest + 50, 0.9)
    levels[[100, longest - 200]] = 0.4, 0.6  # the deeper one lies in the first half
    ended = windows(detector, levels.repeat(STEP).astype(np.float32))
    assert steps(ended) == [(0, longest - 200), (longest - 200, longest + 50)]
    assert [len(each.samples) for each in ended] == [(longest - 200) * STEP, 250 * STEP]


def test_a_gap_in_the_recording_ends_a_window_and_shifts_the_next(detector):
    spoken = AudioBlock(time=1.0, samples=audio((5, 0.9)))
    later = AudioBlock(time=7.0, samples=audio((1, 0.2), (4, 0.9)))
    assert detector.push(spoken) == []
    assert steps(detector.push(later), 1.0) == [(0, 5)]
    (last,) = detector.finish()
    assert steps([last], 7.0) == [(1, 5)]
    assert last.time == 7.0  # no audio from before the gap


def test_blocks_that_go_back_are_refused(detector):
    detector.push(AudioBlock(time=0.0, samples=audio((5, 0.9))))
    with pytest.raises(ValueError, match=r"block at 0\.1 s after audio to 0\.16 s"):
        detector.push(AudioBlock(time=0.1, samples=audio((5, 0.9))))


def test_a_last_part_of_a_step_counts(detector):
    (ended,) = windows(detector, audio((4, 0.9))[:-12])
    assert ended.window.end == (4 * STEP - 12) / RATE
    assert len(ended.samples) == 4 * STEP - 12
    assert windows(detector, np.zeros(0, np.float32)) == []


def test_each_step_is_seen_with_the_64_samples_before_it(detector, session):
    samples = np.arange(3 * STEP, dtype=np.float32)
    session.seen = []
    windows(detector, samples, size=700)
    before = np.concatenate([np.zeros(64, np.float32), samples])
    assert len(session.seen) == 3
    for step, seen in enumerate(session.seen):
        np.testing.assert_array_equal(seen, before[step * STEP : (step + 1) * STEP + 64])


def test_memory_does_not_grow_with_silence(detector):
    block = np.zeros(RATE, np.float32)
    detector.push(AudioBlock(time=0.0, samples=block))
    tracemalloc.start()
    for second in range(1, 20):
        detector.push(AudioBlock(time=float(second), samples=block))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * block.nbytes  # of 19


@pytest.fixture(scope="session")
def silero(component):
    return SpeechDetector(component("silero-vad"))


def test_sentences_are_found_whatever_the_blocks(silero):
    pytest.importorskip("av", reason="needs PyAV, of the extra video")
    blocks = list(read(CLIP))
    samples = np.concatenate([block.samples for block in blocks])
    ended = [each for block in blocks for each in silero.push(block)] + silero.finish()
    # Where pocketsphinx's package says that the five sentences begin and end. Silero is up to .15 s
    # late for a soft beginning, and stays for .25 s in a room's echo.
    starts = [0.20, 7.30, 10.36, 15.61, 21.71]
    ends = [6.79, 9.84, 15.18, 21.20, 24.46]
    assert [each.window.start for each in ended] == pytest.approx(starts, abs=0.2)
    assert [each.window.end for each in ended] == pytest.approx(ends, abs=0.25)
    assert min(each.window.confidence for each in ended) > 0.8
    for each in ended:
        first = round(each.time * RATE)
        np.testing.assert_array_equal(each.samples, samples[first : first + len(each.samples)])
    (other,) = windows(silero, samples[: 7 * RATE], size=37_123)
    assert other.window == ended[0].window


def signals(seconds):
    """What is no speech: silence, tones, chords that fade as a piano's do, noise."""
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * RATE)) / RATE
    fading = np.exp(-3 * (time % 0.5))
    roots = np.array([220, 174.6, 261.6, 196])[(time // 0.5).astype(int) % 4]
    harmonics = [(ratio * k, k) for ratio in (1, 1.25, 1.5) for k in range(1, 8)]
    chords = sum(np.sin(2 * np.pi * roots * times * time) / k for times, k in harmonics)
    made = {
        "silence": 0 * time,
        "tone": 0.5 * np.sin(2 * np.pi * 440 * time),
        "chords": 0.08 * fading * chords,
        "noise": 0.1 * rng.standard_normal(len(time)),
        "clicks": (rng.random(len(time)) < 0.0005).astype(float),
    }
    return {name: each.astype(np.float32) for name, each in made.items()}


@pytest.mark.parametrize("name", ["silence", "tone", "chords", "noise", "clicks"])
def test_what_is_no_speech_has_no_window(silero, name):
    assert windows(silero, signals(3)[name]) == []


def test_a_component_that_is_absent_or_damaged_is_said(tmp_path):
    with pytest.raises(DeadpanError, match="is not there; run: deadpan components fetch silero"):
        SpeechDetector(tmp_path)
    (tmp_path / "silero_vad.onnx").write_bytes(b"no graph")
    with pytest.raises(DeadpanError, match="is damaged .*; run: deadpan components fetch silero"):
        SpeechDetector(tmp_path)


def test_a_missing_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DeadpanError, match=r"pip install 'deadpan\[video\]'"):
        SpeechDetector(tmp_path)
