"""Clip tables: a CSV with a header, one clip per row, told apart by an id."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from deadpan.data.containers.csv_rows import csv_rows
from deadpan.data.containers.files import first_bytes, shown
from deadpan.errors import DataError

ID_COLUMNS = ("id", "video_id", "clip_id")
"""``id`` by itself, or else ``video_id`` and ``clip_id`` together."""
MARKS = frozenset({*ID_COLUMNS, "label", "split", "mode"})
"""Columns by any of which a clip table is known."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipRow:
    """One row.

    Attributes:
        line: the row's (last) line in the file, from 1.
        id: of the clip; a name that no other row has, without a path separator.
        cells: the fields as written, by column.
    """

    line: int
    id: str
    cells: Mapping[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipTable:
    """The table.

    Attributes:
        columns: their names, in the order of the file.
        rows: one or more, in the order of the file.
    """

    columns: tuple[str, ...]
    rows: tuple[ClipRow, ...]


def read_clip_table(path: Path) -> ClipTable:
    """Read a clip table. The id is the column ``id``, or ``VIDEO_CLIP`` of video_id and clip_id.

    Raises:
        DataError: not such a file, or a row that does not fit, named by its line: another number
            of fields than the header, an id that is missing, repeated or no name for a file.
    """
    lines = csv_rows(path, "a clip table (CSV)")
    columns = _columns(path, next(lines, (1, []))[1])
    rows: list[ClipRow] = []
    seen: dict[str, int] = {}
    for line, fields in lines:
        where = f"{path}: line {line}"
        if len(fields) != len(columns):
            raise DataError(
                f"{where}: not as many fields as the header ({len(fields)}, not {len(columns)}); "
                f"mend the row"
            )
        cells = dict(zip(columns, fields, strict=True))
        clip = _id(where, cells)
        if clip in seen:
            raise DataError(
                f"{where}: clip '{shown(clip)}' is already on line {seen[clip]}; "
                f"give each clip one row"
            )
        seen[clip] = line
        rows.append(ClipRow(line=line, id=clip, cells=cells))
    if not rows:
        raise DataError(f"{path}: has a header but no clips; give it some rows")
    return ClipTable(columns=columns, rows=tuple(rows))


def looks_like_clip_table(path: Path) -> bool:
    """Whether the header has a column by which a clip table is known; never raises.

    One whose columns are not parted by commas is known too: ``read_clip_table`` says so.
    """
    lines = first_bytes(path, 1 << 16).decode("utf-8-sig", errors="replace").split("\n")
    header = next((line for line in lines if line.strip()), "")
    names = {name.strip(' "\r') for name in re.split("[,;\t]", header)}
    return len(names) > 1 and not MARKS.isdisjoint(names)


def _columns(path: Path, fields: Sequence[str]) -> tuple[str, ...]:
    where = f"{path}: line 1"
    columns = tuple(field.strip() for field in fields)
    if len(columns) == 1 and (wrong := re.search("[;\t]", columns[0])):
        raise DataError(f"{where}: columns are parted by {wrong[0]!r}; save it with commas")
    if not ({"id"} <= set(columns) or {"video_id", "clip_id"} <= set(columns)):
        found = shown(", ".join(columns)) or "nothing"
        raise DataError(f"{where}: no column id (or video_id and clip_id); found {found}; add one")
    for place, name in enumerate(columns):
        if name and name in columns[:place]:
            raise DataError(f"{where}: column '{shown(name)}' stands twice; rename one")
    return columns


def _id(where: str, cells: Mapping[str, str]) -> str:
    if "id" in cells:
        clip = cells["id"]
        if not clip.strip():
            raise DataError(f"{where}: no id; give one")
    else:
        if not cells["video_id"] or not cells["clip_id"]:
            raise DataError(f"{where}: no video_id or clip_id; give both")
        clip = f"{cells['video_id']}_{cells['clip_id']}"
    # Files are looked up by it.
    if any(separator in clip for separator in ("/", "\\", "\0")):
        raise DataError(
            f"{where}: id '{shown(clip)}' has a path separator; wanted a name without / and \\"
        )
    return clip
