"""deadpan analyze, on a reading for LibriVox with and without a face above it."""

import csv
import json
import socket
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from deadpan.extraction.media import AudioBlock, read
from deadpan.extraction.utterances import normalized

from ..extraction.conftest import frames_of

SPEECH = Path(__file__).parents[1] / "extraction" / "sense_and_sensibility.opus"
SECONDS = 4.8

av = pytest.importorskip("av", reason="needs PyAV, of the extra video")
for module in ("ai_edge_litert", "faster_whisper", "swift_f0", "vaderSentiment"):
    pytest.importorskip(module, reason="needs the extra video")


@pytest.fixture(scope="session")
def components(component):
    """The folder of all components."""
    return [component(n) for n in ("face-landmarker", "silero-vad", "whisper-base")][0].parent


def write_film(path, images, sound, *, pictures="mpeg4", voice="aac"):
    """Images at 15 a second and sound at 16,000 samples a second, each if there is any."""
    with av.open(path, "w") as file:
        if images:
            video = file.add_stream(pictures, rate=15)
            video.height, video.width, video.pix_fmt = *images[0].shape[:2], "yuv420p"
        if len(sound):
            audio = file.add_stream(voice, rate=16_000, layout="mono")
        for image in images:
            file.mux(video.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
        for start in range(0, len(sound), 1024):
            samples = (sound[None, start : start + 1024] * 32767).astype(np.int16)
            block = av.AudioFrame.from_ndarray(samples, "s16", "mono")
            block.sample_rate, block.pts, block.time_base = 16_000, start, Fraction(1, 16_000)
            file.mux(audio.encode(block))
        for stream in file.streams:
            file.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def images(shared):
    """4.8 seconds of a face that smiles without a word."""
    return frames_of(shared, "pyfeat_WolfgangLanger_Pexels", 190, 190 + round(SECONDS * 15))


def reading():
    """4.8 seconds of a voice that reads."""
    blocks = [item.samples for item in read(SPEECH, rate=16_000) if isinstance(item, AudioBlock)]
    return np.concatenate(blocks)[: round(SECONDS * 16_000)]


@pytest.fixture(scope="session")
def film(images, tmp_path_factory):
    """That face under a voice that reads."""
    return write_film(tmp_path_factory.mktemp("films") / "reading.mp4", images, reading())


@pytest.fixture
def no_network(monkeypatch):
    """Whoever connects, or asks for an address, fails."""

    def refused(*_, **__):
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def test_a_film_becomes_a_page_and_tables(film, components, deadpan, no_network, tmp_path):
    out = tmp_path / "out"
    status, shown, told = deadpan("analyze", film, "--out", out, "--components", components)
    folder = out / "reading-timeline"
    assert (status, shown) == (0, f"{folder / 'timeline.html'}\n")
    assert told.startswith("5 seconds to be read\n")
    timeline = json.loads((folder / "timeline.json").read_text())
    assert timeline["schema"] == "deadpan-timeline/1"
    assert timeline["made_by"].keys() == {
        "deadpan", "face-landmarker", "silero-vad", "whisper-base",
    }  # fmt: skip
    (person,) = timeline["persons"]
    assert person["seen"] == pytest.approx(SECONDS, abs=0.2)
    assert person["speaks"] == 0  # the voice is that of the reader
    (row, *_) = csv.DictReader((folder / "timeline.csv").read_text().splitlines())
    # Not to the letter: Whisper's sums round otherwise on another processor.
    assert {"john", "dashwood", "leisure", "consider"} <= {*map(normalized, row["text"].split())}
    assert (row["person"], row["face_of"]) == ("", "person 1")
    assert float(row["vision_value"]) > 0.4  # she smiles
    assert row["audio_reason"].startswith("fewer than 3 utterances")
    assert {path.name for path in folder.iterdir()} >= {"timeline.html", "timeline.srt"}


def test_a_silent_film_shows_its_faces_alone(images, components, deadpan, tmp_path):
    path = write_film(tmp_path / "silent.mp4", images[:15], [])
    arguments = ["--overlay", "--out", tmp_path, "--components", components]
    assert deadpan("analyze", path, *arguments)[0] == 0
    timeline = json.loads((tmp_path / "silent-timeline" / "timeline.json").read_text())
    assert timeline["utterances"] == []
    assert len(timeline["persons"]) == 1
    assert not timeline["recording"]["has_audio"]
    with read(tmp_path / "silent-timeline" / "overlay.mp4") as media:
        assert len([*media]) == 15  # frames alone


def test_music_says_nothing(components, deadpan, tmp_path):
    """A chord that dies away every second, under a grey picture."""
    time = np.arange(4 * 16_000) / 16_000
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220, 277.2, 329.6, 440))
    grey = [np.full((240, 320, 3), 100, np.uint8)] * 60
    path = write_film(tmp_path / "music.mp4", grey, 0.1 * chord * np.exp(-3 * (time % 1)))
    assert deadpan("analyze", path, "--out", tmp_path, "--components", components)[0] == 0
    timeline = json.loads((tmp_path / "music-timeline" / "timeline.json").read_text())
    assert (timeline["utterances"], timeline["persons"]) == ([], [])


def test_a_transcript_stands_in_the_place_of_what_is_heard(components, deadpan, tmp_path):
    text = tmp_path / "own.txt"
    text.write_text(
        "And Mister John Dashwood then had leisure to consider how much there might be prudently "
        "in his power to do for them. He was not an ill-disposed young man. Unless to be rather "
        "cold-hearted and rather selfish is to be ill-disposed."
    )
    arguments = ["--transcript", text, "--out", tmp_path, "--components", components]
    assert deadpan("analyze", SPEECH, *arguments)[0] == 0
    table = tmp_path / "sense_and_sensibility-timeline" / "timeline.csv"
    (first, *_) = csv.DictReader(table.read_text().splitlines())
    assert first["text"].startswith("And Mister John Dashwood then had leisure")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("zero.mp4", b"", "is empty"),
        ("text.mp4", b"no film at all, only text\n", "is text and no media file"),
        ("absent.mp4", None, "is not there"),
    ],
)
def test_what_is_no_recording_is_refused(name, content, reason, components, refused, tmp_path):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    arguments = ["--out", tmp_path / "out", "--components", components]
    assert reason in refused("analyze", path, *arguments)
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_meant_is_refused(components, refused, tmp_path):
    (tmp_path / "a").mkdir()
    twice = refused("analyze", SPEECH, tmp_path / "a" / SPEECH.name)
    assert "would both be written to" in twice
    both = refused("analyze", SPEECH, tmp_path / "b.mp4", "--transcript", tmp_path / "b.srt")
    assert "got a transcript and 2 recordings" in both
    assert "needs a recording" in refused("analyze")
    assert "heatmaps must be 0 or more; got -1" in refused("analyze", SPEECH, "--heatmaps", "-1")
    absent = refused("analyze", SPEECH, "--components", tmp_path)
    assert "deadpan components fetch face-landmarker silero-vad whisper-base" in absent
    unseen = refused("analyze", SPEECH, "--overlay", "--out", tmp_path / "out")
    assert "has no video to draw on; leave out --overlay" in unseen
    assert not (tmp_path / "out").exists()
    arguments = ["--language", "eng", "--components", components]
    assert "unknown language 'eng'; did you mean 'en'?" in refused("analyze", SPEECH, *arguments)
