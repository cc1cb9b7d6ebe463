"""Clip tables: a table with a header and one clip per row; its columns and its ids."""

import dataclasses
import re
import shlex
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from deadpan.data.containers.files import printable
from deadpan.data.containers.memory import charge
from deadpan.data.containers.tables import (
    TextTable,
    first_columns,
    looks_like_spreadsheet,
    read_table,
)
from deadpan.errors import DataError, unknown_name

ID_COLUMNS = ("id", "video_id", "clip_id")
"""``id`` by itself, or else ``video_id`` and ``clip_id`` together."""
MARKS = frozenset({*ID_COLUMNS, "label", "split", "mode"})
"""Columns by any of which a clip table is recognised."""

ROW = 600
"""Bytes of memory of a row: its cells by column, and its label, split and group."""


MMSA = ("video_id", "clip_id", "text", "label", "mode")
"""The columns of a clip table in MMSA's convention, whose label is sentiment."""
GROUPS = ("group", "speaker", "video", "video_id")
"""Columns of the group, whose clips are not independent; the first that exists is used."""
SPLIT_COLUMNS = ("split", "mode")
KNOWN = (*ID_COLUMNS, "label", "text", *GROUPS[:-1], *SPLIT_COLUMNS)
"""Columns that are recognised in capitals too."""

LIKE_ID = frozenset(
    """
    audio clip clipid clipname file fileid filename filepath index key name path sample sampleid
    segment segmentid uid uttid utterance utteranceid uuid video videofile videoname wav wavpath
    """.split()
)
"""Names that a column of ids may have, in lower case without other characters than letters."""

KNOWN_TABLES: tuple[tuple[str, frozenset[str], Mapping[str, str]], ...] = (
    (
        "EmoryNLP's table",
        frozenset({"Utterance", "Emotion", "Season", "Episode", "Scene_ID", "Utterance_ID"}),
        {
            "id": "'sea{Season}_ep{Episode}_sc{Scene_ID}_utt{Utterance_ID}'",
            "label": "Emotion",
            "text": "Utterance",
            "group": "Season,Episode,Scene_ID",
        },
    ),
    (
        "MELD's table",
        frozenset({"Utterance", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"}),
        {
            "id": "'dia{Dialogue_ID}_utt{Utterance_ID}'",
            "label": "Emotion",
            "text": "Utterance",
            "group": "Dialogue_ID",
        },
    ),
    *(
        ("MERTools' transcription", frozenset({"name", column}), {"id": "name", "text": column})
        for column in ("sentence", "chinese", "english")
    ),
)
"""Tables of the field with other columns: their name, columns by which they are recognised, and the
options that read them, as a shell takes them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ColumnNames:
    """The columns that the user named, "" where he did not.

    Attributes:
        id: a column, several separated by commas, whose fields are joined by _, or a pattern such
            as ``dia{Dialogue_ID}_utt{Utterance_ID}``.
        text: the column of transcripts.
        group: a column, several, or a pattern, as for ``id``.
        split: the column of splits.
    """

    id: str = ""
    text: str = ""
    group: str = ""
    split: str = ""


class Cells(dict[str, str]):
    """The fields of a row as written, by column; "" where a field is blank."""

    def __missing__(self, column: str) -> str:
        """Nothing."""
        return ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ClipRow:
    """One row of a clip table."""

    place: str  # in the file, for messages: "line 3"
    id: str  # of the clip, unique
    cells: Mapping[str, str]

    def __post_init__(self) -> None:
        """Charge the memory of the row without its fields."""
        charge(ROW)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipTable:
    """A clip table: its columns and its rows, one or more, in the order of the file.

    A column that the user named as ``text``, ``group`` or ``split`` is there under that name too.
    """

    columns: tuple[str, ...]
    rows: tuple[ClipRow, ...]
    assigned: frozenset[str] = frozenset()  # columns that the user named, which are no labels
    warnings: tuple[str, ...] = ()


def read_clip_table(path: Path, names: ColumnNames | None = None) -> ClipTable:
    """Read a clip table. The id is the column ``id``, or ``VIDEO_CLIP`` of video_id and clip_id.

    Args:
        path: a file that ``read_table`` reads.
        names: columns of other names.

    Raises:
        DataError: the file is no clip table, has no such column, or has a row (whose place the
            message names) whose id is missing or repeated.
    """
    table, warnings = _in_lower_case(read_table(path))
    names = names or ColumnNames()
    columns = dict.fromkeys(table.columns)
    ids = _parts(path, names.id, columns) if names.id else _id_parts(path, table.columns)
    composed = {
        name: _parts(path, value, columns)
        for name in ("text", "group", "split")
        if (value := getattr(names, name))
    }
    assigned = {part.column for parts in (ids, *composed.values()) for part in parts}
    rows: list[ClipRow] = []
    seen: dict[str, str] = {}
    for row in table.rows:
        where = f"{path}: {row.place}"
        clip = _id(where, row.cells, ids)
        if clip in seen:
            raise DataError(
                f"{where}: clip '{printable(clip)}' is already on {seen[clip]}; give each clip one "
                f"row, or make ids of several columns: --data_options.id NAME,NAME"
            )
        seen[clip] = row.place
        cells = Cells(row.cells)
        for name, parts in composed.items():
            cells[name] = _joined(row.cells, parts)
        rows.append(ClipRow(place=row.place, id=clip, cells=cells))
    if not rows:
        raise DataError(f"{path}: has a header but no clips; give it some rows")
    return ClipTable(
        columns=tuple(columns | dict.fromkeys(composed)),
        rows=tuple(rows),
        assigned=frozenset(assigned),
        warnings=(*table.warnings, *warnings),
    )


def looks_like_clip_table(path: Path) -> bool:
    """Whether a file's columns tell that it is a clip table, or are not known; never raises.

    The columns of .xlsx and Parquet files are known only by reading them.
    """
    names = {name.lower() for name in first_columns(path)}
    return not MARKS.isdisjoint(names) or looks_like_spreadsheet(path)


def _in_lower_case(table: TextTable) -> tuple[TextTable, list[str]]:
    """The table with the columns of ``KNOWN`` in lower case, and a warning if they were not."""
    lower = Counter(name.lower() for name in table.columns)
    change = {n: n.lower() for n in table.columns if n.lower() in KNOWN and lower[n.lower()] == 1}
    if all(name == new for name, new in change.items()):
        return table, []
    rows = tuple(
        dataclasses.replace(row, cells={change.get(k, k): x for k, x in row.cells.items()})
        for row in table.rows
    )
    changed = [(name, new) for name, new in change.items() if name != new]
    was = "column {} was" if len(changed) == 1 else "columns {} were"
    warning = f"{was} taken as {{}}".format(*(", ".join(x) for x in zip(*changed, strict=True)))
    columns = tuple(change.get(name, name) for name in table.columns)
    return dataclasses.replace(table, columns=columns, rows=rows), [warning]


@dataclasses.dataclass(frozen=True)
class _Part:
    """A part of an id or of another field: a text, then the field of a column."""

    before: str
    column: str


COLUMN = re.compile(r"\{([^{}]*)\}")


def _parts(path: Path, value: str, columns: Mapping[str, None]) -> list[_Part]:
    """The parts of a field, of which the user gave a column, several, or a pattern."""
    if COLUMN.search(value):
        texts = COLUMN.split(value)  # text, column, text, column, ..., text
        parts = [_Part(*pair) for pair in zip(texts[:-1:2], texts[1::2], strict=True)]
        after = [_Part(texts[-1], "")] if texts[-1] else []
    else:
        names = [name.strip() for name in value.split(",")]
        parts = [_Part("_" if index else "", name) for index, name in enumerate(names)]
        after = []
    return [*(_Part(p.before, find_column(path, p.column, columns)) for p in parts), *after]


def find_column(path: Path, name: str, columns: Collection[str]) -> str:
    """The column that the user means by a name, whose case may differ."""
    same = [column for column in columns if column.lower() == name.lower()]
    if name in columns or len(same) == 1:
        return name if name in columns else same[0]
    raise DataError(f"{path}: {unknown_name('column', name, columns)}")


def _id_parts(path: Path, columns: Sequence[str]) -> list[_Part]:
    if "id" in columns:
        return [_Part("", "id")]
    if {"video_id", "clip_id"} <= set(columns):
        return [_Part("", "video_id"), _Part("_", "clip_id")]
    names = printable(", ".join(columns)) or "nothing"
    for title, marks, options in KNOWN_TABLES:
        if marks <= set(columns):
            advice = " ".join(f"--data_options.{name} {value}" for name, value in options.items())
            raise DataError(f"{path}: is {title} (columns {names}); give {advice}")
    like = (name for name in columns if letters_of(name) in LIKE_ID)
    raise DataError(
        f"{path}: has columns {names}: wanted id, label; give the column of ids with "
        f"--data_options.id {shlex.quote(next(like, 'NAME'))}"
    )


def letters_of(name: str) -> str:
    """The letters of a name, in lower case: "unnamed" of "Unnamed: 0"."""
    return re.sub(r"[\W\d_]", "", name.lower())


def _joined(cells: Mapping[str, str], parts: Sequence[_Part]) -> str:
    return "".join(part.before + cells.get(part.column, "").strip() for part in parts)


def _id(where: str, cells: Mapping[str, str], parts: Sequence[_Part]) -> str:
    for part in parts:
        if part.column and not cells.get(part.column):
            raise DataError(f"{where}: no {printable(part.column)}; give one")
    return _joined(cells, parts)
