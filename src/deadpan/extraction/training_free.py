"""The timeline of a recording by readings that need no training."""

from collections.abc import Mapping, Sequence

from deadpan.extraction.readings import (
    SMILE,
    Lexicon,
    Span,
    column_values,
    incongruity_of,
    read_face,
    read_voice,
)
from deadpan.extraction.recipes import AUDIO, TEXT, VISION
from deadpan.extraction.recording_reader import ReadRecording
from deadpan.extraction.sequences import Column, MeasuredSequence
from deadpan.extraction.speakers import only_face, speakers_of
from deadpan.extraction.timeline import Curve, Person, Reading, Timeline, TimelineUtterance
from deadpan.extraction.tracks import FaceTrack
from deadpan.extraction.utterances import split_utterances

AROUSAL = ("loudness", "pitch")
"""Descriptors of the voice that rise with arousal."""
OUT_OF_VIEW = Reading(value=None, confidence=0.0, reason="the speaker is not in view")
ENGLISH = "en"
OTHER_LANGUAGE = Reading(value=None, confidence=0.0, reason="the lexicon is of English words")
NO_FACE = Reading(value=None, confidence=0.0, reason="no single face is in view")


def training_free_timeline(recording: ReadRecording, *, made_by: Mapping[str, str]) -> Timeline:
    """Read every utterance of a recording: words by a lexicon, face by its smile, voice by arousal.

    Args:
        recording: as one pass measured it.
        made_by: what the timeline names as its makers.
    """
    utterances = split_utterances(recording.words)
    spans = [(each.start, each.end) for each in utterances]
    named = tracks_by_name(recording.tracks)
    names, tracks = list(named), list(named.values())
    speakers = speakers_of(tracks, spans)
    # A voice over the one face in view is read beside it: it may be dubbed, or the mouth hidden.
    faces = [
        only_face(tracks, span) if who is None else who
        for span, who in zip(spans, speakers, strict=True)
    ]
    lexicon = Lexicon()
    text = [
        lexicon.read(each.words) if recording.language == ENGLISH else OTHER_LANGUAGE
        for each in utterances
    ]
    vision, audio = (
        _read_faces(tracks, spans, faces),
        _read_voices(recording.voice, spans, speakers),
    )
    return Timeline(
        recording=recording.facts,
        persons=tuple(
            _person(name, track, [s for s, who in zip(spans, speakers, strict=True) if who == i])
            for i, (name, track) in enumerate(zip(names, tracks, strict=True))
        ),
        utterances=tuple(
            TimelineUtterance(
                start=each.start,
                end=each.end,
                person=None if who is None else names[who],
                face_of=None if face is None else names[face],
                words=each.words,
                readings={TEXT: text[i], AUDIO: audio[i]}
                | ({VISION: vision[i]} if recording.facts.has_video else {}),
                incongruity=incongruity_of(each.words, text[i], vision[i]),
            )
            for i, (each, who, face) in enumerate(zip(utterances, speakers, faces, strict=True))
        ),
        curves=(
            *(
                Curve(person=name, modality=VISION, sequence=_smile(track.sequence))
                for name, track in zip(names, tracks, strict=True)
            ),
            *(
                Curve(person=None, modality=AUDIO, sequence=_column(recording.voice, name))
                for name in AROUSAL
            ),
        ),
        made_by=made_by,
    )


def tracks_by_name(tracks: Sequence[FaceTrack]) -> dict[str, FaceTrack]:
    """Tracks by what their people are called: "person 1" and so on, in the order of appearance."""
    ordered = sorted(tracks, key=lambda track: track.sequence.first)
    return {f"person {number}": track for number, track in enumerate(ordered, start=1)}


def _read_faces(
    tracks: Sequence[FaceTrack], spans: Sequence[Span], faces: Sequence[int | None]
) -> list[Reading]:
    """Read one face in each span."""
    readings = [NO_FACE] * len(spans)
    for index, track in enumerate(tracks):
        own = [i for i, face in enumerate(faces) if face == index]
        for i, reading in zip(own, read_face(track.sequence, [spans[i] for i in own]), strict=True):
            readings[i] = reading
    return readings


def _read_voices(
    voice: MeasuredSequence, spans: Sequence[Span], speakers: Sequence[int | None]
) -> list[Reading]:
    """Read the voice in each span against the speaker's others.

    Who is out of view may be several people, and is not compared, unless nobody ever speaks in
    view: then all is taken for one voice.
    """
    readings = [OUT_OF_VIEW] * len(spans)
    voices = {who for who in speakers if who is not None} or {None}
    for speaker in voices:
        own = [i for i, who in enumerate(speakers) if who == speaker]
        for i, reading in zip(
            own, read_voice(voice, [spans[i] for i in own], AROUSAL), strict=True
        ):
            readings[i] = reading
    return readings


def _person(name: str, track: FaceTrack, spans: Sequence[Span]) -> Person:
    return Person(
        name=name,
        seen=float(track.sequence.present.sum() / track.sequence.rate),
        speaks=float(sum(end - start for start, end in spans)),
    )


def _smile(face: MeasuredSequence) -> MeasuredSequence:
    """The strength of a face's smile, as a sequence of one column."""
    source = next(column.source for column in face.columns if column.name == SMILE[0])
    column = Column(name="smile", unit="", source=source, low=0.0, high=1.0)
    return _one_column(face, column, SMILE)


def _column(sequence: MeasuredSequence, name: str) -> MeasuredSequence:
    """One column of a sequence as a sequence."""
    (column,) = (column for column in sequence.columns if column.name == name)
    return _one_column(sequence, column, (name,))


def _one_column(
    sequence: MeasuredSequence, column: Column, names: Sequence[str]
) -> MeasuredSequence:
    values = column_values(sequence, *names)
    return MeasuredSequence(
        columns=(column,),
        rate=sequence.rate,
        first=sequence.first,
        values=values[:, None].astype("float32"),
        present=sequence.present,
        confidence=sequence.confidence,
    )
