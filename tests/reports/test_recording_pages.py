"""Pages of recordings that several processes share."""

import json

import pytest

from deadpan import api
from deadpan.errors import DeadpanError
from deadpan.reports.recording_pages import shared_evenly

from ..recordings.sounds import tone, write_wav

for module in ("av", "ai_edge_litert", "faster_whisper", "swift_f0", "vaderSentiment"):
    pytest.importorskip(module, reason="needs the extra video")
ALONE = 1.5
"""Seconds of a window of recognition that two of these recordings do not share."""


class Adding:
    """Notes how much there was to do, and how much of it was done."""

    def __init__(self):
        self.begun, self.done = [], 0.0

    def begin(self, seconds):
        self.begun.append(seconds)

    def advance(self, seconds):
        self.done += seconds


@pytest.fixture
def home(component):
    """The folder of all components."""
    names = "face-landmarker", "silero-vad", "whisper-base"
    return [component(name) for name in names][0].parent


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    """Three sounds of a second and more, of which none shares a window of recognition."""
    monkeypatch.setattr("deadpan.extraction.recording_reader.WINDOW", round(ALONE * 16_000))
    return [write_wav(tmp_path / f"{k}.wav", tone(150 + 50 * k, seconds=1.2)) for k in range(3)]


def test_what_is_written_does_not_depend_on_the_number_of_processes(recordings, home, tmp_path):
    def timelines(out, workers, watch=None):
        pages = api.analyze(
            recordings, out=tmp_path / out, workers=workers, components=home, watch=watch
        )
        assert [page.parent.name for page in pages] == [
            f"{recording.stem}-timeline" for recording in recordings
        ]
        return [json.loads((page.parent / "timeline.json").read_text()) for page in pages]

    shared, alone = Adding(), Adding()
    assert timelines("shared", 2, shared) == timelines("alone", 1, alone)
    assert shared.begun == [pytest.approx(sum(alone.begun))]
    assert shared.done == pytest.approx(alone.done)


def test_the_first_error_is_told_and_other_processes_finish(recordings, home, tmp_path):
    for recording in recordings[1:]:
        (tmp_path / f"{recording.stem}-timeline").write_text("a file in the way")
    with pytest.raises(DeadpanError, match="1-timeline"):
        api.analyze(recordings, out=tmp_path, workers=3, components=home)
    assert (tmp_path / "0-timeline" / "timeline.html").exists()


def test_shares_are_even_and_in_order():
    assert shared_evenly([28.0, 28.0, 90.0, 28.0, 28.0], 2) == [[2], [0, 1, 3, 4]]
    assert shared_evenly([1.0, 2.0], 5) == [[1], [0]]
