"""Reading Parquet files of numbers with pyarrow, which is an extra."""

import re
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Num

from deadpan.data.containers.files import open_file, printable
from deadpan.data.containers.memory import MemoryBoundError, charge
from deadpan.errors import DataError, DeadpanError

PANDAS_INDEX = re.compile(r"__index_level_\d+__")
COPIES = 3
"""Times that the values are in memory while a file is read: its pages, its columns, the array."""
NUMBER, TEXT = 8 * COPIES, 150
"""Bytes in memory per field that is a number, or text with its share of a row."""
STEP = 80
"""Bytes in memory per row while a reader of features finds its time, its face and its mask."""

Column = TypeVar("Column")


def read_parquet(
    path: Path,
) -> tuple[tuple[str, ...], Num[np.ndarray, "row column"], tuple[int, ...]]:
    """Read names and values of the columns, and the indices of those of text, which are NaN.

    Nulls become NaN, booleans 0 and 1, durations and moments seconds (since 1970). An index of
    pandas is left out.

    Raises:
        DataError: the file is not Parquet, has a column of another type, or declares far more than
            it can hold.
        DeadpanError: pyarrow is not installed.
    """
    names, columns = _read_columns(path, _check_types, _numbers, cell=NUMBER)
    texts = tuple(index for index, column in enumerate(columns) if column.dtype.kind == "O")
    values = [np.full(len(x), np.nan) if x.dtype.kind == "O" else x for x in columns]
    return names, np.column_stack(values) if values else np.zeros((0, 0)), texts


PER_SECOND = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}


def _numbers(column: Any) -> np.ndarray:  # noqa: ANN401 - pyarrow has no types
    """A column as numbers; of objects if it holds text."""
    import pyarrow

    kind = column.type
    if pyarrow.types.is_boolean(kind):
        column = column.cast(pyarrow.int8())
    elif unit := getattr(kind, "unit", ""):  # a duration, or a moment since 1970
        return np.asarray(column.cast(pyarrow.int64()).to_numpy()) / PER_SECOND[unit]
    elif not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
        return np.empty(len(column), dtype=object)
    return np.asarray(column.to_numpy())


def read_parquet_texts(
    path: Path,
) -> tuple[tuple[str, ...], Iterator[tuple[str, ...]], tuple[str, ...]]:
    """Read names of the columns and the fields of each row as text; nulls and NaN become "".

    Returns:
        Names, rows, and the names of columns of lists, records or bytes, which are not read.

    Raises:
        DataError: as :func:`read_parquet`.
        DeadpanError: pyarrow is not installed.
    """
    left_out: list[str] = []

    def flat(_path: Path, _pyarrow: Any, schema: Any) -> list[str]:  # noqa: ANN401 - no types
        left_out.extend(field.name for field in schema if not _is_flat(field.type))
        return [field.name for field in schema if _is_flat(field.type)]

    names, columns = _read_columns(path, flat, _texts, cell=TEXT)
    return names, zip(*columns, strict=True), tuple(left_out)


def _is_flat(kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    """Whether the values of a type have a text: no lists, records or bytes."""
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    bytes_ = (types.is_binary, types.is_large_binary, types.is_binary_view)
    return not any(fits(kind) for fits in (types.is_nested, types.is_fixed_size_binary, *bytes_))


def _texts(column: Any) -> list[str]:  # noqa: ANN401 - pyarrow has no types
    """The fields of a column; text that repeats, which Parquet stores once, is kept once."""
    import pyarrow

    types = pyarrow.types
    plain = (types.is_integer, types.is_floating, types.is_boolean, types.is_null, types.is_string,
             types.is_large_string, types.is_dictionary)  # fmt: skip
    if not any(fits(column.type) for fits in plain):  # a date, a decimal, ...
        column = column.cast(pyarrow.string())
    texts: list[str] = []
    for chunk in column.dictionary_encode().chunks:
        values = ["" if x is None or x != x else str(x) for x in chunk.dictionary.to_pylist()]  # noqa: PLR0124 - NaN
        texts += ["" if i is None else values[i] for i in chunk.indices.to_pylist()]
    return texts


def _read_columns(
    path: Path,
    choose: Callable[[Path, Any, Any], Sequence[str]],
    convert: Callable[[Any], Column],
    *,
    cell: int,
) -> tuple[tuple[str, ...], list[Column]]:
    """Names and converted columns of a file, which are chosen by its schema before it is read.

    ``cell`` is the number of bytes in memory per value.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DeadpanError(
            f"{path}: reading parquet needs pyarrow; run: pip install 'deadpan[parquet]'"
        ) from None
    with open_file(path, "a parquet file") as stream:
        try:
            file = pyarrow.parquet.ParquetFile(stream)
            names = dict.fromkeys(choose(path, pyarrow, file.schema_arrow))
            charge(_declared_memory(file.metadata, names, cell))
            texts = [f.name for f in file.schema_arrow if pyarrow.types.is_string(f.type)]
            if texts:
                file = pyarrow.parquet.ParquetFile(stream, read_dictionary=texts)
            table = file.read(columns=list(names), use_threads=False)
            columns = {
                # By index: names may repeat.
                index: convert(table.column(index))
                for index, name in enumerate(table.column_names)
                if name in names and not PANDAS_INDEX.fullmatch(name)
            }
        except (DeadpanError, MemoryBoundError):
            raise
        except Exception as error:  # pyarrow may raise anything on a damaged file
            raise DataError(
                f"{path}: not a parquet file that can be read ({printable(error)}); write it again"
            ) from None
    return tuple(table.column_names[index] for index in columns), list(columns.values())


def _declared_memory(declared: Any, names: Container[str], cell: int) -> int:  # noqa: ANN401 - pyarrow has no types
    """The bytes of memory of the values that a file declares to hold in columns of these names."""
    groups = [declared.row_group(i) for i in range(declared.num_row_groups)]
    columns = [
        column
        for group in groups
        for column in map(group.column, range(group.num_columns))
        if column.path_in_schema in names
    ]
    width = sum(declared.schema.column(i).path in names for i in range(declared.num_columns))
    pages = sum(column.total_uncompressed_size for column in columns)
    cells = cell * declared.num_rows * width
    return max(COPIES * pages, cells) + STEP * declared.num_rows


def _check_types(path: Path, pyarrow: Any, schema: Any) -> list[str]:  # noqa: ANN401 - no types
    """The names of all columns; DataError if one is of another type than numbers and text."""
    types = pyarrow.types
    kinds = (
        *(types.is_integer, types.is_floating, types.is_boolean, types.is_duration),
        *(types.is_timestamp, types.is_string, types.is_large_string, types.is_dictionary),
    )
    for field in schema:
        if PANDAS_INDEX.fullmatch(field.name) or any(fits(field.type) for fits in kinds):
            continue
        raise DataError(
            f"{path}: column '{printable(field.name)}' holds {printable(field.type)}; wanted "
            f"numbers"
        )
    return [field.name for field in schema]
