import difflib
import errno
import multiprocessing
import threading
from pathlib import Path

import numpy as np
import pytest

from deadpan.errors import DataError, DeadpanError
from deadpan.extraction import measuring
from deadpan.extraction.feature_cache import FeatureCache
from deadpan.extraction.measuring import (
    METERS,
    JobMeasurer,
    Models,
    Outcome,
    WantedRecording,
    measure_on_demand,
    measure_recording,
)
from deadpan.extraction.media import AudioBlock
from deadpan.extraction.recipes import feature_recipes
from deadpan.extraction.voice import VoiceMeter

from ..recordings.sounds import tone, write_wav

pytest.importorskip("av", reason="needs PyAV, of the extra video")
pytest.importorskip("swift_f0", reason="needs swift-f0, of the extra video")
RECIPES = feature_recipes("open-1")
NOWHERE = Models(Path("no components"))


def outcomes_of(paths, folder, models=NOWHERE, modalities=("audio",)):
    measurer = JobMeasurer(RECIPES, FeatureCache(folder), models)
    return measurer.outcomes([WantedRecording(path=path, modalities=modalities) for path in paths])


def outcome_of(path, folder):
    (outcome,) = outcomes_of([path], folder)
    return outcome


def test_a_recording_is_measured_as_its_sound_is(tmp_path):
    path = write_wav(tmp_path / "a.wav", tone())
    sequences, warnings = measure_recording(path, {"audio": METERS["open-1"]["audio"]}, NOWHERE)
    meter = VoiceMeter()
    meter.push(AudioBlock(time=0.0, samples=(tone() * 32767).astype("<i2").astype("f4") / 32768))
    assert np.array_equal(sequences["audio"].values, meter.finish().values)
    assert sequences["audio"].values.shape == (6, 25)
    assert warnings == ()


@pytest.mark.parametrize("name", METERS)
def test_what_the_meters_measure_is_what_the_recipe_says(name, component, shared, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="needs LiteRT, of the extra video")
    if name == "egemaps":
        pytest.importorskip("opensmile", reason="needs openSMILE, of the extra egemaps")
    models = Models(component("face-landmarker").parent)
    recipes = feature_recipes(name)
    cache = FeatureCache(tmp_path / "cache")
    measurer = JobMeasurer(recipes, cache, models)
    for path in (shared / "media" / "pyfeat_single_face.mp4", write_wav(tmp_path / "a", tone())):
        wanted = WantedRecording(path=path, modalities=("audio", "vision"))
        (outcome,) = measurer.outcomes([wanted])
        assert outcome.failure == outcome.remedy == ""
        for modality in ("audio", "vision"):
            recipe = recipes[modality]
            sequence, _ = cache.load(outcome.recording, recipe)
            assert (sequence.columns, sequence.rate) == (recipe.columns, recipe.rate)
            is_there = modality == "audio" or path.suffix == ".mp4"
            assert sequence.present.any() == is_there
            values = sequence.values[sequence.present]
            for number, column in enumerate(recipe.columns if is_there else ()):
                assert values[:, number].min() >= column.low - 1e-3, column.name
                assert values[:, number].max() <= column.high + 1e-3, column.name


def test_a_recording_is_measured_once(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    path = write_wav(tmp_path / "a.wav", tone())
    outcome = outcome_of(path, cache)
    assert (outcome.failure, outcome.remedy, len(outcome.recording)) == ("", "", 64)
    monkeypatch.setattr(measuring, "measure_recording", None)
    assert outcome_of(path, cache) == outcome
    write_wav(path, tone(200.0))
    assert "'NoneType' object is not callable" in outcome_of(path, cache).failure


def test_warnings_are_kept_with_what_was_measured(tmp_path, monkeypatch):
    path = write_wav(tmp_path / "a.wav", tone())
    cache = tmp_path / "cache"
    sequences, _ = measure_recording(path, {"audio": METERS["open-1"]["audio"]}, NOWHERE)
    monkeypatch.setattr(measuring, "measure_recording", lambda *_: (sequences, ("cut off",)))
    assert outcome_of(path, cache).warnings == ("cut off",)
    monkeypatch.undo()
    assert outcome_of(path, cache).warnings == ("cut off",)


def test_what_cannot_be_read_fails_alone(tmp_path):
    cache = tmp_path / "cache"
    for content, reason in ((b"", "is empty (0 bytes)"), (b"some text", "is text and no media")):
        path = tmp_path / "broken.mp4"
        path.write_bytes(content)
        outcome = outcome_of(path, cache)
        assert outcome.failure.startswith(f"{path}: {reason}")
        assert outcome.remedy == ""
    missing = outcome_of(tmp_path / "missing.wav", cache)
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
    outcome = outcome_of(path, tmp_path / "cache")
    assert failure in outcome.failure
    assert bool(outcome.failure) == bool(failure)
    assert outcome.remedy.startswith(remedy)
    assert bool(outcome.remedy) == bool(remedy)


def test_jobs_come_through_a_pipe_and_outcomes_go_back(tmp_path):
    ours, theirs = multiprocessing.Pipe()
    job = [
        WantedRecording(path=write_wav(tmp_path / f"{n}.wav", tone(n)), modalities=("audio",))
        for n in (100, 200)
    ]
    worker = threading.Thread(
        target=measure_on_demand, args=(theirs, RECIPES, tmp_path / "cache", tmp_path)
    )
    worker.start()
    ours.send(job)
    first = ours.recv()
    ours.send(job)
    assert ours.recv() == first
    assert [len(outcome.recording) for outcome in first] == [64, 64]
    ours.close()  # the worker ends with it
    worker.join()


SPOKEN = Path(__file__).with_name("sense_and_sensibility.opus")


@pytest.fixture(scope="session")
def models(component):
    pytest.importorskip("faster_whisper", reason="needs faster-whisper, of the extra video")
    component("silero-vad")
    return Models(component("whisper-base").parent)


def test_words_of_a_job_are_recognised_together(models, tmp_path, monkeypatch):
    broken, silent = tmp_path / "broken.wav", write_wav(tmp_path / "silent.wav", np.zeros(8000))
    broken.write_bytes(b"")
    paths, cache = [broken, SPOKEN, silent], FeatureCache(tmp_path / "cache")
    outcomes = outcomes_of(paths, tmp_path / "cache", models, ("text",))
    assert [bool(outcome.failure) for outcome in outcomes] == [True, False, False]
    spoken, none = (cache.load_words(x.recording, RECIPES["text"]) for x in outcomes[1:])
    assert none == ()
    assert len(spoken) > 50
    assert all(0 < word.probability <= 1 for word in spoken)
    # What is kept is not recognised again; where one lacks its words, all are.
    read_paths = []

    def fake(path, modalities, models, hear):
        read_paths.append(path)
        if path == broken:
            raise DataError("broken")
        return {}, ()

    monkeypatch.setattr(measuring, "measure_recording", fake)
    again = outcomes_of(paths, tmp_path / "cache", models, ("text",))
    assert again == [Outcome(failure="broken"), *outcomes[1:]]
    assert read_paths == [broken]
    next(path for path in (tmp_path / "cache").glob("*.json")).unlink()
    outcomes_of(paths, tmp_path / "cache", models, ("text",))
    assert read_paths[-2:] == [SPOKEN, silent]


def test_a_face_is_measured_where_there_is_one(component, shared, tmp_path):
    pytest.importorskip("ai_edge_litert", reason="needs LiteRT, of the extra video")
    models = Models(component("face-landmarker").parent)
    path = shared / "media" / "pyfeat_single_face.mp4"
    (outcome,) = outcomes_of([path], tmp_path, models, ("audio", "vision"))
    assert outcome.failure == ""
    face, _ = FeatureCache(tmp_path).load(outcome.recording, RECIPES["vision"])
    assert (face.rate, face.values.shape[1]) == (15, 59)
    assert face.present.mean() > 0.95
    sound = write_wav(tmp_path / "sound.wav", tone())
    (outcome,) = outcomes_of([sound], tmp_path, models, ("vision",))
    none, _ = FeatureCache(tmp_path).load(outcome.recording, RECIPES["vision"])
    assert none.values.shape == (0, 59)


def test_a_recording_that_breaks_off_disturbs_no_other(models, tmp_path, monkeypatch):
    whole = outcomes_of([SPOKEN], tmp_path / "a", models, ("text",))[0].recording
    words = FeatureCache(tmp_path / "a").load_words(whole, RECIPES["text"])
    reader = measuring.read

    def breaks_off(path, **options):
        if path.name != "broken.wav":
            return reader(path, **options)
        return Broken(reader(SPOKEN, **options))

    class Broken:
        """A reader that raises after two seconds."""

        def __init__(self, items):
            self._items = items

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._items.close()

        def __iter__(self):
            for item in self._items:
                if item.time > 2:
                    raise DataError("broken off")
                yield item

    monkeypatch.setattr(measuring, "read", breaks_off)
    broken = write_wav(tmp_path / "broken.wav", tone())
    outcomes = outcomes_of([broken, SPOKEN], tmp_path / "b", models, ("text",))
    assert outcomes[0].failure == "broken off"
    again = FeatureCache(tmp_path / "b").load_words(whole, RECIPES["text"])
    texts = ([word.text for word in each] for each in (words, again))
    # The broken recording's speech is recognised beside it, which may change a word.
    assert difflib.SequenceMatcher(None, *texts).ratio() > 0.9
