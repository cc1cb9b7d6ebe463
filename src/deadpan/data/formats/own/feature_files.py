"""The features of one clip from its file: an array, or a table as extractors write it."""

import dataclasses
import datetime
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Bool, Float, Num

from deadpan.data.containers.csv_rows import (
    DECIMAL_COMMA,
    is_missing,
    parse_number,
    plain_field,
    read_csv_rows,
)
from deadpan.data.containers.files import printable
from deadpan.data.containers.memory import charge
from deadpan.data.containers.numpy_values import read_npy_values, read_npz_values
from deadpan.data.containers.parquet import read_parquet
from deadpan.data.containers.torch_file import read_torch
from deadpan.data.containers.unpickling import read_pickle
from deadpan.data.formats.foreign import foreign_format
from deadpan.data.formats.own.extractors import (
    END,
    OTHER,
    POINT,
    START,
    Features,
    Remark,
    column_role,
    separate_features,
    step_times,
)
from deadpan.data.formats.pickled_values import numeric_array
from deadpan.errors import DataError

ARRAYS: Mapping[str, Callable[[Path], object]] = {
    ".npy": read_npy_values,
    ".npz": read_npz_values,
    ".pt": read_torch,
    ".pkl": read_pickle,
}
"""Readers of files of one value: an array, or a dict of arrays."""
ROW, NUMBER = 160, 16
"""Bytes of memory of a row of a table, and per number: in its row, and in the array of all."""
SUFFIXES = (*ARRAYS, ".csv", ".tsv", ".parquet")


def read_features(path: Path) -> Features:
    """Read the features of one clip from a file, by its suffix.

    A ``.npy`` file holds an array [step, width]; [width] is one step, and further axes of length 1
    are left out. ``.npz``, ``.pt`` and ``.pkl`` files hold such an array, or one beside ``times``
    ([step] or [step, 2], seconds; ``times_ms`` are milliseconds) and ``mask`` ([step], 0 where a
    step is missing). A ``.csv``, ``.tsv`` or ``.parquet`` file has a row per step (see
    ``separate_features``).

    Raises:
        DataError: the file does not fit its suffix.
        DeadpanError: the file is Parquet, and pyarrow is not installed.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in ARRAYS:
            value = ARRAYS[suffix](path)
            if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.hasobject:
                value = value.item()  # a dict that numpy.save wrote
            if not isinstance(value, dict):
                return Features(values=_steps(path, "array", value))
            table = cast("dict[object, object]", value)
            return _from_values(path, {str(name): entry for name, entry in table.items()})
        if suffix == ".parquet":
            return separate_features(path, *read_parquet(path))
        names, values, texts = _read_table(path)
        features = separate_features(path, names, values, texts)
        if not _may_be_first_step(names):
            return features
        predicate = "begin with a row of text and whole numbers, which was taken as names"
        remark = Remark(count=1, noun="files", predicate=predicate)
        return dataclasses.replace(features, remarks=(*features.remarks, remark))
    except DataError:
        if suffix != ".pt" and (sentence := foreign_format(path)):
            raise DataError(f"{path}: {sentence}") from None
        raise


def _numbers(path: Path, name: str, value: object) -> Num[np.ndarray, "*shape"]:
    try:
        return numeric_array(printable(name), value)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _steps(path: Path, name: str, value: object) -> Num[np.ndarray, "step width"]:
    """An array as [step, width]: an axis less or more does not change what it means."""
    array = _numbers(path, name, value)
    shape = array.shape
    while array.ndim > 2 and 1 in array.shape:
        array = array.squeeze(axis=array.shape.index(1))
    if array.ndim == 1:
        array = array[np.newaxis] if len(array) else array.reshape(0, 1)
    if array.ndim != 2 or (len(array) and not array.shape[1]):
        raise DataError(
            f"{path}: '{printable(name)}' has shape {printable(shape)}; wanted (steps, width)"
        )
    return array if len(array) else np.zeros((0, 0))


MASK = "mask"


def _from_values(path: Path, values: Mapping[str, object]) -> Features:
    """The features, times and mask of named values: one array beside those; others are remarked."""
    timed = [name for name in values if column_role(name)[0] == POINT]
    if len(timed) > 1:
        raise DataError(
            f"{path}: {printable(' and '.join(timed))} are both times of steps; keep one of them"
        )
    others = [name for name in values if name not in (MASK, *timed)]
    arrays = [name for name in others if _is_array(values[name])]
    if len(arrays) != 1:
        names = printable(", ".join(values)) or "nothing"
        raise DataError(
            f"{path}: holds {names}; wanted one array, or one beside arrays named times and mask"
        )
    steps = _steps(path, arrays[0], values[arrays[0]])
    times: Float[np.ndarray, "step 2"] | None = None
    for name in timed:
        times = step_times(path, _seconds(path, name, values[name], len(steps)))
    present, remarks = np.ones(len(steps), dtype=bool), list[Remark]()
    if MASK in values:
        present = _present(path, _numbers(path, MASK, values[MASK]), len(steps))
        predicate = "have the mask 0 and were left out as missing"
        count = len(steps) - int(present.sum())
        remarks += [Remark(count=count, noun="steps", predicate=predicate)] if count else []
    if ignored := sorted({*others} - {*arrays}):
        predicate = f"hold what is no array, ignored: {printable(', '.join(ignored))}"
        remarks.append(Remark(count=1, noun="files", predicate=predicate))
    return Features(
        values=steps[present],
        times=None if times is None else times[present],
        remarks=tuple(remarks),
    )


def _is_array(value: object) -> bool:
    """Whether a value is an array of numbers, and neither a number (a rate) nor text (a name)."""
    return isinstance(value, np.ndarray) and value.ndim > 0 and value.dtype.kind in "biuf"


def _seconds(path: Path, name: str, value: object, count: int) -> Float[np.ndarray, "step _"]:
    _, scale = column_role(name)
    seconds = _numbers(path, name, value).astype(np.float64) * scale
    if seconds.shape not in ((count,), (count, 1), (count, 2)):
        raise DataError(
            f"{path}: '{printable(name)}' has shape {seconds.shape}; wanted ({count},) or "
            f"({count}, 2), seconds of each step"
        )
    return seconds.reshape(count, -1) if count else np.zeros((0, 2))


def _present(path: Path, mask: np.ndarray, count: int) -> Bool[np.ndarray, " step"]:
    if mask.size != count or max(mask.shape, default=1) != count or not np.isin(mask, (0, 1)).all():
        raise DataError(
            f"{path}: '{MASK}' has shape {mask.shape} of {mask.dtype.name}; wanted 0 or 1 for each "
            f"of {count} steps"
        )
    return mask.reshape(count) != 0


NO_NUMBER = frozenset(
    ("none", "undefined", "?", "-", "--", "--undefined--", "fit_failed", "find_failed")
)
"""What is missing where a number is wanted, and may name a class: Praat's, FaceReader's."""
INFINITE = re.compile(r"([+-]?)1\.#inf\d*")
TRUTH = {"true": 1.0, "false": 0.0}
DURATION = re.compile(
    r"(?:(?P<days>-?\d{1,9}) days? ?)?"
    r"(?:\+?(?:(?P<hours>\d{1,9}):)?(?P<minutes>\d{1,9}):(?P<seconds>\d{1,9}(?:[.,]\d{1,18})?))?"
)


def parse_feature(field: str) -> float | None:
    """Parse a field as an extractor writes it: NaN if it is missing, None if it is text."""
    if (value := parse_number(field)) is not None:
        return value
    plain = plain_field(field)
    if is_missing(field) or plain in NO_NUMBER:
        return math.nan
    if match := INFINITE.fullmatch(plain):
        return float(f"{match[1]}inf")
    return TRUTH.get(plain)


def parse_seconds(field: str) -> float | None:
    """Parse a number, ``0 days 00:00:00.02``, ``00:01.5`` or a date and time; None if neither."""
    if (value := parse_feature(field)) is not None:
        return value
    if match := DURATION.fullmatch(field.strip()):
        days, hours, minutes = (int(match[name] or 0) for name in ("days", "hours", "minutes"))
        seconds = float((match["seconds"] or "0").replace(",", "."))
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    try:
        moment = datetime.datetime.fromisoformat(field.strip())
    except ValueError:
        return None
    return moment.replace(tzinfo=moment.tzinfo or datetime.UTC).timestamp()


def _read_table(
    path: Path,
) -> tuple[tuple[str, ...], Float[np.ndarray, "row column"], tuple[int, ...]]:
    """Names and values of the columns of a CSV file, and the indices of those of text."""
    table: _Table | None = None
    for line, fields in read_csv_rows(path, "a table of features (CSV)"):
        # numpy.savetxt separates by blanks.
        cells = fields[0].split() if len(fields) == 1 and _are_numbers(fields[0]) else fields
        if table is None:
            table = _Table(path, len(cells), cells if _is_header(cells) else [])
            if table.names:
                continue
        table.add(line, cells)
    return table.columns() if table else ((), np.zeros((0, 0)), ())


def _are_numbers(text: str) -> bool:
    return all(parse_feature(part) is not None for part in text.split())


def _is_header(fields: Sequence[str]) -> bool:
    """Whether a row is a header: names and whole numbers, or three fields or more counted from 0.

    The latter are the names that pandas gives to unnamed columns, after an empty one of its index.
    A row with a time such as 00:01.5 is a step.
    """
    counted = [str(index) for index in range(len(fields))]
    if len(fields) > 2 and (list(fields) == counted or list(fields) == ["", *counted[:-1]]):
        return True
    if any(parse_feature(x) is None and parse_seconds(x) is not None for x in fields):
        return False
    values = [field for field in fields if field.strip() and parse_feature(field) is not None]
    if any(column_role(field)[0] for field in fields):
        return True
    names = [
        f
        for f in fields
        if f.strip() and parse_feature(f) is None and not DECIMAL_COMMA.fullmatch(f)
    ]
    return bool(names) and all(value.isdecimal() for value in values)


def _may_be_first_step(names: Sequence[str]) -> bool:
    """Whether a header may be a step of text and whole numbers: no number counts columns."""
    numbers = [name for name in names if name.isdecimal()]
    counted = len(numbers) > 1 and numbers == [str(index) for index in range(len(numbers))]
    has_role = any(column_role(name)[0] for name in names)
    return 0 < len(numbers) < len(names) and not counted and not has_role


class _Table:
    """A table of features that is read row by row; text is NaN in it, and noted by column."""

    def __init__(self, path: Path, width: int, names: Sequence[str]) -> None:
        self.path = path
        self.names = tuple(name.strip(" '\"") for name in names)
        self._timed = [column_role(name)[0] in (START, END, POINT) for name in names] or [
            False
        ] * width
        self._rows: list[np.ndarray] = []
        self._texts: dict[int, tuple[int, str]] = {}  # line and field of the first in each column
        self._comma: tuple[int, str] | None = None  # line and field of a number like 0,5
        self._unusual: set[int] = set()  # columns with fields that float does not read
        self._end = [0, 0]  # rows and columns up to the last that is not blank
        self._grow(names)

    def _grow(self, fields: Sequence[str]) -> None:
        last = len(fields)
        while last > self._end[1] and not fields[last - 1].strip():
            last -= 1
        self._end[1] = max(self._end[1], last)

    def add(self, line: int, fields: Sequence[str]) -> None:
        """Add a row; DataError if it has another number of fields, or a time that is none."""
        if len(fields) != len(self._timed):
            raise DataError(
                f"{self.path}: line {line}: has {len(fields)} fields; wanted {len(self._timed)}"
            )
        try:
            row = np.array(self._floats(fields))
        except ValueError:
            self._unusual |= {i for i, x in enumerate(fields) if parse_number(x) is None}
            row = np.array(self._floats(fields))
        for column in self._unusual:
            row[column] = self._parse(line, column, fields[column])
        charge(ROW + NUMBER * len(fields))
        self._rows.append(row)
        self._grow(fields)
        if any(field.strip() for field in fields):
            self._end[0] = len(self._rows)

    def _floats(self, fields: Sequence[str]) -> list[float]:
        """A row as numbers, with NaN in columns that need a slower look."""
        if self._unusual:
            fields = ["nan" if i in self._unusual else x for i, x in enumerate(fields)]
        if "_" in "".join(fields):
            raise ValueError  # float reads 1_1 as 11; see ``parse_number``
        return list(map(float, fields))

    def _parse(self, line: int, column: int, field: str) -> float:
        timed = self._timed[column]
        value = parse_seconds(field) if timed else parse_feature(field)
        if value is None and DECIMAL_COMMA.fullmatch(field.strip()):
            self._comma = self._comma or (line, field)
            value = float(field.replace(",", "."))
        if value is None and timed:
            raise DataError(
                f"{self._where(line, column)} is '{printable(field)}', no time; mend it"
            )
        if value is None:
            self._texts.setdefault(column, (line, field))
        return math.nan if value is None else value

    def _where(self, line: int, column: int) -> str:
        name = f"'{printable(self.names[column])}'" if self.names else str(column + 1)
        return f"{self.path}: line {line}: column {name}"

    def columns(self) -> tuple[tuple[str, ...], Float[np.ndarray, "row column"], tuple[int, ...]]:
        """Names, values and the indices of text; an index of pandas and blank ends are left out."""
        rows, width = self._end
        values = np.stack(self._rows[:rows]) if rows else np.zeros((0, len(self._timed)))
        for column, (line, text) in self._texts.items():
            if not np.isnan(values[:, column]).all() and self._role(column) != OTHER:
                raise DataError(
                    f"{self._where(line, column)} is '{printable(text)}', no number as others are; "
                    f"mend it, or remove the column"
                )
        if self._comma:
            self._refuse_points(*self._comma)
        # pandas writes row numbers into the first column, which has no name.
        first = int(bool(self.names) and not self.names[0])
        texts = tuple(column - first for column in sorted(self._texts) if first <= column < width)
        return self.names[first:width], values[:, first:width], texts

    def _role(self, column: int) -> str:
        return column_role(self.names[column])[0] if self.names else ""

    def _refuse_points(self, comma_line: int, comma: str) -> None:
        """Raise DataError if some numbers have a decimal point where another has a comma."""
        for line, fields in read_csv_rows(self.path, "a table of features (CSV)"):
            for field in fields:
                if "." in field and parse_number(field) is not None:
                    raise DataError(
                        f"{self.path}: line {comma_line}: '{printable(comma)}' has a decimal "
                        f"comma, line {line}: '{printable(field)}' a point; write one of them"
                    )
