"""Corrected transcripts and labels of utterances, beside the timeline that they are of."""

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from deadpan.errors import DeadpanError
from deadpan.files import read_json, write_json
from deadpan.options import record

ANNOTATIONS_FILE = "annotations.json"
LARGEST_LABEL = 3.0
LONGEST_TEXT = 5_000
"""Most characters of an utterance's transcript."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Annotation:
    """What somebody said of an utterance.

    Attributes:
        text: the transcript; None where what was recognised stands.
        label: sentiment in [-3, 3]; None for none.
    """

    text: str | None = None
    label: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnnotatedUtterance:
    """An utterance of a timeline, and what somebody said of it.

    Attributes:
        number: its place in the timeline, from 0.
        start: seconds from the recording's start.
        end: likewise.
        person: who speaks; None where nobody in view does.
        recognized: the words as they were recognised.
        text: the transcript: corrected, or what was recognised.
        label: sentiment in [-3, 3]; None for none.
    """

    number: int
    start: float
    end: float
    person: str | None
    recognized: str
    text: str
    label: float | None


def changed(annotation: Annotation, content: bytes) -> Annotation:
    """An annotation with the changes that a request brings as JSON; what it leaves out stays.

    Raises:
        DeadpanError: no JSON object, an unknown key, or a value out of range.
    """
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DeadpanError(f"got no JSON ({error}); wanted an object") from None
    if not isinstance(values, dict):
        raise DeadpanError('wanted an object such as {"text": "Hello", "label": 1.5}')
    given = cast(dict[str, object], values)
    annotation = record(
        "", dataclasses.asdict(annotation) | given, Annotation, unknown="key of an annotation"
    )
    label, text = annotation.label, annotation.text
    if label is not None and not (math.isfinite(label) and abs(label) <= LARGEST_LABEL):
        raise DeadpanError(f"label {label}: wanted a number in [-3, 3], or null")
    if text is not None:
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        if len(text) > LONGEST_TEXT:
            raise DeadpanError(f"a text of {len(text):,}; wanted at most {LONGEST_TEXT:,} letters")
    return dataclasses.replace(annotation, text=text)


def read_annotations(folder: Path) -> dict[int, Annotation]:
    """The annotations in an analysis's folder, by the utterance's number."""
    file = folder / ANNOTATIONS_FILE
    if not file.is_file():
        return {}
    values = read_json(file, "remove it to begin anew", error=DeadpanError)
    if not isinstance(values, dict):
        raise DeadpanError(f"{file}: holds no annotations; remove it to begin anew")
    rows = cast(dict[str, Any], values)
    return {int(n): record(f"{file}: {n}", x, Annotation) for n, x in rows.items() if n.isdigit()}


def write_annotations(folder: Path, annotations: Mapping[int, Annotation]) -> None:
    """Write the annotations of an analysis, whole or not at all; empty ones are left out."""
    values = {
        str(number): dataclasses.asdict(annotation)
        for number, annotation in sorted(annotations.items())
        if annotation != Annotation()
    }
    write_json(folder / ANNOTATIONS_FILE, values)


def annotated_utterances(folder: Path, timeline: Path) -> list[AnnotatedUtterance]:
    """The utterances of a timeline with their annotations.

    Args:
        folder: of the analysis.
        timeline: its ``timeline.json``.
    """
    annotations = read_annotations(folder)
    utterances = read_json(timeline, "analyze the recording again", error=DeadpanError)
    rows: list[AnnotatedUtterance] = []
    for number, each in enumerate(utterances["utterances"]):
        annotation = annotations.get(number, Annotation())
        rows.append(
            AnnotatedUtterance(
                number=number,
                start=each["start"],
                end=each["end"],
                person=each["person"],
                recognized=each["text"],
                text=each["text"] if annotation.text is None else annotation.text,
                label=annotation.label,
            )
        )
    return rows
