import dataclasses

import numpy as np
import pytest

from deadpan.extraction.faces import BLENDSHAPES, FACE_COLUMNS
from deadpan.extraction.readings import NO_SMILE_ON_POSITIVE, SMILE, SMILE_ON_NEGATIVE
from deadpan.extraction.recording_reader import ReadRecording
from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.timeline import RecordingFacts
from deadpan.extraction.tracks import FACE_RATE, FaceTrack
from deadpan.extraction.training_free import training_free_timeline
from deadpan.extraction.utterances import Word

from .made_up import steady_voice

pytest.importorskip("vaderSentiment", reason="needs vaderSentiment, of the extra video")

SECONDS = 6.0
FACTS = RecordingFacts(
    file="talk.mp4", sha256="0" * 64, duration=SECONDS, has_video=True, has_audio=True
)
VOICE = steady_voice(SECONDS)


def words(*utterances):
    """Words of (start, text) each; a word takes a fifth of a second."""
    return tuple(
        Word(text=word, start=start + k / 5, end=start + k / 5 + 0.2, probability=0.9)
        for start, text in utterances
        for k, word in enumerate(text.split())
    )


def face(smile, *, speaks, first=0.0):
    """A face that smiles from step to step, and moves its mouth where it speaks."""
    count = len(smile)
    values = np.zeros((count, len(FACE_COLUMNS)), np.float32)
    values[:, [BLENDSHAPES.index(name) for name in SMILE]] = np.array(smile)[:, None]
    moving = np.arange(count) % 2 * 0.1 * np.array(speaks)
    return FaceTrack(
        sequence=MeasuredSequence(
            columns=FACE_COLUMNS,
            rate=FACE_RATE,
            first=round(first * FACE_RATE),
            values=values,
            present=np.ones(count, bool),
            confidence=np.ones(count, np.float32),
        ),
        boxes=np.zeros((count, 4), np.float32),
        mouth_openings=moving.astype(np.float32),
        mouths=np.zeros((count, 2), np.float32),
    )


def timeline(tracks, *said, language="en"):
    recording = ReadRecording(
        facts=FACTS, language=language, words=words(*said), voice=VOICE, tracks=tuple(tracks)
    )
    return training_free_timeline(recording, made_by={"deadpan": "1"})


def test_two_people_have_their_own_words_and_faces():
    """The first speaks for three seconds and smiles then; the second, seen later, does not."""
    first = face([0.9] * 45 + [0.0] * 45, speaks=[1] * 45 + [0] * 45)
    second = face([0.0] * 75, speaks=[0] * 30 + [1] * 45, first=1.0)
    result = timeline(
        [second, first], (0.0, "I hate this awful film."), (3.5, "What a lovely great film!")
    )
    assert [person.name for person in result.persons] == ["person 1", "person 2"]
    assert [each.person for each in result.utterances] == ["person 1", "person 2"]
    smiling, still = (each.readings["vision"].value for each in result.utterances)
    assert smiling > 0.7
    assert still < -0.7
    kinds = [each.incongruity for each in result.utterances]
    assert kinds == [SMILE_ON_NEGATIVE, NO_SMILE_ON_POSITIVE]
    assert result.persons[0].speaks == pytest.approx(1.0)
    assert result.persons[1].seen == pytest.approx(5.0)


def test_congruent_utterances_are_no_moments():
    smiling = face([0.0] * 45 + [0.9] * 45, speaks=[1] * 90)
    result = timeline([smiling], (0.0, "I hate this awful film."), (3.5, "What a lovely film!"))
    assert result.moments == ()


def test_a_voice_over_the_only_face_in_view_is_read_beside_it():
    still = face([0.9] * 90, speaks=[0] * 90)
    (said,) = timeline([still], (0.0, "I hate this awful film.")).utterances
    assert said.person is None
    assert said.face_of == "person 1"
    assert said.incongruity == SMILE_ON_NEGATIVE


def test_a_voice_over_two_faces_has_neither():
    still = face([0.9] * 90, speaks=[0] * 90)
    (said,) = timeline([still, still], (0.0, "I hate this awful film.")).utterances
    assert (said.person, said.face_of, said.incongruity) == (None, None, "")
    assert said.readings["vision"].value is None


def test_sound_alone_is_one_voice():
    """Three utterances, each as loud as the others: arousal 0."""
    facts = dataclasses.replace(FACTS, has_video=False)
    said = words((0.0, "One film."), (2.0, "Two films."), (4.0, "Three films."))
    recording = ReadRecording(facts=facts, language="en", words=said, voice=VOICE, tracks=())
    result = training_free_timeline(recording, made_by={})
    assert [each.readings["audio"].value for each in result.utterances] == [0, 0, 0]
    assert all("vision" not in each.readings for each in result.utterances)  # nothing to see


def test_nothing_said_is_no_utterance():
    result = timeline([face([0.5] * 90, speaks=[0] * 90)])
    assert result.utterances == ()
    assert {(curve.person, curve.sequence.columns[0].name) for curve in result.curves} == {
        ("person 1", "smile"),
        (None, "loudness"),
        (None, "pitch"),
    }


def test_a_lexicon_of_english_reads_no_other_language():
    (said,) = timeline([], (0.0, "Der Film war gut."), language="de").utterances
    assert said.readings["text"].reason == "the lexicon is of English words"
