import multiprocessing
import os

import pytest

from deadpan.errors import DeadpanError
from deadpan.extraction.measuring import WantedRecording
from deadpan.extraction.recipes import feature_recipes
from deadpan.processes import LocalWorker
from deadpan.recordings import workers
from deadpan.recordings.workers import measure_all

from .sounds import tone, write_wav

pytest.importorskip("av", reason="needs PyAV, of the extra video")
pytest.importorskip("swift_f0", reason="needs swift-f0, of the extra video")
RECIPES = feature_recipes("open-1")


def measure(paths, tmp_path, modalities=("audio",), **options):
    return measure_all(
        [WantedRecording(path=path, modalities=modalities) for path in paths],
        RECIPES,
        cache=tmp_path / "cache",
        components=tmp_path,
        **options,
    )


class Noting:
    """Notes what happened, and acts after the first recording."""

    def __init__(self, action=None):
        self.recordings, self.done, self.said, self._action = 0, 0, [], action

    def begin(self, recordings):
        self.recordings = recordings

    def advance(self, recordings):
        self.done += recordings
        if self.done == 1 and self._action:
            self._action()

    def say(self, line):
        self.said.append(line)


@pytest.fixture
def paths(tmp_path):
    return [write_wav(tmp_path / f"{n}.wav", tone(120.0 + n)) for n in range(4)]


def test_recordings_are_measured_side_by_side(paths, tmp_path):
    watch = Noting()
    paths[2].write_bytes(b"")
    outcomes = measure(paths, tmp_path, workers=2, watch=watch)
    assert set(outcomes) == set(paths)
    assert (watch.recordings, watch.done) == (4, 4)
    assert watch.said == [f"left out: {outcomes[paths[2]].failure}"]
    assert "is empty" in outcomes[paths[2]].failure
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == 3
    assert multiprocessing.active_children() == []


def test_nothing_to_measure_starts_no_process(tmp_path):
    assert measure([], tmp_path, workers=2) == {}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
def test_a_process_that_dies_costs_its_recording_alone(paths, tmp_path):
    endless = tmp_path / "endless.wav"
    os.mkfifo(endless)  # who opens it waits for a writer, and there is none

    def kill_all():
        for process in multiprocessing.active_children():
            process.kill()
            process.join()

    watch = Noting(kill_all)
    outcomes = measure([endless, *paths[:1], *paths[2:3]], tmp_path, workers=2, watch=watch)
    failure = outcomes[endless].failure
    assert failure == f"{endless}: the process that measured it was killed by signal 9 (memory?)"
    assert all(outcomes[path].recording for path in (paths[0], paths[2]))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a pipe with a name")
def test_an_interrupt_ends_all_processes(paths, tmp_path):
    endless = tmp_path / "endless.wav"
    os.mkfifo(endless)

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure([endless, *paths], tmp_path, workers=2, watch=Noting(interrupt))
    assert multiprocessing.active_children() == []


def test_what_concerns_all_recordings_stops_at_once(paths, tmp_path):
    cache = tmp_path / "cache"
    cache.write_text("a file where the folder is to be")
    with pytest.raises(DeadpanError, match="is in the way"):
        measure(paths, tmp_path, workers=1)


def test_a_job_whose_process_dies_is_measured_one_by_one(paths, tmp_path, monkeypatch):
    """The first process dies with a job of three; of those after it, one with its recording."""
    dying = iter([3])

    class Dying(LocalWorker):
        def send(self, job):
            if len(job) == next(dying, 0) or job[0].path == paths[1]:
                self.process.kill()
                self.process.join()
            super().send(job)

    monkeypatch.setattr("deadpan.processes.LocalWorker", Dying)
    monkeypatch.setattr(workers, "_jobs", lambda recordings: [tuple(recordings)])
    outcomes = measure(paths[:3], tmp_path, workers=1)
    assert [bool(outcomes[path].failure) for path in paths[:3]] == [False, True, False]


def test_only_recordings_whose_words_are_recognised_are_measured_together(tmp_path):
    text, audio = (
        [WantedRecording(path=tmp_path / f"{name}{n}", modalities=(name,)) for n in range(10)]
        for name in ("text", "audio")
    )
    jobs = workers._jobs([*text, *audio[:2], *text[:1]])
    assert [len(job) for job in jobs] == [8, 2, 1, 1, 1]
    assert [recording for job in jobs for recording in job] == [*text, *audio[:2], *text[:1]]
