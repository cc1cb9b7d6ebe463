"""Parquet files of numbers, read by pyarrow, which is an extra."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Num

from deadpan.data.containers.files import opened, shown
from deadpan.errors import DataError, DeadpanError

PANDAS_INDEX = re.compile(r"__index_level_\d+__")
LARGEST_EXPANSION = 1000
"""Bytes in memory for each byte of the file; runs of one value are the most that is sound."""
SMALL = 16 << 20
"""Bytes in memory that any file may take."""


def read_parquet(path: Path) -> tuple[tuple[str, ...], Num[np.ndarray, "row column"]]:
    """Names and values of the columns; nulls are NaN, an index that pandas wrote is left out.

    Raises:
        DataError: not such a file, a column of no numbers, or far larger than the file can hold.
        DeadpanError: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DeadpanError(
            f"{path}: reading parquet needs pyarrow; run: pip install 'deadpan[parquet]'"
        ) from None
    with opened(path, "a parquet file") as stream:
        try:
            file = pyarrow.parquet.ParquetFile(stream)
            _check_size(path, file.metadata)
            _check_types(path, pyarrow, file.schema_arrow)
            table = file.read(use_threads=False)
            columns = {
                # By place: names may repeat.
                place: np.asarray(table.column(place).to_numpy())
                for place, name in enumerate(table.column_names)
                if not PANDAS_INDEX.fullmatch(name)
            }
        except DeadpanError:
            raise
        except Exception as error:  # whatever a damaged file makes of pyarrow
            raise DataError(
                f"{path}: not a parquet file that can be read ({shown(error)}); write it again"
            ) from None
    names = tuple(table.column_names[place] for place in columns)
    return names, np.column_stack(list(columns.values())) if columns else np.zeros((0, 0))


def _check_size(path: Path, declared: Any) -> None:  # noqa: ANN401 - pyarrow has no types
    """Hold what the file says it holds against its size, before memory is set aside."""
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
                f"{path}: column '{shown(field.name)}' holds {shown(kind)}; wanted numbers"
            )
