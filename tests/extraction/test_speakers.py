import numpy as np
import pytest

from deadpan.extraction.faces import FACE_COLUMNS
from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.speakers import STILL, mouth_movement, speakers_of
from deadpan.extraction.tracks import FaceTrack

RATE = 15.0


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
