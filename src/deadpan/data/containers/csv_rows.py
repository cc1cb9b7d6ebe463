"""CSV files row by row, each with its line; what their fields say as numbers."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from deadpan.data.containers.files import opened
from deadpan.errors import DataError


def csv_rows(path: Path, wanted: str) -> Iterator[tuple[int, list[str]]]:
    """The (last) line of each row, from 1, and its fields; empty lines are passed over.

    Blanks after a comma are not part of a field.

    Args:
        path: UTF-8, with or without a byte order mark.
        wanted: what the file should be, as a noun ("a clip table (CSV)"), for messages.

    Raises:
        DataError: not a readable file, not UTF-8 or not CSV, named by its line.
    """
    with opened(path, wanted) as stream:
        content = stream.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}: line {line}: not UTF-8; save it as UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        for fields in reader:
            if fields:
                yield reader.line_num, fields
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: not CSV ({error}); mend it") from None


def number(field: str) -> float | None:
    """The number a field says, which may be NaN or infinite; None where it says none."""
    try:
        # Python reads 1_000 as a number; whoever writes a table does not.
        return None if "_" in field else float(field)
    except ValueError:
        return None
