"""Clip tables: a CSV file with a header and one clip per row; its ids and its labels."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

import numpy as np
from jaxtyping import Float

from deadpan.data.containers.csv_rows import parse_number, read_csv_rows
from deadpan.data.containers.files import first_bytes, printable
from deadpan.data.containers.memory import charge
from deadpan.data.dataset import TaskName
from deadpan.errors import DataError, unknown_name

ID_COLUMNS = ("id", "video_id", "clip_id")
"""``id`` by itself, or else ``video_id`` and ``clip_id`` together."""
MARKS = frozenset({*ID_COLUMNS, "label", "split", "mode"})
"""Columns by any of which a clip table is recognised."""

ROW = 600
"""Bytes of memory of a row: its cells by column, and its label, split and group."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipRow:
    """One row of a clip table."""

    line: int  # number of the row's (last) line in the file, from 1
    id: str  # of the clip, unique and without a path separator
    cells: Mapping[str, str]  # the fields as written, by column

    def __post_init__(self) -> None:
        """Charge the memory of the row without its fields."""
        charge(ROW)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipTable:
    """A clip table: its columns and its rows, one or more, in the order of the file."""

    columns: tuple[str, ...]
    rows: tuple[ClipRow, ...]


def read_clip_table(path: Path) -> ClipTable:
    """Read a clip table. The id is the column ``id``, or ``VIDEO_CLIP`` of video_id and clip_id.

    Raises:
        DataError: the file is no clip table, or a row (whose line the message names) has another
            number of fields than the header, or an id that is missing, repeated or no file name.
    """
    lines = read_csv_rows(path, "a clip table (CSV)")
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
                f"{where}: clip '{printable(clip)}' is already on line {seen[clip]}; "
                f"give each clip one row"
            )
        seen[clip] = line
        rows.append(ClipRow(line=line, id=clip, cells=cells))
    if not rows:
        raise DataError(f"{path}: has a header but no clips; give it some rows")
    return ClipTable(columns=columns, rows=tuple(rows))


def looks_like_clip_table(path: Path) -> bool:
    """Whether the header has a column by which a clip table is recognised; never raises.

    A table separated by semicolons or tabs is recognised too, and ``read_clip_table`` refuses it.
    """
    lines = first_bytes(path, 1 << 16).decode("utf-8-sig", errors="replace").split("\n")
    header = next((line for line in lines if line.strip()), "")
    names = {name.strip(' "\r') for name in re.split("[,;\t]", header)}
    return len(names) > 1 and not MARKS.isdisjoint(names)


def _columns(path: Path, fields: Sequence[str]) -> tuple[str, ...]:
    where = f"{path}: line 1"
    columns = tuple(field.strip() for field in fields)
    if len(columns) == 1 and (wrong := re.search("[;\t]", columns[0])):
        raise DataError(f"{where}: columns are separated by {wrong[0]!r}; save it with commas")
    if not ({"id"} <= set(columns) or {"video_id", "clip_id"} <= set(columns)):
        names = printable(", ".join(columns)) or "nothing"
        raise DataError(f"{where}: no column id (or video_id and clip_id); found {names}; add one")
    for index, name in enumerate(columns):
        if name and name in columns[:index]:
            raise DataError(f"{where}: column '{printable(name)}' stands twice; rename one")
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
    # The files of features are named by it.
    if any(separator in clip for separator in ("/", "\\", "\0")):
        raise DataError(
            f"{where}: id '{printable(clip)}' has a path separator; wanted a name without / and \\"
        )
    return clip


MMSA = ("video_id", "clip_id", "text", "label", "mode")
"""The columns of a clip table in MMSA's convention, whose label is sentiment."""
GROUPS = ("group", "speaker", "video", "video_id")
"""Columns of the group, whose clips are not independent; the first that exists is used."""
SPLIT_COLUMNS = ("split", "mode")
NO_LABELS = frozenset({"", "id", "clip_id", "text", "start", "end", *GROUPS, *SPLIT_COLUMNS})
PREFIX = "label_"
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


def own_labels(path: Path, table: ClipTable, *, labels: str, task: str) -> OwnLabels:
    """Parse the labels of a clip table; ``own_dataset`` documents the choice of columns and task.

    Args:
        path: path of the table, for messages.
        table: the table.
        labels: names of columns, separated by commas; "" infers them.
        task: name of the task; "auto" infers it.

    Raises:
        DataError: the column or task is unknown, or a field (whose line the message names) does not
            fit the task.
    """
    if task not in (tasks := ("auto", *get_args(TaskName))):
        raise DataError(f"{path}: {unknown_name('task', task, tasks)}")
    columns = _label_columns(path, table, labels)
    numbers = {name: [parse_number(row.cells[name]) for row in table.rows] for name in columns}
    if task == "auto" and set(MMSA) <= set(table.columns) and columns == ("label",):
        task = "regression"
    warnings: tuple[str, ...] = ()
    if task == "auto":
        task = _task(path, table, numbers)
        warnings = _class_warning(task, numbers)
    if task in ("regression", "classes") and len(columns) > 1:
        raise DataError(
            f"{path}: {task} wants one column of labels, not {printable(', '.join(columns))}; give "
            f"--data_options.labels NAME"
        )
    if task == "classes":
        ((name, fields),) = numbers.items()
        names, values = _classes(path, table, name, fields)
    else:
        names, values = _names(task, columns), _values(path, table, numbers, task)
    return OwnLabels(task=cast("TaskName", task), names=names, values=values, warnings=warnings)


def _label_columns(path: Path, table: ClipTable, labels: str) -> tuple[str, ...]:
    if requested := tuple(name.strip() for name in labels.split(",") if name.strip()):
        for name in requested:
            if name not in table.columns:
                raise DataError(f"{path}: {unknown_name('column', name, table.columns)}")
        return tuple(dict.fromkeys(requested))
    if "label" in table.columns:
        return ("label",)
    candidates = tuple(name for name in table.columns if name not in NO_LABELS)
    if columns := tuple(name for name in candidates if name.startswith(PREFIX)):
        return columns
    if not candidates:
        raise DataError(f"{path}: line 1: no column of labels; add a column label")
    texts = [n for n in candidates if any(parse_number(row.cells[n]) is None for row in table.rows)]
    if len(candidates) > 1 and texts:
        raise DataError(
            f"{path}: line 1: no column label, and {printable(', '.join(candidates))} are not all "
            f"numbers ('{printable(texts[0])}' is not); give --data_options.labels NAME,NAME"
        )
    return candidates


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
            f"{path}: line {row.line}: {printable(name)} '{printable(row.cells[name])}' is no "
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
            where = f"{path}: line {row.line}: {printable(name)}"
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
) -> tuple[tuple[str, ...], Float[np.ndarray, "clip label"]]:
    """Names of the classes, sorted, and a one-hot row per clip."""
    if None in numbers:
        names = [row.cells[name].strip() for row in table.rows]
        classes = sorted(set(names))
    else:
        # 1 and 1.0 are one class, and 10 comes after 9.
        values = _values(path, table, {name: numbers}, "classes")[:, 0].tolist()
        text = {v: str(int(v)) if v.is_integer() else repr(v) for v in sorted(set(values))}
        names, classes = [text[value] for value in values], list(text.values())
    if "" in names:
        line = table.rows[names.index("")].line
        raise DataError(
            f"{path}: line {line}: {printable(name)} is empty; wanted the name of a class"
        )
    if len(classes) < 2:
        raise DataError(
            f"{path}: {printable(name)} is '{printable(classes[0])}' in every row; wanted two "
            f"classes or more"
        )
    indices = [classes.index(label) for label in names]
    return tuple(classes), np.eye(len(classes))[indices]
