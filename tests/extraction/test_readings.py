import math

import numpy as np
import pytest

from deadpan.extraction.readings import (
    NO_SMILE_ON_POSITIVE,
    SHUT,
    SMILE,
    SMILE_ON_NEGATIVE,
    UPPER_LIP,
    Lexicon,
    incongruity_of,
    read_face,
    read_voice,
    steps_within,
)
from deadpan.extraction.sequences import Column, MeasuredSequence
from deadpan.extraction.timeline import Reading
from deadpan.extraction.utterances import Word

pytest.importorskip("vaderSentiment", reason="needs vaderSentiment, of the extra video")

SURE = Reading(value=0.8, confidence=0.9)


FACE = (*SMILE, *SHUT, *UPPER_LIP)


def face_of(smile, *, shut=0.0, teeth=0.0, **how):
    """A face with these blendshapes, the last two the same at every step."""
    values = [[x, x, shut, shut, teeth, teeth] for x in smile]
    return sequence(values, names=FACE, **how)


def sequence(values, *, names, rate=10.0, present=None, confidence=1.0, first=0):
    values = np.array(values, np.float32).reshape(len(values), -1)
    values = np.broadcast_to(values, (len(values), len(names))).copy()
    present = np.ones(len(values), bool) if present is None else np.array(present)
    return MeasuredSequence(
        columns=tuple(Column(name=name, unit="", source="", low=0.0, high=1.0) for name in names),
        rate=rate,
        first=first,
        values=values,
        present=present,
        confidence=np.where(present, np.float32(confidence), np.float32(0)),
    )


def said(text, probability=0.9):
    words = text.split()
    return [
        Word(text=word, start=float(k), end=k + 1.0, probability=probability)
        for k, word in enumerate(words)
    ]


def test_a_step_belongs_to_the_span_that_holds_its_middle():
    face = face_of([0] * 10, present=[True] * 5 + [False] * 5, first=20)
    assert steps_within(face, (2.1, 2.25)).tolist() == [False, True] + [False] * 8
    assert steps_within(face, (2.4, 9.0)).tolist() == [False] * 4 + [True] + [False] * 5


def test_a_smile_is_read_against_the_resting_face():
    """20 steps at rest with .1, 10 with a smile of .8: tanh((.8 - .1 - .3) / .2) = tanh(2)."""
    face = face_of([0.1] * 20 + [0.8] * 10)
    rest, smile = read_face(face, [(0.0, 2.0), (2.0, 3.0)])
    assert smile.value == pytest.approx(math.tanh(2), abs=1e-6)
    assert rest.value == pytest.approx(math.tanh(-1.5), abs=1e-6)
    assert smile.confidence == 1


def test_who_smiles_all_the_time_is_not_at_rest():
    (reading,) = read_face(face_of([0.9] * 30), [(0.0, 3.0)])
    assert reading.value == pytest.approx(math.tanh(1.5), abs=1e-6)


def test_a_face_out_of_view_abstains_and_half_of_one_is_half_as_sure():
    face = face_of([0.9] * 20, present=[True] * 10 + [False] * 10)
    half, none = read_face(face, [(0.0, 2.0), (1.0, 2.0)])
    assert half.confidence == pytest.approx(0.5)
    assert none == Reading(value=None, confidence=0.0, reason=none.reason)
    assert "not in view" in none.reason
    (nobody,) = read_face(face_of([0.9] * 9, present=[False] * 9), [(0.0, 1.0)])
    assert nobody.value is None


def test_a_grimace_under_shut_eyes_is_no_smile():
    """Tears: read as a smile of .8 by the network; with teeth, laughter is one."""
    (tears,) = read_face(face_of([0.8] * 30, shut=0.75, teeth=0.05), [(0.0, 3.0)])
    assert tears.value is None
    assert tears.confidence == 0
    (laughter,) = read_face(face_of([0.8] * 30, shut=0.75, teeth=0.8), [(0.0, 3.0)])
    assert laughter.value == pytest.approx(math.tanh(1), abs=1e-6)


@pytest.mark.parametrize(
    ("text", "sign"), [("I love this film", 1), ("it was not good at all", -1), ("awful", -1)]
)
def test_words_of_the_lexicon_have_a_sign(text, sign):
    assert np.sign(Lexicon().read(said(text)).value) == sign


def test_words_out_of_the_lexicon_are_no_neutral_ones():
    reading = Lexicon().read(said("the table is brown"))
    assert reading == Reading(value=None, confidence=0.0, reason="no word of the lexicon")
    assert Lexicon().read([]).reason == "no words"


def test_few_sure_words_make_an_unsure_reading():
    words = [*said("love", 0.9), *said("this film", 0.3)]
    assert Lexicon().read(words).confidence == pytest.approx((0.9 + 0.3 + 0.3) / 3 / 3)


def test_arousal_is_against_the_speakers_own_utterances():
    """Means 0, 1, 2 in both columns: standard scores -1.22, 0, 1.22."""
    voice = sequence([0] * 10 + [1] * 10 + [2] * 10, names=("loudness", "pitch"))
    readings = read_voice(
        voice, [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (5.0, 6.0)], ("loudness", "pitch")
    )
    values = [reading.value for reading in readings[:3]]
    assert values == pytest.approx([math.tanh(x * math.sqrt(1.5) / 1.5) for x in (-1, 0, 1)])
    assert readings[3].reason == "no voice"


def test_two_utterances_are_too_few_to_compare():
    voice = sequence([0] * 10 + [1] * 10, names=("loudness",))
    readings = read_voice(voice, [(0.0, 1.0), (1.0, 2.0)], ("loudness",))
    assert [reading.value for reading in readings] == [None, None]


def test_one_loudness_throughout_is_no_arousal():
    voice = sequence([0.5] * 30, names=("loudness",))
    readings = read_voice(voice, [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)], ("loudness",))
    assert [reading.value for reading in readings] == [0, 0, 0]


@pytest.mark.parametrize(
    ("text", "face", "kind"),
    [
        (-0.8, 0.8, SMILE_ON_NEGATIVE),
        (0.8, -0.8, NO_SMILE_ON_POSITIVE),
        (0.8, 0.8, ""),
        (-0.8, -0.8, ""),
        (-0.3, 0.8, ""),  # takes no side
        (0.8, -0.3, ""),
        (None, 0.8, ""),
        (-0.8, None, ""),
    ],
)
def test_only_opposed_sides_disagree(text, face, kind):
    def reading(value):
        return Reading(value=value, confidence=0.9 if value is not None else 0.0)

    assert incongruity_of(said("so very bad"), reading(text), reading(face)) == kind


def test_an_unsure_side_contradicts_nothing():
    negative = Reading(value=-0.8, confidence=0.9)
    assert incongruity_of(said("so very bad"), negative, SURE) == SMILE_ON_NEGATIVE
    assert incongruity_of(said("very bad"), negative, SURE) == ""
    assert incongruity_of(said("so very bad", 0.5), negative, SURE) == ""
    unsure = Reading(value=0.8, confidence=0.5)
    assert incongruity_of(said("so very bad"), negative, unsure) == ""
