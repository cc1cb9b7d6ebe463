"""The labels of a clip table: which columns have them, and from their fields to values."""

import dataclasses
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deadpan.data.assembly import RawClip, RawClips
from deadpan.data.containers.csv_rows import DECIMAL_COMMA, is_missing, parse_number
from deadpan.data.containers.files import printable
from deadpan.data.dataset import TaskName
from deadpan.data.formats.own.extractors import COLUMNS, CONFIDENCE, SUCCESS, without_unit
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
from deadpan.data.labels import check_task, interpret_labels, one_hot
from deadpan.errors import DataError, count_of

NO_LABELS = LIKE_ID.union(
    (letters_of(name) for name, role in COLUMNS.items() if role not in (CONFIDENCE, SUCCESS)),
    """
    age annotator dialogue dialogueid dur duration episode fps frames gender lang language length
    scene sceneid season sentence sex source srno transcript transcription unnamed url
    """.split(),
)
"""Columns that are no labels unless the user names them, as ``LIKE_ID`` has names.

A speaker's confidence and the success of a talk may be labels.
"""
PREFIX = "label_"
BOOLEANS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}
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
    if all(is_missing(row.cells[name]) for name in columns for row in table.rows):
        return OwnLabels(task="scores", names=(), values=np.zeros((len(table.rows), 0)))
    numbers: dict[str, Sequence[float | None]] = {}
    for name in columns:
        numbers[name] = _numbers(path, table, name, warnings, binary=len(columns) > 1)
    no_numbers = all(value is None for column in numbers.values() for value in column)
    if len(columns) == 1 and (task == "classes" or (task == "auto" and no_numbers)):
        if None in numbers[columns[0]]:
            return _text_classes(path, table, columns[0], warnings, is_requested=bool(label))
        fields = list(map(str, numbers[columns[0]]))
        _check_classes(path, table, columns[0], fields, warnings, is_requested=bool(label))
    values = _finite(path, table, numbers, task)
    return _number_labels(path, table, values, columns, warnings, label=label, task=task)


def _number_labels(
    path: Path,
    table: ClipTable,
    values: Float[np.ndarray, "clip column"],
    columns: tuple[str, ...],
    warnings: list[str],
    *,
    label: str,
    task: str,
) -> OwnLabels:
    """The labels of columns of numbers; ``interpret_labels`` decides what they mean."""
    short = tuple(name[len(PREFIX) :].strip() for name in columns)
    prefixed = all(name.lower().startswith(PREFIX) and len(name) > len(PREFIX) for name in columns)
    names = short if prefixed and len(set(short)) == len(short) else columns
    mmsa = set(MMSA) <= set(table.columns) and columns == ("label",)
    raw, meaning = interpret_labels(
        path,
        RawClips(
            clips=[
                RawClip(name=(row.id,), split=None, sequences={}, label=value)
                for row, value in zip(table.rows, values, strict=True)
            ],
            widths={},
        ),
        task=task,
        labels=",".join(names) if label else "",
        names=names,
        scale="regression" if mmsa else None,
    )
    labels = np.array([clip.label for clip in raw.clips], dtype=np.float64)
    if meaning.task != "classes":
        column_of = dict(zip(names, columns, strict=True))
        shown = [column_of.get(name, columns[0]) for name in meaning.names]
        _check_fits(path, table, labels, shown, meaning.task)
    elif len(columns) == 1 and task == "auto":
        fields = list(map(str, values[:, 0]))
        _check_classes(path, table, columns[0], fields, warnings, is_requested=bool(label))
    elif not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
        raise DataError(
            f"{path}: classes wants one column of labels, not {printable(', '.join(columns))}; "
            f"give --data_options.label NAME"
        )
    return OwnLabels(
        task=meaning.task,
        names=meaning.names,
        values=labels,
        warnings=(*warnings, *meaning.warnings),
    )


def _label_columns(path: Path, table: ClipTable, label: str) -> tuple[tuple[str, ...], list[str]]:
    """The columns of labels, none if the table has none, and a warning if they were guessed.

    Of those that are guessed, blank ones are left out, unless all are blank.
    """
    if requested := [name.strip() for name in label.split(",") if name.strip()]:
        if requested == ["none"] and "none" not in table.columns:
            return (), []
        return tuple(dict.fromkeys(_requested_column(path, n, table) for n in requested)), []
    if "label" in table.columns:
        return ("label",), []
    candidates = tuple(
        name
        for name in table.columns
        if name not in {*KNOWN, *GROUPS, *table.assigned} and not _is_no_label(name)
    )
    prefixed = tuple(name for name in candidates if name.lower().startswith(PREFIX))
    candidates = prefixed or candidates
    blank = {x for x in candidates if all(is_missing(row.cells[x]) for row in table.rows)}
    candidates = tuple(name for name in candidates if name not in blank) or candidates
    if prefixed:
        ignored = printable(", ".join(sorted(blank.difference(candidates))))
        return candidates, [f"no row has a field in {ignored}: it was ignored"] if ignored else []
    if not candidates:
        return (), []
    listing = printable(", ".join(candidates))
    if len(candidates) == 1:
        return candidates, [
            f"no column label: {listing} was taken as label; if it is none, give "
            f"--data_options.label NAME, or none to predict"
        ]
    texts = [
        name
        for name in candidates
        if any(parse_number(row.cells[name] or "nan") is None for row in table.rows)
    ]
    if texts:
        raise DataError(
            f"{path}: no column label, and {listing} are not all numbers ('{printable(texts[0])}' "
            f"is not); give --data_options.label NAME, or none to predict"
        )
    return candidates, [
        f"no column label: {listing} were taken as labels; if some are none, give "
        f"--data_options.label NAME,NAME"
    ]


def _requested_column(path: Path, name: str, table: ClipTable) -> str:
    """The column of a label that the user asks for, with or without ``PREFIX``."""
    prefixed = [column for column in table.columns if column.lower() == PREFIX + name.lower()]
    if len(prefixed) == 1 and name.lower() not in map(str.lower, table.columns):
        return prefixed[0]
    return find_column(path, name, table.columns)


def _is_no_label(name: str) -> bool:
    return any(letters_of(x) in NO_LABELS for x in (name, without_unit(name)[0]))


def _check_missing(path: Path, table: ClipTable, columns: Sequence[str]) -> None:
    """Refuse a table in which some clips have a label and others have none."""
    for name in columns:
        without = [row for row in table.rows if is_missing(row.cells[name])]
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


def _finite(
    path: Path, table: ClipTable, numbers: Mapping[str, Sequence[float | None]], task: str
) -> Float[np.ndarray, "clip column"]:
    """The numbers of all columns, none of which is missing or infinite."""
    wanted = "classes" if task == "auto" else task
    values = np.zeros((len(table.rows), len(numbers)))
    for position, (name, column) in enumerate(numbers.items()):
        for index, (row, value) in enumerate(zip(table.rows, column, strict=True)):
            if value is None:
                where = f"{path}: {row.place}: {printable(name)} '{printable(row.cells[name])}' is"
                if task == "auto":
                    raise DataError(
                        f"{where} no number, others are; mend it, or give --data_options.task "
                        f"classes"
                    )
                raise DataError(f"{where} no number; wanted {WANTED[wanted][0]}")
            if not np.isfinite(value):
                raise _misfit(path, row, name, value, wanted)
            values[index, position] = value
    return values


def _check_fits(
    path: Path,
    table: ClipTable,
    values: Float[np.ndarray, "clip label"],
    columns: Sequence[str],
    task: str,
) -> None:
    """Refuse a number that the task does not accept."""
    _, fits = WANTED[task]
    for row, numbers in zip(table.rows, values.tolist(), strict=True):
        for name, value in zip(columns, numbers, strict=True):
            if not fits(value):
                raise _misfit(path, row, name, value, task)


def _misfit(path: Path, row: ClipRow, name: str, value: float, task: str) -> DataError:
    where = f"{path}: {row.place}: {printable(name)}"
    return DataError(f"{where} is {value:g}; wanted {WANTED[task][0]}")


def _text_classes(
    path: Path, table: ClipTable, name: str, warnings: list[str], *, is_requested: bool
) -> OwnLabels:
    """Classes that have names, sorted, and a one-hot row per clip."""
    folded = [_folded(row.cells[name]) for row in table.rows]
    _check_classes(path, table, name, folded, warnings, is_requested=is_requested)
    spelling = _spellings(name, [row.cells[name] for row in table.rows], warnings)
    classes = tuple(sorted({*spelling.values()}))
    position = {label: index for index, label in enumerate(classes)}
    numbers = np.array([position[spelling[field]] for field in folded])
    values = one_hot(numbers, np.arange(len(classes)))
    return OwnLabels(task="classes", names=classes, values=values, warnings=tuple(warnings))


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


def _check_classes(
    path: Path,
    table: ClipTable,
    name: str,
    fields: Sequence[str],
    warnings: list[str],
    *,
    is_requested: bool,
) -> None:
    """Refuse a column of one class, or one that is likely no label: most clips are alone in theirs.

    Of the latter, a warning is enough if the user requested it, or for a few clips.
    """
    counts = Counter(fields)
    if len(counts) < 2:
        raise DataError(
            f"{path}: {printable(name)} is '{printable(table.rows[0].cells[name].strip())}' in "
            f"every row; wanted two classes or more, or --data_options.label none to predict"
        )
    alone = [field for field, count in counts.items() if count == 1]
    if 2 * len(alone) <= len(fields) or len(fields) < 3:
        return
    sentence = (
        f"{len(alone)} of {len(fields)} clips are alone in their class (first: "
        f"'{printable(alone[0])}'): '{printable(name)}' may be an id or a transcript"
    )
    if len(fields) > FEW and not is_requested:
        raise DataError(f"{path}: {sentence}; give --data_options.label NAME, or none to predict")
    warnings.append(f"{sentence}; if so, give --data_options.label NAME")
