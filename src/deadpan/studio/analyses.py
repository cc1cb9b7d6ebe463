"""Analyses of recordings on disk: a folder each, named by an id that the studio draws."""

import dataclasses
import datetime
import re
import secrets
import shutil
from pathlib import Path
from typing import Literal

from deadpan.errors import DeadpanError
from deadpan.files import read_json, write_json
from deadpan.options import record

JOB_FILE = "job.json"
ANALYSES = "analyses"
"""Name of the folder of all analyses, in the studio's folder."""
NAME_LENGTH = 200
"""Most characters of a recording's name."""
State = Literal["queued", "running", "done", "failed"]
FINAL = ("done", "failed")
RESULTS = ("timeline.json", "timeline.csv", "timeline.srt", "timeline.html")
"""Files of a finished analysis, as ``deadpan analyze`` writes them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Analysis:
    """One recording that was sent to the studio, and what became of it.

    Attributes:
        id: drawn by the studio.
        name: the recording's, as its sender wrote it.
        file: the recording's file in the analysis's folder, made of the name.
        size: of the recording, in bytes.
        state: queued, running, done or failed.
        created: date and time, UTC.
        error: why it failed; "" where it did not.
        seconds: of the recording; None before it was opened.
        read: of these, how many were read; not kept on disk.
    """

    id: str
    name: str
    file: str
    size: int
    state: State
    created: str
    error: str = ""
    seconds: float | None = None
    read: float = 0.0

    @property
    def final(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in FINAL

    @property
    def progress(self) -> float:
        """Share of the recording that was read, in [0, 1]."""
        if self.state == "done":
            return 1.0
        return min(1.0, self.read / self.seconds) if self.seconds else 0.0


class AnalysisFolder:
    """The folder of all analyses. Whatever kills the studio, each is whole or not there.

    Args:
        path: made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def load(self) -> list[Analysis]:
        """Every analysis, oldest first; one that was running when the studio ended is queued again.

        What was half sent or half removed is removed.
        """
        found: list[Analysis] = []
        for entry in self.path.iterdir():
            if re.fullmatch(r"\.[0-9a-f]{16}\.(upload|removed)", entry.name):
                shutil.rmtree(entry, ignore_errors=True)
            elif re.fullmatch(r"[0-9a-f]{16}", entry.name):
                found.append(self._read(entry))
        return sorted(found, key=lambda each: (each.created, each.id))

    def _read(self, folder: Path) -> Analysis:
        try:
            values = read_json(folder / JOB_FILE, "it is not whole")
            analysis = record(str(folder / JOB_FILE), values, Analysis)
            if analysis.id != folder.name or analysis.file != safe_file(analysis.file):
                raise DeadpanError(f"{folder / JOB_FILE}: of another analysis")
        except DeadpanError as error:
            return Analysis(
                id=folder.name,
                name=folder.name,
                file="recording",
                size=0,
                state="failed",
                created="",
                error=f"{error}; remove the analysis",
            )
        if analysis.state == "running":
            return dataclasses.replace(analysis, state="queued", read=0.0)
        return analysis

    def save(self, analysis: Analysis) -> None:
        """Write the state of an analysis."""
        values = dataclasses.asdict(analysis)
        del values["read"]
        write_json(self.folder(analysis) / JOB_FILE, values)

    def folder(self, analysis: Analysis) -> Path:
        """The analysis's folder."""
        return self.path / analysis.id

    def recording(self, analysis: Analysis) -> Path:
        """The recording's file."""
        return self.folder(analysis) / analysis.file

    def result(self, analysis: Analysis, name: str) -> Path:
        """One of the files of ``RESULTS``."""
        stem = Path(analysis.file).stem
        return self.folder(analysis) / f"{stem}-timeline" / name

    def upload(self, name: str) -> "Upload":
        """Begin with an analysis, whose recording is yet to come."""
        name = plain_name(name)
        return Upload(self, secrets.token_hex(8), name)

    def remove(self, analysis: Analysis) -> None:
        """Remove an analysis with all its files."""
        gone = self.path / f".{analysis.id}.removed"
        self.folder(analysis).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


class Upload:
    """A recording that is being received; nobody sees it before it is whole.

    Attributes:
        size: bytes so far.
    """

    def __init__(self, folder: AnalysisFolder, identity: str, name: str) -> None:
        self._folder, self._id, self._name = folder, identity, name
        self._making = folder.path / f".{identity}.upload"
        self._file = safe_file(name)
        self._making.mkdir()
        self._open = (self._making / self._file).open("wb")
        self.size = 0

    def write(self, content: bytes) -> None:
        """Add to the recording."""
        self._open.write(content)
        self.size += len(content)

    def finish(self) -> Analysis:
        """Make the analysis of what was received, which is queued."""
        self._open.close()
        analysis = Analysis(
            id=self._id,
            name=self._name,
            file=self._file,
            size=self.size,
            state="queued",
            created=now(),
        )
        values = dataclasses.asdict(analysis)
        del values["read"]
        write_json(self._making / JOB_FILE, values)
        self._making.rename(self._folder.path / self._id)
        return analysis

    def abandon(self) -> None:
        """Remove what was received."""
        self._open.close()
        shutil.rmtree(self._making, ignore_errors=True)


def now() -> str:
    """Date and time, UTC, such that texts are in the order of times."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def plain_name(name: str) -> str:
    """A recording's name without what could steer a terminal; ``recording`` for none."""
    text = "".join(c if c.isprintable() else " " for c in name).strip()
    return text[:NAME_LENGTH] or "recording"


def safe_file(name: str) -> str:
    """The name of a file, made of a recording's: words joined by ``_``, and an ending."""
    stem, _, ending = name.rpartition(".")
    if not re.fullmatch(r"[A-Za-z0-9]{1,8}", ending, re.ASCII) or not stem:
        stem, ending = name, ""
    words = "_".join(re.findall(r"\w+(?:-+\w+)*", stem))
    words = words[:60].encode()[:120].decode(errors="ignore").rstrip("-")
    return f"{words or 'recording'}{f'.{ending.lower()}' if ending else ''}"


def without_folders(message: str, recording: Path, name: str) -> str:
    """A message for whoever sent a recording: with its name in the place of its path here."""
    return message.replace(str(recording), name)
