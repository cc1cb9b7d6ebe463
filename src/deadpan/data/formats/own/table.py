"""The table of your own clips: a CSV with a header, one clip per row; its ids and its labels."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

import numpy as np
from jaxtyping import Float

from deadpan.data.containers.csv_rows import csv_rows, number
from deadpan.data.containers.files import first_bytes, shown
from deadpan.data.dataset import TaskName
from deadpan.errors import DataError, unknown_name

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


MMSA = ("video_id", "clip_id", "text", "label", "mode")
"""The columns of a clip table in MMSA's convention, whose label is sentiment."""
GROUPS = ("group", "speaker", "video", "video_id")
"""Columns that tell clips apart that are not independent; the first that there is holds."""
SPLIT_COLUMNS = ("split", "mode")
NO_LABELS = frozenset({"", "id", "clip_id", "text", "start", "end", *GROUPS, *SPLIT_COLUMNS})
PREFIX = "label_"
FEW = 10
"""So many whole numbers may as well be classes."""
LARGEST = float(np.finfo(np.float32).max)

WANTED: Mapping[str, tuple[str, Callable[[float], bool]]] = {
    "regression": ("a number in [-3, 3]", lambda value: abs(value) <= 3),
    "emotions": ("0 or 1", lambda value: value in (0, 1)),
    "scores": ("a finite number", lambda value: abs(value) <= LARGEST),
    "classes": ("a finite number", lambda value: abs(value) < np.inf),
}
"""What a number in a column of labels must be, none of which NaN is."""

Numbers = Mapping[str, Sequence[float | None]]
"""Of each column, what its fields say; None where one is no number."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnLabels:
    """The labels of a clip table.

    Attributes:
        task: what they are.
        names: of the labels.
        values: a row per clip, as the task wants them.
        warnings: what the user should know.
    """

    task: TaskName
    names: tuple[str, ...]
    values: Float[np.ndarray, "clip label"]
    warnings: tuple[str, ...] = ()


def own_labels(path: Path, table: ClipTable, *, labels: str, task: str) -> OwnLabels:
    """Labels of a clip table; ``own_dataset`` says which columns and which task.

    Args:
        path: of the table, for messages.
        table: its rows.
        labels: names of columns, with commas between; "" = found out.
        task: its name; "auto" = found out.

    Raises:
        DataError: no such column or task, or a field that does not fit, named by its line.
    """
    if task not in (known := ("auto", *get_args(TaskName))):
        raise DataError(f"{path}: {unknown_name('task', task, known)}")
    columns = _label_columns(path, table, labels)
    numbers = {name: [number(row.cells[name]) for row in table.rows] for name in columns}
    if task == "auto" and set(MMSA) <= set(table.columns) and columns == ("label",):
        task = "regression"
    warnings: tuple[str, ...] = ()
    if task == "auto":
        task = _task(path, table, numbers)
        warnings = _doubt(task, numbers)
    if task in ("regression", "classes") and len(columns) > 1:
        raise DataError(
            f"{path}: {task} wants one column of labels, not {shown(', '.join(columns))}; give "
            f"--data_options.labels NAME"
        )
    if task == "classes":
        ((name, said),) = numbers.items()
        names, values = _classes(path, table, name, said)
    else:
        names, values = _names(task, columns), _values(path, table, numbers, task)
    return OwnLabels(task=cast("TaskName", task), names=names, values=values, warnings=warnings)


def _label_columns(path: Path, table: ClipTable, labels: str) -> tuple[str, ...]:
    if given := tuple(name.strip() for name in labels.split(",") if name.strip()):
        for name in given:
            if name not in table.columns:
                raise DataError(f"{path}: {unknown_name('column', name, table.columns)}")
        return tuple(dict.fromkeys(given))
    if "label" in table.columns:
        return ("label",)
    others = tuple(name for name in table.columns if name not in NO_LABELS)
    if columns := tuple(name for name in others if name.startswith(PREFIX)):
        return columns
    if not others:
        raise DataError(f"{path}: line 1: no column of labels; add a column label")
    texts = [n for n in others if any(number(row.cells[n]) is None for row in table.rows)]
    if len(others) > 1 and texts:
        raise DataError(
            f"{path}: line 1: no column label, and {shown(', '.join(others))} are not all numbers "
            f"('{shown(texts[0])}' is not); give --data_options.labels NAME,NAME"
        )
    return others


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
            f"{path}: line {row.line}: {shown(name)} '{shown(row.cells[name])}' is no number, "
            f"others are; mend it, or give --data_options.task classes"
        )
    if len(numbers) > 1:
        return "emotions" if all(value in (0, 1) for value in values) else "scores"
    return "regression" if all(abs(value) <= 3 for value in values) else "scores"


def _doubt(task: str, numbers: Numbers) -> tuple[str, ...]:
    """A warning where one column of numbers may as well be classes."""
    (name, column), *others = numbers.items()
    values = sorted({value for value in column if value is not None})
    if others or not 0 < len(values) <= FEW or any(not value.is_integer() for value in values):
        return ()
    found = ", ".join(f"{value:g}" for value in values)
    return (
        f"'{shown(name)}' is only ever {found} and was taken as {task}; if these are classes, give "
        f"--data_options.task classes",
    )


def _values(
    path: Path, table: ClipTable, numbers: Numbers, task: str
) -> Float[np.ndarray, "clip label"]:
    wanted, fits = WANTED[task]
    values = np.zeros((len(table.rows), len(numbers)))
    for place, (name, column) in enumerate(numbers.items()):
        for index, (row, value) in enumerate(zip(table.rows, column, strict=True)):
            where = f"{path}: line {row.line}: {shown(name)}"
            if value is None:
                got = shown(row.cells[name])
                raise DataError(f"{where} '{got}' is no number; wanted {wanted}")
            if not fits(value):
                raise DataError(f"{where} is {value:g}; wanted {wanted}")
            values[index, place] = value
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
    """Names, sorted, and for each clip 1 for one of them."""
    if None in numbers:
        said = [row.cells[name].strip() for row in table.rows]
        order = sorted(set(said))
    else:
        # 1 and 1.0 are one class, and 10 comes after 9.
        values = _values(path, table, {name: numbers}, "classes")[:, 0].tolist()
        text = {v: str(int(v)) if v.is_integer() else repr(v) for v in sorted(set(values))}
        said, order = [text[value] for value in values], list(text.values())
    if "" in said:
        line = table.rows[said.index("")].line
        raise DataError(f"{path}: line {line}: {shown(name)} is empty; wanted the name of a class")
    if len(order) < 2:
        raise DataError(
            f"{path}: {shown(name)} is '{shown(order[0])}' in every row; wanted two classes or more"
        )
    places = [order.index(label) for label in said]
    return tuple(order), np.eye(len(order))[places]
