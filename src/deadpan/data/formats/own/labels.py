"""The labels of a clip table: which columns have them, and from their fields to values."""

import dataclasses
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Float

from deadpan.data.containers.csv_rows import parse_number
from deadpan.data.containers.files import printable
from deadpan.data.dataset import TaskName
from deadpan.data.formats.own.table import (
    GROUPS,
    KNOWN,
    LIKE_ID,
    MMSA,
    ClipRow,
    ClipTable,
    find_column,
    letters_of,
)
from deadpan.data.labels import check_task, infer_task, number_classes, score_names
from deadpan.errors import DataError, count_of

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
"""Up to this many clips may each be of a class of its own: new ones, to predict."""
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
    check_task(path, task)
    columns, warnings = _label_columns(path, table, label)
    _check_missing(path, table, columns)
    if all(_missing(row, name) for name in columns for row in table.rows):
        return OwnLabels(task="scores", names=(), values=np.zeros((len(table.rows), 0)))
    numbers: dict[str, Sequence[float | None]] = {}
    for name in columns:
        numbers[name] = _numbers(path, table, name, warnings, binary=len(columns) > 1)
    if task == "auto":
        mmsa = set(MMSA) <= set(table.columns) and columns == ("label",)
        task, reasons = _task(path, table, numbers, "regression" if mmsa else None)
        warnings += reasons
    if len(columns) > 1 and (task == "regression" or (task == "classes" and not _one_hot(numbers))):
        raise DataError(
            f"{path}: {task} wants one column of labels, not {printable(', '.join(columns))}; give "
            f"--data_options.label NAME"
        )
    if task == "classes" and len(columns) == 1:
        ((name, fields),) = numbers.items()
        names, values = _classes(path, table, name, fields, warnings)
    else:
        names, values = _names(task, columns), _values(path, table, numbers, task)
        names = score_names(values, names) if task == "scores" else names
    return OwnLabels(
        task=cast("TaskName", task), names=names, values=values, warnings=tuple(warnings)
    )


def _label_columns(path: Path, table: ClipTable, label: str) -> tuple[tuple[str, ...], list[str]]:
    """The columns of labels, none if the table has none, and a warning if they were guessed."""
    if requested := [name.strip() for name in label.split(",") if name.strip()]:
        if requested == ["none"] and "none" not in table.columns:
            return (), []
        return tuple(dict.fromkeys(find_column(path, n, table.columns) for n in requested)), []
    if "label" in table.columns:
        return ("label",), []
    candidates = tuple(
        name
        for name in table.columns
        if name not in {*KNOWN, *GROUPS, *table.named}
        and letters_of(name) not in NO_LABELS | LIKE_ID
    )
    if columns := tuple(name for name in candidates if name.lower().startswith(PREFIX)):
        return columns, []
    texts = [
        name
        for name in candidates
        if any(parse_number(row.cells[name] or "nan") is None for row in table.rows)
    ]
    if len(candidates) < 2:
        return candidates, []
    listing = printable(", ".join(candidates))
    if texts:
        raise DataError(
            f"{path}: no column label, and {listing} are not all numbers ('{printable(texts[0])}' "
            f"is not); give --data_options.label NAME, or none to predict"
        )
    return candidates, [
        f"no column label: {listing} were taken as labels; if some are none, give "
        f"--data_options.label NAME,NAME"
    ]


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
    path: Path, table: ClipTable, name: str, warnings: list[str], *, binary: bool
) -> list[float | None]:
    """The numbers of a column, None for a field that is none.

    ``warnings`` receives one of decimal commas; ``binary``: true and false are 1 and 0.
    """
    fields = [row.cells[name].strip().replace("\u2212", "-") for row in table.rows]
    commas = [index for index, field in enumerate(fields) if DECIMAL_COMMA.fullmatch(field)]
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
        warnings.append(f"'{printable(name)}' has decimal commas: {field} was read as {read}")
    if binary and {field.lower() for field in fields} <= BOOLEANS.keys():
        return [BOOLEANS[field.lower()] for field in fields]
    return [parse_number(field) for field in fields]


def _task(
    path: Path, table: ClipTable, numbers: Numbers, scale: TaskName | None
) -> tuple[TaskName, list[str]]:
    fields = [value for column in numbers.values() for value in column]
    values = [value for value in fields if value is not None]
    if len(numbers) == 1 and not values:
        return "classes", []
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
    columns = np.array(list(numbers.values()), dtype=np.float64).T
    return infer_task(columns, list(numbers), scale=scale)


def _one_hot(numbers: Numbers) -> bool:
    """Whether each row has 1 in one column and 0 in the others."""
    rows = zip(*numbers.values(), strict=True)
    return all(row.count(1) == 1 and row.count(0) == len(row) - 1 for row in rows)


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
    if all(name.lower().startswith(PREFIX) and len(name) > len(PREFIX) for name in columns):
        return tuple(name[len(PREFIX) :] for name in columns)
    return columns


def _classes(
    path: Path,
    table: ClipTable,
    name: str,
    numbers: Sequence[float | None],
    warnings: list[str],
) -> tuple[tuple[str, ...], Float[np.ndarray, "clip label"]]:
    """Names of the classes, sorted, and a one-hot row per clip."""
    folded = [_folded(row.cells[name]) for row in table.rows]
    _check_repeated(path, name, folded if None in numbers else list(map(str, numbers)), warnings)
    if None in numbers:
        spelling = _spellings(name, [row.cells[name] for row in table.rows], warnings)
        names = [spelling[field] for field in folded]
        classes = tuple(sorted(set(names)))
        rows = np.eye(len(classes))[[classes.index(label) for label in names]]
    else:
        classes, rows = number_classes(_values(path, table, {name: numbers}, "classes")[:, 0])
    if len(classes) < 2:
        raise DataError(
            f"{path}: {printable(name)} is '{printable(*classes)}' in every row; wanted two "
            f"classes or more, or --data_options.label none to predict"
        )
    return classes, rows


def _folded(field: str) -> str:
    return unicodedata.normalize("NFKC", field).casefold().strip()


def _spellings(name: str, fields: Sequence[str], warnings: list[str]) -> dict[str, str]:
    """The name of each class by its folded name; a warning names classes of several spellings."""
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
    if several:
        chosen, counts = several[0]
        listing = ", ".join(f"'{printable(field)}'" for field in sorted(counts)[:4])
        more = f", and {len(several) - 1} more so" if len(several) > 1 else ""
        warnings.append(
            f"{listing} of '{printable(name)}' were taken as one class '{printable(chosen)}'{more}"
        )
    return names


def _check_repeated(path: Path, name: str, fields: Sequence[str], warnings: list[str]) -> None:
    """Refuse a column that is likely no label: most clips are alone in their class."""
    alone = [field for field, count in Counter(fields).items() if count == 1]
    if 2 * len(alone) <= len(fields) or len(fields) < 3:
        return
    sentence = (
        f"{len(alone)} of {len(fields)} clips are alone in their class (first: "
        f"'{printable(alone[0])}'): '{printable(name)}' may be an id or a transcript"
    )
    if len(fields) > FEW:
        raise DataError(f"{path}: {sentence}; give --data_options.label NAME, or none to predict")
    warnings.append(f"{sentence}; if so, give --data_options.label NAME")
