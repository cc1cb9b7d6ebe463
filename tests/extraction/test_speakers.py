from pathlib import Path

import numpy as np
import pytest

from deadpan.extraction.faces import FACE_COLUMNS
from deadpan.extraction.media import AudioBlock, Frame, read
from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.speakers import STILL, mouth_movement, speakers_of
from deadpan.extraction.speech import SpeechDetector
from deadpan.extraction.tracks import FaceTrack, FaceTracker

RATE = 15.0
READING = Path(__file__).with_name("sense_and_sensibility.opus")


def track(openings, *, present=None, first=0):
    openings = np.array(openings, np.float32)
    present = np.ones(len(openings), bool) if present is None else np.array(present)
    return FaceTrack(
        sequence=MeasuredSequence(
            columns=FACE_COLUMNS,
            rate=RATE,
            first=first,
            values=np.zeros((len(openings), len(FACE_COLUMNS)), np.float32),
            present=present,
            confidence=present.astype(np.float32),
        ),
        boxes=np.zeros((len(openings), 4), np.float32),
        mouth_openings=openings,
        mouths=np.zeros((len(openings), 2), np.float32),
    )


def speech(steps, size=0.1):
    """A mouth that opens and closes by ``size`` every other step."""
    return [size * (k % 2) for k in range(steps)]


def test_movement_is_the_distance_from_the_neighbours():
    assert mouth_movement(track(speech(30)), (0.0, 2.0)) == pytest.approx(0.1)
    assert mouth_movement(track([0.1] * 30), (0.0, 2.0)) == 0


def test_a_mouth_that_opens_slowly_does_not_speak():
    assert mouth_movement(track(np.linspace(0, 0.5, 30)), (0.0, 2.0)) < STILL / 100


def test_the_mouth_that_moves_most_speaks():
    tracks = [track(speech(60, 0.05)), track(speech(30, 0.02) + speech(30))]
    assert speakers_of(tracks, [(0.0, 2.0), (2.0, 4.0)]) == [0, 1]


def test_words_over_still_mouths_are_said_out_of_view():
    still = track([0.1, 0.1 + STILL / 2] * 30)
    assert speakers_of([still], [(0.0, 2.0)]) == [None]
    assert speakers_of([], [(0.0, 2.0)]) == [None]


def test_a_face_that_is_hardly_in_view_is_no_speaker():
    """Present in 10 of 30 steps, or in 20."""
    short = track(speech(30), present=[k < 10 for k in range(30)])
    long = track(speech(30), present=[k < 20 for k in range(30)])
    assert speakers_of([short], [(0.0, 2.0)]) == [None]
    assert speakers_of([short, long], [(0.0, 2.0)]) == [1]


def test_no_change_is_counted_across_a_gap():
    """Without the face for a step, its opening of 0 there is no movement."""
    gap = track([0.2] * 15 + [0.0] + [0.2] * 14, present=[k != 15 for k in range(30)])
    assert mouth_movement(gap, (0.0, 2.0)) == 0


def test_the_tracks_own_start_counts():
    late = track(speech(30), first=30)
    assert speakers_of([late], [(0.0, 2.0), (2.0, 4.0)]) == [None, 0]


def to_and_fro(images, count):
    """So many images, forwards and backwards again and again."""
    round_trip = [*images, *images[-2:0:-1]]
    return [round_trip[step % len(round_trip)] for step in range(count)]


def beside(image_of, left, right):
    """Two images of 640 x 360 in one, each scaled to its share and cut to its half."""
    frame = np.full((360, 640, 3), 90, np.uint8)
    for (image, scale), x in ((left, 0), (right, 320)):
        small = image_of(image).resize((round(640 * scale), round(360 * scale)))
        width = min(320, small.width)
        start = (small.width - width) // 2
        small = np.asarray(small)[:, start : start + width]
        frame[40 : 40 + len(small), x : x + width] = small
    return frame


def test_of_two_small_faces_the_speaking_one_is_chosen(landmarker, component, speaker, man):
    """A second of a debate, to and fro, beside a man who smiles, under five seconds of reading."""
    pytest.importorskip("onnxruntime", reason="needs ONNX Runtime, of the extra video")
    image_of = pytest.importorskip("PIL.Image", reason="needs Pillow, of the extra video").fromarray
    steps, heard = 75, []
    detector = SpeechDetector(component("silero-vad"))
    for block in read(READING):
        if isinstance(block, AudioBlock):
            heard += detector.push(block)
    # Its first window is longer; a speaker is told in each half second and a whole one after it.
    start, end = heard[0].window.start, steps / 15
    spans = [(time, time + 1.5) for time in np.arange(start, end - 1.5, 0.5)]
    tracker = FaceTracker(landmarker)
    pairs = zip(to_and_fro(speaker, steps), to_and_fro(man, steps), strict=True)
    for step, (talking, smiling) in enumerate(pairs):
        # Both faces become .11 wide.
        image = beside(image_of, (talking, 0.11 / 0.139), (smiling, 0.11 / 0.24))
        tracker.push(Frame(time=step / 15, image=image))
    tracks = tracker.tracks()
    assert [track.sequence.present.sum() >= 0.95 * steps for track in tracks] == [True, True]
    for track in tracks:
        assert np.diff(track.boxes[:, [0, 2]]).mean() == pytest.approx(0.11, abs=0.02)
    (talker,) = (i for i, track in enumerate(tracks) if track.boxes[0, 2] < 0.5)
    assert heard[0].window.end > end
    assert len(spans) == 7
    assert np.mean([chosen == talker for chosen in speakers_of(tracks, spans)]) >= 0.9
