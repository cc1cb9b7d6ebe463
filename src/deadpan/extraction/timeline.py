"""The timeline of a recording: who says what, what each modality shows, and where they disagree."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from deadpan.extraction.sequences import MeasuredSequence
from deadpan.extraction.utterances import Word
from deadpan.files import csv_text

SCHEMA = "deadpan-timeline/1"
"""Name and version of the JSON. A number grows when a key changes its meaning or goes away."""
NOTICE = (
    "An expression is not a felt emotion: a smile may be polite, and a flat voice may be a cold. "
    "Do not decide about a person by this. In the European Union, Regulation 2024/1689 (AI Act) "
    "forbids inferring emotions of people at work and in education (Article 5(1)(f)) but for "
    "medical and safety reasons, and obliges whoever uses such a system elsewhere to tell the "
    "people it is used on (Article 50(3))."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """What one modality shows during an utterance.

    Attributes:
        value: in [-1, 1]: from negative to positive, of the voice from calm to aroused; None where
            the modality abstains.
        confidence: in [0, 1]; 0 where it abstains.
        reason: why it abstains; "" where it does not.
    """

    value: float | None
    confidence: float
    reason: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FusedScore:
    """The prediction of a trained model for an utterance.

    Attributes:
        score: sentiment in [-3, 3].
        low: lower end of its 90 % interval; None where the run has none.
        high: likewise.
        positive_probability: probability that the sentiment is above 0; None where the run has
            none.
        gate: weight of each modality in the gate, sum 1; empty for a model without one.
        contributions: Shapley value of each modality, in the score's unit.
    """

    score: float
    low: float | None
    high: float | None
    positive_probability: float | None
    gate: Mapping[str, float]
    contributions: Mapping[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimelineUtterance:
    """One utterance of one person.

    Attributes:
        start: seconds from the recording's start.
        end: likewise.
        person: who speaks, as ``Timeline.persons`` names them; None where nobody in view does.
        face_of: whose face is read: who speaks or, where nobody in view does, the only one in view;
            None where there is none, or several are.
        words: in order.
        readings: by modality: ``text``, ``audio``, ``vision``.
        fused: None without a run.
        incongruity: how modalities disagree, such as "a smile on negative words"; "" where they do
            not, or one of them is not sure.
    """

    start: float
    end: float
    person: str | None
    words: tuple[Word, ...]
    readings: Mapping[str, Reading]
    face_of: str | None = None
    fused: FusedScore | None = None
    incongruity: str = ""

    @property
    def text(self) -> str:
        """Its words as one line."""
        return " ".join(" ".join(word.text for word in self.words).split())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody whose face was seen.

    Attributes:
        name: "person 1" and so on, in the order of appearance.
        seen: seconds in view.
        speaks: seconds in view and speaking.
    """

    name: str
    seen: float
    speaks: float


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One number over time.

    Attributes:
        person: whose it is; None for the voice, and for words of somebody out of view.
        modality: ``text``, ``audio`` or ``vision``.
        sequence: of one column.
    """

    person: str | None
    modality: str
    sequence: MeasuredSequence


@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordingFacts:
    """What is known of the recording's file.

    Attributes:
        file: its name, without folders.
        sha256: of its bytes, in lower-case hexadecimal.
        duration: seconds.
        has_video: whether frames can be read.
        has_audio: whether sound can be read.
        warnings: sentences on what was cut off, damaged or left out.
    """

    file: str
    sha256: str
    duration: float
    has_video: bool
    has_audio: bool
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Timeline:
    """A recording, read.

    Attributes:
        recording: its file.
        persons: in the order of appearance.
        utterances: in order of their starts.
        curves: over the whole recording.
        made_by: version of deadpan, and the hash of each component's files, by name.
        run: the trained model's directory; "" where readings are training-free.
    """

    recording: RecordingFacts
    persons: tuple[Person, ...]
    utterances: tuple[TimelineUtterance, ...]
    curves: tuple[Curve, ...]
    made_by: Mapping[str, str]
    run: str = ""

    @property
    def moments(self) -> tuple[TimelineUtterance, ...]:
        """The utterances in which modalities disagree."""
        return tuple(each for each in self.utterances if each.incongruity)


def timeline_json(timeline: Timeline) -> dict[str, Any]:
    """The whole timeline as what ``json`` writes; documented in docs/timeline.md."""
    return {
        "schema": SCHEMA,
        "notice": NOTICE,
        "recording": {
            **dataclasses.asdict(timeline.recording),
            "duration": _time(timeline.recording.duration),
            "warnings": list(timeline.recording.warnings),
        },
        "made_by": dict(timeline.made_by),
        "run": timeline.run or None,
        "persons": [
            {"name": person.name, "seen": _time(person.seen), "speaks": _time(person.speaks)}
            for person in timeline.persons
        ],
        "utterances": [_utterance_json(each) for each in timeline.utterances],
        "curves": [_curve_json(curve) for curve in timeline.curves],
    }


def _utterance_json(utterance: TimelineUtterance) -> dict[str, Any]:
    return {
        "start": _time(utterance.start),
        "end": _time(utterance.end),
        "person": utterance.person,
        "face_of": utterance.face_of,
        "text": utterance.text,
        "words": [
            {
                "text": word.text,
                "start": _time(word.start),
                "end": _time(word.end),
                "probability": _number(word.probability),
            }
            for word in utterance.words
        ],
        "readings": {
            modality: {
                "value": _number(reading.value),
                "confidence": _number(reading.confidence),
                "reason": reading.reason or None,
            }
            for modality, reading in utterance.readings.items()
        },
        "fused": utterance.fused and _fused_json(utterance.fused),
        "incongruity": utterance.incongruity or None,
    }


def _fused_json(fused: FusedScore) -> dict[str, Any]:
    return {
        "score": _number(fused.score),
        "low": _number(fused.low),
        "high": _number(fused.high),
        "positive_probability": _number(fused.positive_probability),
        "gate": {modality: _number(weight) for modality, weight in fused.gate.items()},
        "contributions": {modality: _number(x) for modality, x in fused.contributions.items()},
    }


def _curve_json(curve: Curve) -> dict[str, Any]:
    sequence, (column,) = curve.sequence, curve.sequence.columns
    # As float64: what float32 rounds to four decimals has more of them in JSON.
    values = np.where(sequence.present, sequence.values[:, 0].astype(np.float64), np.nan)
    return {
        "person": curve.person,
        "modality": curve.modality,
        "name": column.name,
        "unit": column.unit,
        "source": column.source,
        "low": column.low,
        "high": column.high,
        "rate": sequence.rate,
        "first": sequence.first,
        "values": [_number(x) for x in values.tolist()],
        "confidence": [round(x, 2) for x in sequence.confidence.astype(np.float64).tolist()],
    }


def _time(seconds: float) -> float:
    """Seconds to the millisecond."""
    return round(float(seconds), 3)


def _number(value: float | None) -> float | None:
    """To four decimals; None for a number that is not finite, which JSON does not have."""
    return round(float(value), 4) if value is not None and math.isfinite(value) else None


def timeline_csv(timeline: Timeline) -> str:
    """A row for each utterance; where a modality abstains, its number is empty."""
    rows: list[dict[str, object]] = []
    for utterance in timeline.utterances:
        row: dict[str, object] = {
            "start": _time(utterance.start),
            "end": _time(utterance.end),
            "person": utterance.person or "",
            "face_of": utterance.face_of or "",
            "text": utterance.text,
            "incongruity": utterance.incongruity,
        }
        for modality, reading in utterance.readings.items():
            row[f"{modality}_value"] = _number(reading.value)  # `text` are the words
            row[f"{modality}_confidence"] = _number(reading.confidence)
            row[f"{modality}_reason"] = reading.reason
        if fused := utterance.fused:
            row |= {name: _number(getattr(fused, name)) for name in ("score", "low", "high")}
            row |= {f"contribution_{name}": _number(x) for name, x in fused.contributions.items()}
        rows.append(row)
    return csv_text(rows, columns=("start", "end", "person", "face_of", "text", "incongruity"))


def timeline_srt(timeline: Timeline) -> str:
    """Subtitles with what each modality shows in brackets below the words."""
    cues: list[str] = []
    for number, utterance in enumerate(timeline.utterances, start=1):
        shown = [
            f"{modality} {'abstains' if reading.value is None else _signed(reading.value)}"
            for modality, reading in utterance.readings.items()
        ]
        if utterance.fused:
            shown.append(f"score {_signed(utterance.fused.score)}")
        span = f"{_srt_time(utterance.start)} --> {_srt_time(utterance.end)}"
        who = f"{utterance.person}: " if utterance.person else ""
        notes = [f"[{', '.join(shown)}]"] if shown else []
        notes += [f"!! {utterance.incongruity}"] if utterance.incongruity else []
        lines = [f"{who}{utterance.text}", " ".join(notes)]
        # An empty line would end the cue, an arrow inside would be read as a time.
        said = "\n".join(" ".join(line.split()) for line in lines if line).replace("-->", "->")
        cues.append(f"{number}\n{span}\n{said}\n")
    return "\n".join(cues)


def _signed(value: float) -> str:
    return f"{round(value, 1) + 0.0:+.1f}"  # a sum with 0 is not -0


def _srt_time(seconds: float) -> str:
    minutes, milliseconds = divmod(round(1000 * seconds), 60_000)
    return (
        f"{minutes // 60:02d}:{minutes % 60:02d}:"
        f"{milliseconds // 1000:02d},{milliseconds % 1000:03d}"
    )
