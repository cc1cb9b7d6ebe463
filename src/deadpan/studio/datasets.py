"""Labelled utterances as a folder that ``deadpan extract`` takes: a table, and a clip for each."""

import dataclasses
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from deadpan.errors import DeadpanError, count_of
from deadpan.extraction.cutting import Span, cut
from deadpan.extraction.recording_reader import RecordingWatch
from deadpan.files import csv_text, write_atomically
from deadpan.studio.annotations import AnnotatedUtterance

DATASETS = "datasets"
"""Name of the folder of all data sets, in the studio's folder."""
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
FEWEST_GROUPS = 3
"""Recordings from which on none is in two splits."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledRecording:
    """A recording with labelled utterances.

    Attributes:
        id: of its analysis.
        file: the recording.
        utterances: those with a label.
    """

    id: str
    file: Path
    utterances: tuple[AnnotatedUtterance, ...]


def check_name(name: object) -> str:
    """A data set's name; DeadpanError for what is no plain folder name."""
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise DeadpanError(
            f"the name {name!r:.80}: wanted letters, digits, - and _, and a letter or digit first"
        )
    return name


def write_labelled(
    recordings: Sequence[LabelledRecording], out: Path, *, watch: RecordingWatch
) -> None:
    """Write a data set: ``labels.csv``, and ``clips/ID.mkv`` or ``.wav`` for each of its rows.

    The clips of a recording are a group, which stays in one split, from three recordings on. Of
    fewer, each clip is a group: no split would be left to test on.

    Args:
        recordings: whose clips are cut.
        out: the folder, which must not be there; it is there once it is whole.
        watch: is called as recordings are read.

    Raises:
        DeadpanError: the folder is there, a recording cannot be read, or a clip not be written.
    """
    if out.exists():
        raise DeadpanError(f"there is a data set {out.name} already; give another name")
    making = out.with_name(f".{out.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    grouped = len(recordings) >= FEWEST_GROUPS
    rows: list[dict[str, object]] = []
    try:
        (making / "clips").mkdir(parents=True)
        for recording in recordings:
            spans = [
                Span(
                    start=each.start,
                    end=each.end,
                    file=making / "clips" / f"{recording.id}_{each.number}",
                )
                for each in recording.utterances
            ]
            cut(recording.file, spans, watch=watch)
            for span, each in zip(spans, recording.utterances, strict=True):
                name = span.file.name
                group = recording.id if grouped else name
                rows.append({"id": name, "label": each.label, "text": each.text, "group": group})
        write_atomically(making / "labels.csv", csv_text(rows).encode())
        making.rename(out)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise


def dataset_note(recordings: Sequence[LabelledRecording]) -> str | None:
    """What whoever trains on a data set must know."""
    if len(recordings) >= FEWEST_GROUPS:
        return None
    return (
        f"the clips are of {count_of(len(recordings), 'recording')} and so in several splits: "
        f"scores will be flattering; label {FEWEST_GROUPS} recordings or more"
    )
