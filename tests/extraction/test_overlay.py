"""The overlay clip: what is drawn, where, and that the recording is otherwise as it was."""

import errno
from dataclasses import replace

import numpy as np
import pytest

from deadpan.errors import DeadpanError
from deadpan.extraction.faces import FACE_COLUMNS
from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.timeline import RecordingFacts, Timeline, TimelineUtterance
from deadpan.extraction.tracks import FACE_RATE, FaceTrack

av = pytest.importorskip("av", reason="needs PyAV, of the extra video")
from deadpan.extraction import overlay  # noqa: E402
from deadpan.extraction.media import AudioBlock, Frame, read  # noqa: E402

HEIGHT, WIDTH, FRAMES = 240, 321, 30
BOX = (0.25, 0.4, 0.75, 0.9)


def track(first, steps, *, opening=0.2):
    """A face that stays in one place."""
    ones = np.ones(steps, bool)
    return FaceTrack(
        sequence=MeasuredSequence(
            columns=FACE_COLUMNS,
            rate=FACE_RATE,
            first=first,
            values=np.zeros((steps, len(FACE_COLUMNS)), np.float32),
            present=ones,
            confidence=ones.astype(np.float32),
        ),
        boxes=np.tile(np.array(BOX, np.float32), (steps, 1)),
        mouth_openings=np.full(steps, opening, np.float32),
        mouths=np.tile(np.array([0.5, 0.8], np.float32), (steps, 1)),
    )


@pytest.fixture
def grey(tmp_path):
    """Two seconds of grey under three of sound: a tone from the first second on."""
    from ..cli.test_analyze import write_film

    sound = np.sin(np.arange(3 * 16_000) * 0.3).astype(np.float32) * 0.5
    sound[:16_000] = 0
    images = [np.full((HEIGHT, WIDTH + 1, 3), 160, np.uint8)] * FRAMES
    return write_film(tmp_path / "grey.mkv", [*images], sound)


def timeline(*utterances, audio=True):
    return Timeline(
        recording=RecordingFacts(
            file="grey.mkv", sha256="", duration=2.0, has_video=True, has_audio=audio
        ),
        persons=(),
        utterances=utterances,
        curves=(),
        made_by={},
    )


def speech(start, end, person, incongruity=""):
    return TimelineUtterance(
        start=start, end=end, person=person, words=(), readings={}, incongruity=incongruity
    )


def written(path):
    with read(path, rate=16_000) as media:
        items = [*media]
    frames = [item for item in items if isinstance(item, Frame)]
    sound = [item for item in items if isinstance(item, AudioBlock)]
    return frames, sound


def is_near(image, color, tolerance=60):
    return (np.abs(image.astype(int) - color).max(axis=2) <= tolerance).mean()


def test_who_speaks_is_boxed_in_blue_while_speaking_and_in_grey_before(grey, tmp_path):
    out = tmp_path / overlay.OVERLAY
    faces = {"person 1": track(0, 60)}
    overlay.write_overlay(timeline(speech(0.7, 1.4, "person 1")), faces, grey, out)
    before, sound = written(grey)
    frames, after = written(out)
    assert [frame.time for frame in frames] == pytest.approx([f.time for f in before], abs=1e-3)
    assert frames[0].image.shape == before[0].image.shape
    for frame in frames:
        edge = frame.image[:, round(BOX[0] * frame.image.shape[1]) - 1 :][120:200, :4]
        speaks = 0.7 <= frame.time < 1.4
        assert (is_near(edge, overlay.SPEAKS) > 0.2) == speaks, frame.time
    # The tone begins where it began, and lasts as long.
    loud = [np.concatenate([b.samples for b in each]).__abs__() > 0.1 for each in (sound, after)]
    begins = [np.flatnonzero(each)[0] / 16_000 for each in loud]
    assert begins[1] == pytest.approx(begins[0], abs=0.03)
    assert abs(len(loud[0]) - len(loud[1])) < 1600


def test_only_what_is_in_view_is_marked(grey, tmp_path):
    out = tmp_path / overlay.OVERLAY
    overlay.write_overlay(timeline(), {"person 1": track(15, 15)}, grey, out)
    frames, _ = written(out)
    marked = [frame.time for frame in frames if np.ptp(frame.image.astype(int)) > 60]
    assert marked == pytest.approx(np.arange(15, 30) / FACE_RATE, abs=1e-3)


def test_a_mouth_is_as_high_as_it_is_open(grey, tmp_path):
    def rows(opening):
        out = tmp_path / f"{opening}.mp4"
        faces = {"person 1": track(0, 60, opening=opening)}
        overlay.write_overlay(timeline(audio=False), faces, grey, out)
        image = written(out)[0][5].image
        column = image[round(0.65 * HEIGHT) : round(0.88 * HEIGHT), image.shape[1] // 2]
        dark = np.flatnonzero(column.mean(axis=1) < 130)
        return dark[-1] - dark[0]

    assert rows(0.2) > rows(0.02) + 8


def test_the_label_stays_within_the_frame_and_tells_what_disagrees(grey, tmp_path):
    out = tmp_path / overlay.OVERLAY
    said = speech(0.0, 2.0, "person 1", "a smile on negative words")
    face = track(0, 60)
    face = replace(face, boxes=np.tile(np.array([0.8, 0.0, 1.0, 0.3], np.float32), (60, 1)))
    overlay.write_overlay(timeline(said), {"person 1": face}, grey, out)
    image = written(out)[0][5].image
    plate = np.abs(image.astype(int) - overlay.SPEAKS).max(axis=2) <= 60
    assert np.ptp(np.flatnonzero(plate[75:95].any(axis=0))) > 0.6 * WIDTH


def test_frames_of_another_size_fit_into_the_first(tmp_path):
    video = overlay.VideoEncoder.__new__(overlay.VideoEncoder)
    video._height, video._width = 100, 200
    small = video._fitted(np.full((50, 100, 3), 9, np.uint8))
    assert small.shape == (100, 200, 3)
    assert (small[:50, :100] == 9).all()
    assert not small[50:].any()
    high = video._fitted(np.full((400, 200, 3), 9, np.uint8))
    assert (high[:, :50] == 9).all()
    assert not high[:, 50:].any()
    odd = video._fitted(np.full((99, 199, 3), 9, np.uint8))
    assert (odd == 9).all()


def test_a_full_disk_leaves_what_was_there(grey, tmp_path, monkeypatch):
    out = tmp_path / overlay.OVERLAY
    out.write_bytes(b"the clip before")

    def full(*_):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(overlay.VideoEncoder, "push", full)
    with pytest.raises(DeadpanError, match=r"overlay\.mp4: the disk is full"):
        overlay.write_overlay(timeline(), {}, grey, out)
    assert out.read_bytes() == b"the clip before"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []
