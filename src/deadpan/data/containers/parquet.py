"""Reading Parquet files of numbers with pyarrow, which is an extra."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Num

from deadpan.data.containers.files import open_file, printable
from deadpan.errors import DataError, DeadpanError

PANDAS_INDEX = re.compile(r"__index_level_\d+__")
LARGEST_EXPANSION = 1000
"""Most bytes in memory per byte of the file; only long runs of one value come near it."""
SMALL = 16 << 20
"""Bytes in memory that any file may take, however small it is."""


def read_parquet(path: Path) -> tuple[tuple[str, ...], Num[np.ndarray, "row column"]]:
    """Read names and values of the columns; nulls become NaN, an index of pandas is left out.

    Raises:
        DataError: the file is not Parquet, has a column that is not numeric, or declares far more
            than it can hold.
        DeadpanError: pyarrow is not installed.
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
            _check_size(path, file.metadata)
            _check_types(path, pyarrow, file.schema_arrow)
            table = file.read(use_threads=False)
            columns = {
                # By index: names may repeat.
                index: np.asarray(table.column(index).to_numpy())
                for index, name in enumerate(table.column_names)
                if not PANDAS_INDEX.fullmatch(name)
            }
        except DeadpanError:
            raise
        except Exception as error:  # pyarrow may raise anything on a damaged file
            raise DataError(
                f"{path}: not a parquet file that can be read ({printable(error)}); write it again"
            ) from None
    names = tuple(table.column_names[index] for index in columns)
    return names, np.column_stack(list(columns.values())) if columns else np.zeros((0, 0))


def _check_size(path: Path, declared: Any) -> None:  # noqa: ANN401 - pyarrow has no types
    """Check the declared size against the file's, before memory is allocated."""
    groups = [declared.row_group(i) for i in range(declared.num_row_groups)]
    columns = [group.column(i) for group in groups for i in range(group.num_columns)]
    pages = sum(column.total_uncompressed_size for column in columns)
    need = max(pages, 8 * declared.num_rows * declared.num_columns)
    size = path.stat().st_size
    if need > max(SMALL, LARGEST_EXPANSION * size):
        raise DataError(
            f"{path}: declares {declared.num_rows} rows of {declared.num_columns} columns "
            f"({need} bytes) in {size} bytes; write it again"
        )


def _check_types(path: Path, pyarrow: Any, schema: Any) -> None:  # noqa: ANN401 - no types
    for field in schema:
        kind = field.type
        if PANDAS_INDEX.fullmatch(field.name):
            continue
        if not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
            raise DataError(
                f"{path}: column '{printable(field.name)}' holds {printable(kind)}; wanted numbers"
            )
