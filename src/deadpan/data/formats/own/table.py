"""Clip tables: a table with a header and one clip per row; its ids and its labels."""

import dataclasses
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

import numpy as np
from jaxtyping import Float

from deadpan.data.containers.csv_rows import parse_number
from deadpan.data.containers.files import printable
from deadpan.data.containers.tables import (
    Table,
    looks_like_spreadsheet,
    read_table,
    table_header,
)
from deadpan.data.dataset import TaskName
from deadpan.errors import DataError, count_of, unknown_name

ID_COLUMNS = ("id", "video_id", "clip_id")
"""``id`` by itself, or else ``video_id`` and ``clip_id`` together."""
MARKS = frozenset({*ID_COLUMNS, "label", "split", "mode"})
"""Columns by any of which a clip table is recognised."""


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

KNOWN_TABLES: tuple[tuple[str, frozenset[str], str], ...] = (
    (
        "EmoryNLP's table",
        frozenset({"Utterance", "Emotion", "Season", "Episode", "Scene_ID", "Utterance_ID"}),
        "id 'sea{Season}_ep{Episode}_sc{Scene_ID}_utt{Utterance_ID}' label Emotion text Utterance "
        "group Season,Episode,Scene_ID",
    ),
    (
        "MELD's table",
        frozenset({"Utterance", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"}),
        "id 'dia{Dialogue_ID}_utt{Utterance_ID}' label Emotion text Utterance group Dialogue_ID",
    ),
    *(
        ("MERTools' transcription", frozenset({"name", column}), f"id name text {column}")
        for column in ("sentence", "chinese", "english")
    ),
)
"""Tables of the field with other columns: their name, columns by which they are recognised, and the
options that read them, each followed by its value."""


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipRow:
    """One row of a clip table."""

    place: str  # in the file, for messages: "line 3"
    id: str  # of the clip, unique and without a path separator
    cells: Mapping[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipTable:
    """A clip table: its columns and its rows, one or more, in the order of the file.

    A column that the user named as ``text``, ``group`` or ``split`` is there under that name too.
    """

    columns: tuple[str, ...]
    rows: tuple[ClipRow, ...]
    named: frozenset[str] = frozenset()  # columns that the user named, which are no labels
    warnings: tuple[str, ...] = ()


def read_clip_table(path: Path, names: ColumnNames | None = None) -> ClipTable:
    """Read a clip table. The id is the column ``id``, or ``VIDEO_CLIP`` of video_id and clip_id.

    Args:
        path: a file that ``read_table`` reads.
        names: columns of other names.

    Raises:
        DataError: the file is no clip table, has no such column, or has a row (whose place the
            message names) whose id is missing, repeated or no file name.
    """
    table, warnings = _in_lower_case(read_table(path))
    names = names or ColumnNames()
    columns = dict.fromkeys(table.columns)
    ids = _parts(path, names.id, columns) if names.id else _id_parts(path, table.columns)
    made = {
        name: _parts(path, value, columns)
        for name in ("text", "group", "split")
        if (value := getattr(names, name))
    }
    named = {part.column for parts in (ids, *made.values()) for part in parts}
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
        for name, parts in made.items():
            cells[name] = _joined(row.cells, parts)
        rows.append(ClipRow(place=row.place, id=clip, cells=cells))
    if not rows:
        raise DataError(f"{path}: has a header but no clips; give it some rows")
    return ClipTable(
        columns=tuple(columns | dict.fromkeys(made)),
        rows=tuple(rows),
        named=frozenset(named),
        warnings=(*table.warnings, *warnings),
    )


def looks_like_clip_table(path: Path) -> bool:
    """Whether a file's columns tell that it is a clip table, or are not known; never raises.

    The columns of .xlsx and Parquet files are known only by reading them.
    """
    names = {name.lower() for name in table_header(path)}
    return not MARKS.isdisjoint(names) or looks_like_spreadsheet(path)


def _in_lower_case(table: Table) -> tuple[Table, list[str]]:
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
    return [*(_Part(p.before, _column(path, p.column, columns)) for p in parts), *after]


def _column(path: Path, name: str, columns: Collection[str]) -> str:
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
            words = options.split(" ")
            given = " ".join(
                f"--data_options.{name} {value}"
                for name, value in zip(words[::2], words[1::2], strict=True)
            )
            raise DataError(f"{path}: is {title} (columns {names}); give {given}")
    like = (name for name in columns if _letters(name) in LIKE_ID)
    raise DataError(
        f"{path}: has columns {names}: wanted id, label; give the column of ids with "
        f"--data_options.id {next(like, 'NAME')}"
    )


def _letters(name: str) -> str:
    """The letters of a name, in lower case: "unnamed" of "Unnamed: 0"."""
    return re.sub(r"[\W\d_]", "", name.lower())


def _joined(cells: Mapping[str, str], parts: Sequence[_Part]) -> str:
    return "".join(part.before + cells.get(part.column, "").strip() for part in parts)


def _id(where: str, cells: Mapping[str, str], parts: Sequence[_Part]) -> str:
    for part in parts:
        if part.column and not cells.get(part.column):
            raise DataError(f"{where}: no {printable(part.column)}; give one")
    clip = _joined(cells, parts)
    # The files of features are named by it.
    if any(separator in clip for separator in ("/", "\\", "\0")):
        raise DataError(
            f"{where}: id '{printable(clip)}' has a path separator; wanted a name without / and \\"
        )
    return clip


NO_LABELS = frozenset(
    """
    age annotator begin clip dialogue dialogueid dur duration end endtime episode file filename
    filepath fps frames gender index lang language length path scene sceneid season sentence sex
    source srno start starttime stop time timestamp transcript transcription unnamed url utterance
    utteranceid uttid wav wavpath
    """.split()
)
"""Columns that are no labels unless the user names them, as ``LIKE_ID`` has names."""
PREFIX = "label_"
MISSING = frozenset({"", "nan", "na", "n/a", "null", "<na>", "#n/a"})
"""Fields of no label, in lower case."""
BOOLEANS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}
DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
FEW = 10
"""Up to this many different whole numbers may be classes rather than scores."""
LARGEST = float(np.finfo(np.float32).max)

WANTED: Mapping[str, tuple[str, Callable[[float], bool]]] = {
    "regression": ("a number in [-3, 3]", lambda value: abs(value) <= 3),
    "emotions": ("0 or 1", lambda value: value in (0, 1)),
    "scores": ("a finite number", lambda value: abs(value) <= LARGEST),
    "classes": ("a finite number", lambda value: abs(value) < np.inf),
}
"""The numbers that each task accepts, in words and as a test; NaN is never accepted."""

Numbers = Mapping[str, Sequence[float | None]]
"""The fields of each column as numbers; None if a field is no number."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnLabels:
    """The labels of a clip table, and sentences for the user."""

    task: TaskName
    names: tuple[str, ...]
    values: Float[np.ndarray, "clip label"]
    warnings: tuple[str, ...] = ()


def own_labels(path: Path, table: ClipTable, *, label: str, task: str) -> OwnLabels:
    """Parse the labels of a clip table; ``own_dataset`` documents the choice of columns and task.

    Args:
        path: path of the table, for messages.
        table: the table.
        label: names of columns, separated by commas; "" infers them, "none" is for none.
        task: name of the task; "auto" infers it.

    Returns:
        The labels; without names and values if the table has none, or all of them are missing.

    Raises:
        DataError: the column or task is unknown, or a field (whose line the message names) does not
            fit the task.
    """
    if task not in (tasks := ("auto", *get_args(TaskName))):
        raise DataError(f"{path}: {unknown_name('task', task, tasks)}")
    columns, warnings = _label_columns(path, table, label)
    _check_missing(path, table, columns)
    if all(_missing(row, name) for name in columns for row in table.rows):
        return OwnLabels(task="scores", names=(), values=np.zeros((len(table.rows), 0)))
    numbers: dict[str, Sequence[float | None]] = {}
    for name in columns:
        numbers[name], comma = _numbers(path, table, name, binary=len(columns) > 1)
        warnings += comma
    if task == "auto" and set(MMSA) <= set(table.columns) and columns == ("label",):
        task = "regression"
    if task == "auto":
        task = _task(path, table, numbers)
        warnings += _class_warning(task, numbers)
    if task in ("regression", "classes") and len(columns) > 1:
        raise DataError(
            f"{path}: {task} wants one column of labels, not {printable(', '.join(columns))}; give "
            f"--data_options.label NAME"
        )
    if task == "classes":
        ((name, fields),) = numbers.items()
        names, values, remarks = _classes(path, table, name, fields)
        warnings += remarks
    else:
        names, values = _names(task, columns), _values(path, table, numbers, task)
    return OwnLabels(task=cast("TaskName", task), names=names, values=values, warnings=warnings)


def _label_columns(
    path: Path, table: ClipTable, label: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns of labels, none if the table has none, and a warning if they were guessed."""
    if requested := [name.strip() for name in label.split(",") if name.strip()]:
        if requested == ["none"] and "none" not in table.columns:
            return (), ()
        return tuple(dict.fromkeys(_column(path, n, table.columns) for n in requested)), ()
    if "label" in table.columns:
        return ("label",), ()
    candidates = tuple(
        name
        for name in table.columns
        if name not in {*KNOWN, *GROUPS, *table.named} and _letters(name) not in NO_LABELS | LIKE_ID
    )
    if columns := tuple(name for name in candidates if name.lower().startswith(PREFIX)):
        return columns, ()
    texts = [
        name
        for name in candidates
        if any(parse_number(row.cells[name] or "nan") is None for row in table.rows)
    ]
    if len(candidates) < 2:
        return candidates, ()
    listing = printable(", ".join(candidates))
    if texts:
        raise DataError(
            f"{path}: no column label, and {listing} are not all numbers ('{printable(texts[0])}' "
            f"is not); give --data_options.label NAME,NAME, or none to predict"
        )
    return candidates, (
        f"no column label: {listing} were taken as labels; if some are none, give "
        f"--data_options.label NAME,NAME",
    )


def _missing(row: ClipRow, name: str) -> bool:
    return row.cells[name].strip().lower() in MISSING


def _check_missing(path: Path, table: ClipTable, columns: Sequence[str]) -> None:
    """Refuse a table in which some clips have a label and others have none."""
    for name in columns:
        without = [row for row in table.rows if _missing(row, name)]
        if 0 < len(without) < len(table.rows):
            field = without[0].cells[name].strip()
            raise DataError(
                f"{path}: {without[0].place}: {printable(name)} is {printable(field) or 'empty'}, "
                f"as in {count_of(len(without), 'row')} of {len(table.rows):,}; label every clip, "
                f"or give --data_options.label none to predict"
            )


def _numbers(
    path: Path, table: ClipTable, name: str, *, binary: bool
) -> tuple[list[float | None], tuple[str, ...]]:
    """The numbers of a column, None for a field that is none, and a warning of decimal commas.

    ``binary``: true and false are 1 and 0.
    """
    fields = [row.cells[name].strip().replace("\u2212", "-") for row in table.rows]
    commas = [index for index, field in enumerate(fields) if DECIMAL_COMMA.fullmatch(field)]
    warnings: tuple[str, ...] = ()
    if commas:
        places = ", ".join(table.rows[index].place for index in commas[:3])
        field = fields[commas[0]]
        others = [f for f in fields if not DECIMAL_COMMA.fullmatch(f)]
        if other := next((f for f in others if "." in f or parse_number(f) is None), ""):
            raise DataError(
                f"{path}: {places}: {printable(name)} '{field}' has a decimal comma, another is "
                f"'{printable(other)}'; write all labels with a point"
            )
        fields = [field.replace(",", ".") for field in fields]
        read = fields[commas[0]]
        warnings = (f"'{printable(name)}' has decimal commas: {field} was read as {read}",)
    if binary and {field.lower() for field in fields} <= BOOLEANS.keys():
        return [BOOLEANS[field.lower()] for field in fields], ()
    return [parse_number(field) for field in fields], warnings


def _task(path: Path, table: ClipTable, numbers: Numbers) -> str:
    fields = [value for column in numbers.values() for value in column]
    values = [value for value in fields if value is not None]
    if len(numbers) == 1 and not values:
        return "classes"
    if len(values) < len(fields):
        name, row = next(
            (name, table.rows[column.index(None)])
            for name, column in numbers.items()
            if None in column
        )
        raise DataError(
            f"{path}: {row.place}: {printable(name)} '{printable(row.cells[name])}' is no "
            f"number, others are; mend it, or give --data_options.task classes"
        )
    if len(numbers) > 1:
        return "emotions" if all(value in (0, 1) for value in values) else "scores"
    return "regression" if all(abs(value) <= 3 for value in values) else "scores"


def _class_warning(task: str, numbers: Numbers) -> tuple[str, ...]:
    """A warning if one column of numbers may be meant as classes."""
    (name, column), *other_columns = numbers.items()
    values = sorted({value for value in column if value is not None})
    if (
        other_columns
        or not 0 < len(values) <= FEW
        or any(not value.is_integer() for value in values)
    ):
        return ()
    listing = ", ".join(f"{value:g}" for value in values)
    return (
        f"'{printable(name)}' is only ever {listing} and was taken as {task}; if these are "
        f"classes, give --data_options.task classes",
    )


def _values(
    path: Path, table: ClipTable, numbers: Numbers, task: str
) -> Float[np.ndarray, "clip label"]:
    rule, fits = WANTED[task]
    values = np.zeros((len(table.rows), len(numbers)))
    for position, (name, column) in enumerate(numbers.items()):
        for index, (row, value) in enumerate(zip(table.rows, column, strict=True)):
            where = f"{path}: {row.place}: {printable(name)}"
            if value is None:
                field = printable(row.cells[name])
                raise DataError(f"{where} '{field}' is no number; wanted {rule}")
            if not fits(value):
                raise DataError(f"{where} is {value:g}; wanted {rule}")
            values[index, position] = value
    return values


def _names(task: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    if task == "regression":
        return ("sentiment",)
    if all(name.startswith(PREFIX) and name != PREFIX for name in columns):
        return tuple(name.removeprefix(PREFIX) for name in columns)
    return columns


def _classes(
    path: Path, table: ClipTable, name: str, numbers: Sequence[float | None]
) -> tuple[tuple[str, ...], Float[np.ndarray, "clip label"], tuple[str, ...]]:
    """Names of the classes, sorted, a one-hot row per clip, and warnings."""
    warnings: tuple[str, ...] = ()
    if None in numbers:
        fields = [row.cells[name] for row in table.rows]
        spelling, warnings = _spellings(name, fields)
        names = [spelling[_folded(field)] for field in fields]
        classes = sorted(set(names))
    else:
        # 1 and 1.0 are one class, and 10 comes after 9.
        values = _values(path, table, {name: numbers}, "classes")[:, 0].tolist()
        text = {v: str(int(v)) if v.is_integer() else repr(v) for v in sorted(set(values))}
        names, classes = [text[value] for value in values], list(text.values())
    if len(classes) < 2:
        raise DataError(
            f"{path}: {printable(name)} is '{printable(classes[0])}' in every row; wanted two "
            f"classes or more, or --data_options.label none to predict"
        )
    warnings += _check_repeated(path, name, names)
    indices = [classes.index(label) for label in names]
    return tuple(classes), np.eye(len(classes))[indices], warnings


def _folded(field: str) -> str:
    return unicodedata.normalize("NFKC", field).casefold().strip()


def _spellings(name: str, fields: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The name of each class by its folded name, and a warning of classes of several spellings."""
    spellings: dict[str, Counter[str]] = {}
    for field in fields:
        spellings.setdefault(_folded(field), Counter())[field] += 1
    # The most frequent one without blanks around it; of equally frequent ones the last, which is in
    # lower case.
    names = {
        folded: max(counts, key=lambda field: (counts[field], field)).strip()
        for folded, counts in spellings.items()
    }
    several = [(names[folded], counts) for folded, counts in spellings.items() if len(counts) > 1]
    if not several:
        return names, ()
    chosen, counts = several[0]
    listing = ", ".join(f"'{printable(field)}'" for field in sorted(counts)[:4])
    more = f", and {len(several) - 1} more so" if len(several) > 1 else ""
    return names, (
        f"{listing} of '{printable(name)}' were taken as one class '{printable(chosen)}'{more}",
    )


def _check_repeated(path: Path, name: str, names: Sequence[str]) -> tuple[str, ...]:
    """Refuse a column that is likely no label: most clips are alone in their class."""
    single = sum(count == 1 for count in Counter(names).values())
    if 2 * single <= len(names) or len(names) < 3:
        return ()
    sentence = (
        f"{single} of {len(names)} clips are alone in their class (first: "
        f"'{printable(names[0])}'): '{printable(name)}' may be an id or a transcript"
    )
    if len(names) <= FEW:
        return (f"{sentence}; if so, give --data_options.label NAME",)
    raise DataError(f"{path}: {sentence}; give --data_options.label NAME, or none to predict")
