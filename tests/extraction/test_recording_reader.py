"""A recording read in one pass, and what its readings say of made-up twins."""

import numpy as np
import pytest

from deadpan.errors import DataError
from deadpan.extraction.faces import FaceLandmarker
from deadpan.extraction.media import Frame, read
from deadpan.extraction.readings import NO_SMILE_ON_POSITIVE, SMILE_ON_NEGATIVE
from deadpan.extraction.recording_reader import (
    COMPONENTS,
    ReadRecording,
    RecordingReader,
    component_folder,
)
from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.timeline import RecordingFacts
from deadpan.extraction.tracks import FACE_RATE, FaceTracker
from deadpan.extraction.training_free import training_free_timeline
from deadpan.extraction.utterances import Word
from deadpan.extraction.voice import VOICE_COLUMNS, VOICE_RATE

from ..refusals import refusal_of

CLIP = "media/pyfeat_WolfgangLanger_Pexels.mp4"
CRYING, SMILING = (6.0, 9.2), (12.0, 15.2)
"""Seconds of the clip, of one woman: tears with a hand at the face, and a broad smile."""
HAPPY = "This is the most wonderful and beautiful present, I love it"
SAD = "This is the most terrible and painful loss, I hate it"


@pytest.fixture(scope="module")
def tracks(component, shared):
    """The faces of both parts of the clip, each as a recording of its own."""
    pytest.importorskip("av", reason="needs PyAV, of the extra video")
    landmarker = FaceLandmarker(component("face-landmarker"))
    parts = {}
    for name, (start, end) in {"crying": CRYING, "smiling": SMILING}.items():
        tracker = FaceTracker(landmarker)
        with read(shared / CLIP, fps=FACE_RATE, side=640) as media:
            for item in media:
                if isinstance(item, Frame) and start <= item.time < end:
                    tracker.push(Frame(time=item.time - start, image=item.image))
        parts[name] = tracker.tracks()
    return parts


@pytest.mark.parametrize(
    ("script", "face", "kind"),
    [
        (HAPPY, "smiling", ""),
        (SAD, "crying", ""),
        (SAD, "smiling", SMILE_ON_NEGATIVE),
        (HAPPY, "crying", NO_SMILE_ON_POSITIVE),
    ],
)
def test_twins(script, face, kind, tracks):
    """One script, happy and sad, on smiling and crying faces: signs and mismatches."""
    texts = script.split()
    words = tuple(
        Word(text=text, start=0.2 * k, end=0.2 * k + 0.2, probability=0.9)
        for k, text in enumerate(texts)
    )
    recording = ReadRecording(
        facts=RecordingFacts(
            file="twin.mp4", sha256="", duration=3.2, has_video=True, has_audio=True
        ),
        language="en",
        words=words,
        voice=MeasuredSequence(
            columns=VOICE_COLUMNS,
            rate=VOICE_RATE,
            first=0,
            values=np.zeros((40, len(VOICE_COLUMNS)), np.float32),
            present=np.ones(40, bool),
            confidence=np.ones(40, np.float32),
        ),
        tracks=tuple(tracks[face]),
    )
    (said,) = training_free_timeline(recording, made_by={}).utterances
    assert np.sign(said.readings["text"].value) == (1 if script == HAPPY else -1)
    assert np.sign(said.readings["vision"].value) == (1 if face == "smiling" else -1)
    assert said.incongruity == kind


def test_a_missing_component_is_named_with_the_way_to_get_it(tmp_path):
    message = refusal_of(f"{tmp_path / 'face-landmarker'}: ", RecordingReader, tmp_path)
    assert "deadpan components fetch face-landmarker silero-vad whisper-base" in message


def test_a_component_is_the_folder_of_its_name(component, tmp_path):
    folder = component(COMPONENTS[0])
    assert component_folder(folder.parent, COMPONENTS[0]) == folder
    with pytest.raises(DataError):
        component_folder(tmp_path, COMPONENTS[0])
