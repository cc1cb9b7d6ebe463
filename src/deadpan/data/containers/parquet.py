"""Reading Parquet files of numbers with pyarrow, which is an extra."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Num

from deadpan.data.containers.files import open_file, printable
from deadpan.errors import DataError, DeadpanError

PANDAS_INDEX = re.compile(r"__index_level_\d+__")
LARGEST_EXPANSION = 1000
"""Most bytes in memory per byte of the file; only long runs of one value come near it."""
SMALL = 16 << 20
"""Bytes in memory that any file may take, however small it is."""
TEXT = 150
"""Bytes in memory per field of text, with its share of a row."""

Column = TypeVar("Column")


def read_parquet(path: Path) -> tuple[tuple[str, ...], Num[np.ndarray, "row column"]]:
    """Read names and values of the columns; nulls become NaN, an index of pandas is left out.

    Raises:
        DataError: the file is not Parquet, has a column that is not numeric, or declares far more
            than it can hold.
        DeadpanError: pyarrow is not installed.
    """
    names, columns = _read_columns(
        path, _check_types, lambda column: np.asarray(column.to_numpy()), cell=8
    )
    return names, np.column_stack(columns) if columns else np.zeros((0, 0))


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
            _check_size(path, file.metadata, cell)
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
        except DeadpanError:
            raise
        except Exception as error:  # pyarrow may raise anything on a damaged file
            raise DataError(
                f"{path}: not a parquet file that can be read ({printable(error)}); write it again"
            ) from None
    return tuple(table.column_names[index] for index in columns), list(columns.values())


def _check_size(path: Path, declared: Any, cell: int) -> None:  # noqa: ANN401 - pyarrow has no types
    """Check the declared size against the file's, before memory is allocated."""
    groups = [declared.row_group(i) for i in range(declared.num_row_groups)]
    columns = [group.column(i) for group in groups for i in range(group.num_columns)]
    pages = sum(column.total_uncompressed_size for column in columns)
    need = max(pages, cell * declared.num_rows * declared.num_columns)
    size = path.stat().st_size
    if need > max(SMALL, LARGEST_EXPANSION * size):
        raise DataError(
            f"{path}: declares {declared.num_rows} rows of {declared.num_columns} columns "
            f"({need} bytes) in {size} bytes; write it again"
        )


def _check_types(path: Path, pyarrow: Any, schema: Any) -> None:  # noqa: ANN401 - no types
    types = pyarrow.types
    _check_kinds(path, schema, (types.is_integer, types.is_floating), "numbers")


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
