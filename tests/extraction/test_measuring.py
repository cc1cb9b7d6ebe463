import errno
import multiprocessing
import threading

import numpy as np
import pytest

from deadpan.errors import DataError, DeadpanError
from deadpan.extraction import measuring
from deadpan.extraction.feature_cache import FeatureCache
from deadpan.extraction.measuring import measure_on_demand, measure_recording, measured_outcome
from deadpan.extraction.media import AudioBlock
from deadpan.extraction.recipes import feature_recipes
from deadpan.extraction.voice import VoiceMeter

from ..recordings.sounds import tone, write_wav

pytest.importorskip("av", reason="needs PyAV, of the extra video")
pytest.importorskip("swift_f0", reason="needs swift-f0, of the extra video")
AUDIO = {"audio": feature_recipes("open-1")["audio"]}


def test_a_recording_is_measured_as_its_sound_is(tmp_path):
    path = write_wav(tmp_path / "a.wav", tone())
    sequences, warnings = measure_recording(path, AUDIO)
    meter = VoiceMeter()
    meter.push(AudioBlock(time=0.0, samples=(tone() * 32767).astype("<i2").astype("f4") / 32768))
    assert np.array_equal(sequences["audio"].values, meter.finish().values)
    assert sequences["audio"].values.shape == (6, 25)
    assert warnings == ()


def test_a_recording_is_measured_once(tmp_path, monkeypatch):
    cache = FeatureCache(tmp_path / "cache")
    path = write_wav(tmp_path / "a.wav", tone())
    outcome = measured_outcome(path, AUDIO, cache)
    assert (outcome.failure, outcome.remedy, len(outcome.recording)) == ("", "", 64)
    monkeypatch.setattr(measuring, "measure_recording", None)
    assert measured_outcome(path, AUDIO, cache) == outcome
    write_wav(path, tone(200.0))
    assert "'NoneType' object is not callable" in measured_outcome(path, AUDIO, cache).failure


def test_warnings_are_kept_with_what_was_measured(tmp_path, monkeypatch):
    path = write_wav(tmp_path / "a.wav", tone())
    cache = FeatureCache(tmp_path / "cache")
    sequences, _ = measure_recording(path, AUDIO)
    monkeypatch.setattr(measuring, "measure_recording", lambda *_: (sequences, ("cut off",)))
    assert measured_outcome(path, AUDIO, cache).warnings == ("cut off",)
    monkeypatch.undo()
    assert measured_outcome(path, AUDIO, cache).warnings == ("cut off",)


def test_what_cannot_be_read_fails_alone(tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    for content, reason in ((b"", "is empty (0 bytes)"), (b"some text", "is text and no media")):
        path = tmp_path / "broken.mp4"
        path.write_bytes(content)
        outcome = measured_outcome(path, AUDIO, cache)
        assert outcome.failure.startswith(f"{path}: {reason}")
        assert outcome.remedy == ""
    missing = measured_outcome(tmp_path / "missing.wav", AUDIO, cache)
    assert missing.failure.startswith(f"{tmp_path / 'missing.wav'}: ")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("error", "failure", "remedy"),
    [
        (DataError("x: is broken"), "x: is broken", ""),
        (DeadpanError("run: pip install"), "", "run: pip install"),
        (OSError(errno.ENOSPC, "full"), "", "the disk is full"),
        (ZeroDivisionError("ours"), "a.wav: ZeroDivisionError: ours (test_measuring.py:", ""),
        (MemoryError(), "a.wav: MemoryError", ""),
    ],
)
def test_errors_are_of_one_recording_or_of_all(tmp_path, monkeypatch, error, failure, remedy):
    def fails(*_):
        raise error

    monkeypatch.setattr(measuring, "measure_recording", fails)
    path = write_wav(tmp_path / "a.wav", tone())
    outcome = measured_outcome(path, AUDIO, FeatureCache(tmp_path / "cache"))
    assert failure in outcome.failure
    assert bool(outcome.failure) == bool(failure)
    assert outcome.remedy.startswith(remedy)
    assert bool(outcome.remedy) == bool(remedy)


def test_paths_come_through_a_pipe_and_outcomes_go_back(tmp_path):
    ours, theirs = multiprocessing.Pipe()
    path = write_wav(tmp_path / "a.wav", tone())
    worker = threading.Thread(target=measure_on_demand, args=(theirs, AUDIO, tmp_path / "cache"))
    worker.start()
    ours.send(path)
    first = ours.recv()
    ours.send(path)
    assert ours.recv() == first
    assert first.recording
    ours.close()  # the worker ends with it
    worker.join()
