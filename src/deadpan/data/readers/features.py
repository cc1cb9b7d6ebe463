"""The features of one clip in a file of its own: ``.npy``, ``.csv`` or ``.parquet``."""

import dataclasses
import math
import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Num
from numpy.lib import format as npy

from deadpan.data.readers.csv_rows import csv_rows, number
from deadpan.data.readers.files import opened, shown
from deadpan.data.readers.parquet import read_parquet
from deadpan.errors import DataError

SUFFIXES = (".npy", ".csv", ".parquet")
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
"""By version; the third is for names of fields, which plain numbers have not."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Features:
    """One sequence.

    Attributes:
        values: of any type of number, finite or not.
        names: of the features; none where the file does not tell.
        times: start and end of each step in seconds from the start of the clip, where told.
    """

    values: Num[np.ndarray, "step width"]
    names: tuple[str, ...] = ()
    times: Float[np.ndarray, "step 2"] | None = None


def read_features(path: Path) -> Features:
    """Read one file; its suffix says what it is.

    ``.npy``: [steps, width], or [steps] of one feature. ``.csv`` and ``.parquet``: a row per step;
    columns ``start`` and ``end``, or else ``time`` or ``timestamp``, are seconds and no features.

    Raises:
        DataError: not such a file.
        DeadpanError: a parquet file, and pyarrow is not installed.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return Features(values=_npy(path))
    names, values = read_parquet(path) if suffix == ".parquet" else _csv(path)
    return _timed(path, names, values)


def _npy(path: Path) -> Num[np.ndarray, "step width"]:
    with opened(path, "an array of numbers (.npy)") as stream:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on headers by Python 2
                shape, by_column, dtype = HEADERS[npy.read_magic(stream)](stream)
        except OSError:
            raise
        except Exception as error:  # whatever a damaged header makes of numpy's parser
            raise DataError(
                f"{path}: no array of numbers ({shown(error)}); write it with numpy.save"
            ) from None
        if dtype.hasobject:
            raise DataError(f"{path}: holds pickled objects, never read; save it as float32")
        if dtype.kind not in "iuf" or dtype.itemsize > 8:
            raise DataError(f"{path}: holds {shown(dtype.name)}, no numbers; save it as float32")
        if len(shape) not in (1, 2) or min(shape) < 0 or not math.prod(shape[1:]):
            raise DataError(f"{path}: has shape {shown(shape)}; wanted (steps, width) or (steps,)")
        if not shape[0]:
            return np.zeros((0, 0))
        need = math.prod(shape) * dtype.itemsize
        held = os.fstat(stream.fileno()).st_size - stream.tell()
        if need > held:
            raise DataError(
                f"{path}: is cut off: shape {shown(shape)} of {dtype.name} is {need} bytes, found "
                f"{held}; write it again"
            )
        values = np.frombuffer(stream.read(need), dtype=dtype)
    return values.reshape(shape if len(shape) == 2 else (-1, 1), order="F" if by_column else "C")


def _csv(path: Path) -> tuple[tuple[str, ...], Float[np.ndarray, "row column"]]:
    names: tuple[str, ...] = ()
    width: int | None = None
    rows: list[np.ndarray] = []
    for line, fields in csv_rows(path, "a table of features (CSV)"):
        if width is None:
            width = len(fields)
            if _is_header(fields):
                names = tuple(field.strip() for field in fields)
                continue
        if len(fields) != width:
            raise DataError(f"{path}: line {line}: has {len(fields)} fields; wanted {width}")
        rows.append(_numbers(path, line, fields))
    values = np.stack(rows) if rows else np.zeros((0, width or 0))
    # pandas writes the numbers of the rows first, under no name.
    return (names[1:], values[:, 1:]) if names and not names[0] else (names, values)


def _is_header(fields: Sequence[str]) -> bool:
    """Whether a field is no number; or, from three columns on, they only count from 0.

    That is how pandas names columns that have no names, after an empty name for its index.
    """
    counted = [str(place) for place in range(len(fields))]
    if len(fields) > 2 and (list(fields) == counted or list(fields) == ["", *counted[:-1]]):
        return True
    return any(field.strip() and number(field) is None for field in fields)


def _numbers(path: Path, line: int, fields: Sequence[str]) -> Float[np.ndarray, " column"]:
    try:
        return np.array([float(field or "nan") for field in fields])
    except ValueError:  # which are few: a blank is NaN too
        values = [number(field) if field.strip() else math.nan for field in fields]
    if None in values:
        wrong = fields[values.index(None)]
        told = "save it with commas" if ";" in wrong or "\t" in wrong else "mend the row"
        raise DataError(f"{path}: line {line}: '{shown(wrong)}' is no number; {told}")
    return np.array(values, dtype=np.float64)


def _timed(path: Path, names: tuple[str, ...], values: Num[np.ndarray, "row column"]) -> Features:
    """Features apart from times, whose columns are known whatever their capitals."""
    lower = [name.lower() for name in names]
    spans = [name for name in ("start", "end") if name in lower]
    points = [name for name in ("time", "timestamp") if name in lower][: not spans]
    if len(spans) == 1:
        raise DataError(f"{path}: has a column {spans[0]} alone; wanted start and end, or neither")
    columns = [lower.index(name) for name in (*spans, *points)]
    if len(columns) == values.shape[1]:
        raise DataError(f"{path}: has no column of features; add one")
    if not len(values) or not columns:
        return Features(values=values, names=names)
    seconds = values[:, columns].astype(np.float64)
    times = seconds if spans else _spans(seconds[:, 0])
    wrong = ~(np.isfinite(times).all(axis=1) & (times[:, 0] <= times[:, 1]))
    wrong[1:] |= times[1:, 0] < times[:-1, 0]
    if wrong.any():
        step = int(wrong.argmax())
        raise DataError(
            f"{path}: step {step + 1} has the time {', '.join(f'{t:g}' for t in seconds[step])}; "
            f"wanted seconds that do not go back"
        )
    kept = [place for place in range(len(names)) if place not in columns]
    return Features(
        values=values[:, kept], names=tuple(names[place] for place in kept), times=times
    )


def _spans(starts: Float[np.ndarray, " step"]) -> Float[np.ndarray, "step 2"]:
    """Each step lasts until the next; the last as long as the one before."""
    last = starts[-1] + (starts[-1] - starts[-2] if len(starts) > 1 else 0)
    return np.stack([starts, np.append(starts[1:], last)], axis=1)
