"""A timeline with every kind of content, made up by hand: 4 s, two people and somebody unseen."""

import numpy as np

from deadpan.extraction.sequences import Column, MeasuredSequence
from deadpan.extraction.timeline import (
    Curve,
    FusedScore,
    Person,
    Reading,
    RecordingFacts,
    Timeline,
    TimelineUtterance,
)
from deadpan.extraction.utterances import Word
from deadpan.extraction.voice import VOICE_COLUMNS, VOICE_RATE


def words(text, start, step=0.5, probability=1.0):
    """Words that follow each other without a pause, of step seconds each."""
    return tuple(
        Word(
            text=each,
            start=start + i * step,
            end=start + (i + 1) * step,
            probability=probability,
        )
        for i, each in enumerate(text.split(" "))
    )


def readings(text=None, audio=None, vision=None):
    """Readings of confidence .8; None abstains."""
    reasons = {"text": "no word of the lexicon", "audio": "no voice", "vision": "no face"}
    return {
        name: Reading(value=value, confidence=0.8)
        if value is not None
        else Reading(value=None, confidence=0.0, reason=reasons[name])
        for name, value in (("text", text), ("audio", audio), ("vision", vision))
    }


def curve(person, modality, values, *, rate=2.0, first=0, confidence=0.9, **column):
    """A curve of one column; None was not measured."""
    present = np.array([value is not None for value in values])
    how = {"name": "smile", "unit": "", "source": "by hand", "low": 0.0, "high": 1.0} | column
    return Curve(
        person=person,
        modality=modality,
        sequence=MeasuredSequence(
            columns=(Column(**how),),
            rate=rate,
            first=first,
            values=np.array([[value or 0.0] for value in values], np.float32),
            present=present,
            confidence=np.where(present, confidence, 0).astype(np.float32),
        ),
    )


FUSED = FusedScore(
    score=-1.25,
    low=-2.0,
    high=0.5,
    positive_probability=0.125,
    gate={"text": 0.5, "audio": 0.25, "vision": 0.25},
    contributions={"text": -1.5, "audio": -0.25, "vision": 0.5},
)


def made_up(*, run=""):
    """The timeline: person 1 smiles on negative words, somebody unseen answers, person 2 nods.

    Args:
        run: of a trained model, whose score the first utterance has; "" for none.
    """
    return Timeline(
        recording=RecordingFacts(
            file="talk.webm",
            sha256="0" * 64,
            duration=4.0,
            has_video=True,
            has_audio=True,
            warnings=("The last 0.2 s are damaged.",),
        ),
        persons=(
            Person(name="person 1", seen=4.0, speaks=1.0),
            Person(name="person 2", seen=2.0, speaks=0.5),
        ),
        utterances=(
            TimelineUtterance(
                start=0.0,
                end=1.0,
                person="person 1",
                words=words("That’s terrible.", 0.0),
                readings=readings(text=-0.5, audio=0.25, vision=0.75),
                fused=FUSED if run else None,
                incongruity="a smile on negative words",
            ),
            TimelineUtterance(
                start=1.5,
                end=2.5,
                person=None,
                words=words("Who knows?", 1.5, probability=0.3),
                readings=readings(audio=-0.25),
            ),
            TimelineUtterance(
                start=3.0,
                end=3.5,
                person="person 2",
                words=words("Great!", 3.0),
                readings=readings(text=0.6, audio=0.0, vision=0.5),
            ),
        ),
        curves=(
            curve("person 1", "vision", [0.125, 0.5, 0.75, 0.5, 0.25, None, None, 0.0]),
            curve("person 2", "vision", [0.25, 0.5, 0.5, 0.75], first=4),
            curve(
                None,
                "audio",
                [-20.0, -30.0, -40.0, -30.0, -30.0, -60.0, -20.0, -60.0],
                name="loudness",
                unit="dB",
                low=-120.0,
                high=0.0,
            ),
        ),
        made_by={"deadpan": "0.1.0", "recipe": "open-1", "face-landmarker": "ab" * 32},
        run=run,
    )


def steady_voice(seconds):
    """A voice that is the same throughout."""
    steps = round(seconds * VOICE_RATE)
    return MeasuredSequence(
        columns=VOICE_COLUMNS,
        rate=VOICE_RATE,
        first=0,
        values=np.zeros((steps, len(VOICE_COLUMNS)), np.float32),
        present=np.ones(steps, bool),
        confidence=np.ones(steps, np.float32),
    )
