"""Reading Parquet files of numbers with pyarrow, which is an extra."""

import re
from collections.abc import Callable, Iterator, Sequence
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


def read_parquet_texts(path: Path) -> tuple[tuple[str, ...], Iterator[tuple[str, ...]]]:
    """Read names of the columns and the fields of each row as text; nulls and NaN become "".

    Raises:
        DataError: as :func:`read_parquet`, or a column holds neither text, numbers nor booleans.
        DeadpanError: pyarrow is not installed.
    """
    names, columns = _read_columns(path, _check_texts, _texts, cell=TEXT)
    return names, zip(*columns, strict=True)


def _texts(column: Any) -> list[str]:  # noqa: ANN401 - pyarrow has no types
    """The fields of a column; text that repeats, which Parquet stores once, is kept once."""
    texts: list[str] = []
    for chunk in column.dictionary_encode().chunks:
        values = ["" if x is None or x != x else str(x) for x in chunk.dictionary.to_pylist()]  # noqa: PLR0124 - NaN
        texts += ["" if i is None else values[i] for i in chunk.indices.to_pylist()]
    return texts


def _read_columns(
    path: Path,
    check_types: Callable[[Path, Any, Any], None],
    convert: Callable[[Any], Column],
    *,
    cell: int,
) -> tuple[tuple[str, ...], list[Column]]:
    """Names and converted columns of a file, whose schema is checked before it is read.

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
            charge(_declared_memory(file.metadata, cell))
            check_types(path, pyarrow, file.schema_arrow)
            texts = [f.name for f in file.schema_arrow if pyarrow.types.is_string(f.type)]
            if texts:
                file = pyarrow.parquet.ParquetFile(stream, read_dictionary=texts)
            table = file.read(use_threads=False)
            columns = {
                # By index: names may repeat.
                index: convert(table.column(index))
                for index, name in enumerate(table.column_names)
                if not PANDAS_INDEX.fullmatch(name)
            }
        except (DeadpanError, MemoryBoundError):
            raise
        except Exception as error:  # pyarrow may raise anything on a damaged file
            raise DataError(
                f"{path}: not a parquet file that can be read ({printable(error)}); write it again"
            ) from None
    return tuple(table.column_names[index] for index in columns), list(columns.values())


def _declared_memory(declared: Any, cell: int) -> int:  # noqa: ANN401 - pyarrow has no types
    """The bytes of memory of the values that a file declares to hold."""
    groups = [declared.row_group(i) for i in range(declared.num_row_groups)]
    columns = [group.column(i) for group in groups for i in range(group.num_columns)]
    pages = sum(column.total_uncompressed_size for column in columns)
    cells = cell * declared.num_rows * declared.num_columns
    return max(COPIES * pages, cells) + STEP * declared.num_rows


def _check_types(path: Path, pyarrow: Any, schema: Any) -> None:  # noqa: ANN401 - no types
    types = pyarrow.types
    kinds = (
        *(types.is_integer, types.is_floating, types.is_boolean, types.is_duration),
        *(types.is_timestamp, types.is_string, types.is_large_string, types.is_dictionary),
    )
    _check_kinds(path, schema, kinds, "numbers")


def _check_texts(path: Path, pyarrow: Any, schema: Any) -> None:  # noqa: ANN401 - no types
    types = pyarrow.types
    kinds = (types.is_integer, types.is_floating, types.is_boolean, types.is_null, types.is_string,
             types.is_large_string, types.is_dictionary)  # fmt: skip
    _check_kinds(path, schema, kinds, "text or numbers")


def _check_kinds(
    path: Path,
    schema: Any,  # noqa: ANN401 - pyarrow has no types
    kinds: Sequence[Callable[[Any], bool]],
    wanted: str,
) -> None:
    for field in schema:
        if PANDAS_INDEX.fullmatch(field.name) or any(fits(field.type) for fits in kinds):
            continue
        raise DataError(
            f"{path}: column '{printable(field.name)}' holds {printable(field.type)}; wanted "
            f"{wanted}"
        )
