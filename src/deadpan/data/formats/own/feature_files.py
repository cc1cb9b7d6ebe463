"""The features of one clip from its file: an array, or a table as extractors write it."""

import dataclasses
import datetime
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Bool, Float, Num, Shaped

from deadpan.data.containers.csv_rows import parse_number, read_csv_rows
from deadpan.data.containers.files import printable
from deadpan.data.containers.numpy_files import read_npy, read_npz
from deadpan.data.containers.parquet import read_parquet
from deadpan.data.containers.torch_file import read_torch
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
from deadpan.errors import DataError

SUFFIXES = (".npy", ".npz", ".pt", ".csv", ".tsv", ".parquet")


def read_features(path: Path) -> Features:
    """Read the features of one clip from a file, by its suffix.

    A ``.npy`` file holds an array [step, width]; [width] is one step, and further axes of length 1
    are left out. ``.npz`` and ``.pt`` files hold such an array, or one beside ``times`` ([step]
    or [step, 2], seconds) and ``mask`` ([step], 0 where a step is missing). A ``.csv``, ``.tsv`` or
    ``.parquet`` file has a row per step (see ``separate_features``).

    Raises:
        DataError: the file does not fit its suffix.
        DeadpanError: the file is Parquet, and pyarrow is not installed.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return Features(values=_steps(path, "", read_npy(path)))
    if suffix == ".npz":
        return _from_arrays(path, read_npz(path))
    if suffix == ".pt":
        return _from_tensors(path, read_torch(path))
    if suffix == ".parquet":
        return separate_features(path, *read_parquet(path), ())
    return separate_features(path, *_read_table(path))


def _steps(
    path: Path, name: str, array: Shaped[np.ndarray, "*shape"]
) -> Num[np.ndarray, "step width"]:
    """An array as [step, width]: an axis less or more does not change what it means."""
    shape = array.shape
    while array.ndim > 2 and 1 in array.shape:
        array = array.squeeze(axis=array.shape.index(1))
    if array.ndim == 1:
        array = array[np.newaxis] if len(array) else array.reshape(0, 1)
    if array.ndim != 2 or (len(array) and not array.shape[1]):
        what = f"'{printable(name)}' has" if name else "has"
        raise DataError(f"{path}: {what} shape {shape}; wanted (steps, width)")
    if not len(array):
        return np.zeros((0, 0))
    return array.view(np.uint8) if array.dtype.kind == "b" else array


def _from_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> Features:
    """The features, times and mask of named arrays; of unnamed ones there must be one."""
    beside = {name: column_role(name)[0] == POINT for name in arrays}
    features = [name for name in arrays if name != MASK and not beside[name]]
    if len(features) != 1:
        names = printable(", ".join(arrays)) or "nothing"
        raise DataError(
            f"{path}: holds {names}; wanted one array, or one beside arrays named times and mask"
        )
    values = _steps(path, features[0], arrays[features[0]])
    count = len(values)
    times: Float[np.ndarray, "step 2"] | None = None
    for name in (name for name, timed in beside.items() if timed):
        seconds = arrays[name].astype(np.float64)
        if seconds.shape not in ((count,), (count, 1), (count, 2)):
            raise DataError(
                f"{path}: '{printable(name)}' has shape {seconds.shape}; wanted ({count},) or "
                f"({count}, 2), seconds of each step"
            )
        times = step_times(path, seconds.reshape(count, -1))
    if MASK not in arrays:
        return Features(values=values, times=times)
    present = _present(path, arrays[MASK], count)
    remark = Remark(
        count=count - int(present.sum()),
        noun="steps",
        predicate="have the mask 0 and were left out as missing",
    )
    return Features(
        values=values[present],
        times=None if times is None else times[present],
        remarks=(remark,) if remark.count else (),
    )


def _from_tensors(path: Path, value: object) -> Features:
    """The features of a tensor or of a dict of tensors; what is no tensor in it is remarked."""
    if isinstance(value, np.ndarray):
        return Features(values=_steps(path, "", value))
    if not isinstance(value, dict):
        raise DataError(f"{path}: holds a {type(value).__name__}; save one tensor [steps, width]")
    table = {str(name): x for name, x in cast("dict[object, object]", value).items()}
    arrays = {name: x for name, x in table.items() if isinstance(x, np.ndarray)}
    features = _from_arrays(path, arrays)
    if not (others := printable(", ".join(sorted(table.keys() - arrays.keys())))):
        return features
    remark = Remark(count=1, noun="files", predicate=f"hold what is no tensor, ignored: {others}")
    return dataclasses.replace(features, remarks=(*features.remarks, remark))


MASK = "mask"


def _present(path: Path, mask: np.ndarray, count: int) -> Bool[np.ndarray, " step"]:
    if mask.size != count or max(mask.shape, default=1) != count or not np.isin(mask, (0, 1)).all():
        raise DataError(
            f"{path}: '{MASK}' has shape {mask.shape} of {mask.dtype.name}; wanted 0 or 1 for each "
            f"of {count} steps"
        )
    return mask.reshape(count) != 0


MISSING = frozenset(("", "na", "n/a", "#n/a", "<na>", "nat", "null", "none", "?", "-", "--"))
NOT_A_NUMBER = re.compile(r"[+-]?(?:nan(?:\(\w*\))?|1\.#(?:qnan|snan|ind)\d*)")
INFINITE = re.compile(r"([+-]?)1\.#inf\d*")
"""How C, C++ and Java libraries, R, Matlab and pandas write what is missing, NaN or infinite."""
TRUTH = {"true": 1.0, "false": 0.0}
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:e[+-]?\d+)?")
DURATION = re.compile(
    r"(?:(?P<days>-?\d+) days? ?)?"
    r"(?:\+?(?:(?P<hours>\d+):)?(?P<minutes>\d+):(?P<seconds>\d+(?:[.,]\d+)?))?"
)


def parse_feature(field: str) -> float | None:
    """Parse a field as an extractor writes it: NaN if it is missing, None if it is text."""
    if (value := parse_number(field)) is not None:
        return value
    plain = field.strip(" '\"").lower()
    if plain in MISSING or NOT_A_NUMBER.fullmatch(plain):
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
    """
    counted = [str(index) for index in range(len(fields))]
    if len(fields) > 2 and (list(fields) == counted or list(fields) == ["", *counted[:-1]]):
        return True
    values = [field for field in fields if field.strip() and parse_feature(field) is not None]
    if any(column_role(field)[0] for field in fields):
        return True
    names = [
        f
        for f in fields
        if f.strip() and parse_feature(f) is None and not DECIMAL_COMMA.fullmatch(f)
    ]
    return bool(names) and all(value.isdecimal() for value in values)


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
        cells = list(fields)
        for column in self._unusual:
            cells[column] = "nan"
        try:
            row = np.array([float(cell or "nan") for cell in cells])
        except ValueError:
            self._unusual |= {i for i, x in enumerate(cells) if x and parse_number(x) is None}
            self.add(line, fields)
            return
        for column in self._unusual:
            row[column] = self._parse(line, column, fields[column])
        self._rows.append(row)
        self._grow(fields)
        if any(field.strip() for field in fields):
            self._end[0] = len(self._rows)

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
