"""Reading Parquet files of numbers with pyarrow, which is an extra."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Num

from deadpan.data.containers.files import open_file, printable
from deadpan.data.containers.memory import MemoryBoundError, charge
from deadpan.errors import DataError, DeadpanError

PANDAS_INDEX = re.compile(r"__index_level_\d+__")
COPIES = 3
"""Times that the values are in memory while a file is read: its pages, its columns, the array."""


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
            charge(COPIES * _declared_size(file.metadata))
            _check_types(path, pyarrow, file.schema_arrow)
            table = file.read(use_threads=False)
            columns = {
                # By index: names may repeat.
                index: np.asarray(table.column(index).to_numpy())
                for index, name in enumerate(table.column_names)
                if not PANDAS_INDEX.fullmatch(name)
            }
        except (DeadpanError, MemoryBoundError):
            raise
        except Exception as error:  # pyarrow may raise anything on a damaged file
            raise DataError(
                f"{path}: not a parquet file that can be read ({printable(error)}); write it again"
            ) from None
    names = tuple(table.column_names[index] for index in columns)
    return names, np.column_stack(list(columns.values())) if columns else np.zeros((0, 0))


def _declared_size(declared: Any) -> int:  # noqa: ANN401 - pyarrow has no types
    """The bytes of the values that a file declares to hold."""
    groups = [declared.row_group(i) for i in range(declared.num_row_groups)]
    columns = [group.column(i) for group in groups for i in range(group.num_columns)]
    pages = sum(column.total_uncompressed_size for column in columns)
    return max(pages, 8 * declared.num_rows * declared.num_columns)


def _check_types(path: Path, pyarrow: Any, schema: Any) -> None:  # noqa: ANN401 - no types
    for field in schema:
        kind = field.type
        if PANDAS_INDEX.fullmatch(field.name):
            continue
        if not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
            raise DataError(
                f"{path}: column '{printable(field.name)}' holds {printable(kind)}; wanted numbers"
            )
