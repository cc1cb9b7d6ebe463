"""Clip tables in the MMSA convention: a CSV with video_id, clip_id, text, label and mode."""

import csv
import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deadpan.data.readers.files import first_bytes, opened, shown
from deadpan.errors import DataError

COLUMNS = ("video_id", "clip_id", "text", "label", "mode")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipRow:
    """One row.

    Attributes:
        line: the row's (last) line in the file, from 1.
        video: name of the video.
        clip: number or name of the clip within its video.
        text: the transcript as written.
        label: the number in the file; may be NaN or out of range.
        mode: the split as written.
    """

    line: int
    video: str
    clip: str
    text: str
    label: float
    mode: str


def read_clip_table(path: Path) -> list[ClipRow]:
    """Read a clip table: UTF-8, a header, one clip per row; further columns are left alone.

    Raises:
        DataError: not such a file, or a row that does not fit, named by its line.
    """
    with opened(path, "a clip table (CSV)") as stream:
        content = stream.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}: line {line}: not UTF-8; save the table as UTF-8") from None
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
            raise DataError(
                f"{path}: line 1: no column {', '.join(missing)}; wanted {', '.join(COLUMNS)}"
            )
        rows = [_row(path, reader.line_num, fields) for fields in reader]
    except csv.Error as error:
        line = reader.line_num + 1  # the reader counts a line when it is done with it
        raise DataError(f"{path}: line {line}: not CSV ({error}); mend it") from None
    if not rows:
        raise DataError(f"{path}: has a header but no clips; give it some rows")
    return rows


def looks_like_clip_table(path: Path) -> bool:
    """Whether the name or the header says clip table; never raises, reads the header alone."""
    head = first_bytes(path, 4096).splitlines()
    return path.suffix.lower() == ".csv" or (
        bool(head) and all(name.encode() in head[0] for name in COLUMNS)
    )


def _row(path: Path, line: int, fields: Mapping[str | None, Any]) -> ClipRow:
    # DictReader files surplus fields under None and fills missing ones with None.
    if None in fields or None in fields.values():
        raise DataError(f"{path}: line {line}: not as many fields as the header; mend the row")
    try:
        label = float(fields["label"])
    except ValueError:
        got = shown(fields["label"])
        raise DataError(
            f"{path}: line {line}: label '{got}' is no number; wanted one in [-3, 3]"
        ) from None
    if not fields["video_id"] or not fields["clip_id"]:
        raise DataError(f"{path}: line {line}: no video_id or clip_id; give both")
    return ClipRow(
        line=line,
        video=fields["video_id"],
        clip=fields["clip_id"],
        text=fields["text"],
        label=label,
        mode=fields["mode"],
    )
