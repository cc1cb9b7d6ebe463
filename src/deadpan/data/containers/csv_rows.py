"""Reading CSV files row by row, with line numbers, and parsing their fields as numbers."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from deadpan.data.containers.files import open_file
from deadpan.data.containers.memory import charge
from deadpan.errors import DataError

TEXT, ROW, FIELD = 6, 150, 64
"""Bytes of memory per byte of the text, per row and per field, whoever keeps them in what way."""


def read_csv_rows(path: Path, wanted: str) -> Iterator[tuple[int, list[str]]]:
    """Iterate over the rows of a CSV file: the number of the (last) line, from 1, and the fields.

    Empty lines are skipped. Blanks after a comma are not part of a field.

    Args:
        path: a file in UTF-8, with or without a byte order mark.
        wanted: what the file should be, as a noun ("a clip table (CSV)"), for messages.

    Raises:
        DataError: the file is not readable, not UTF-8 or not CSV; the message names the line.
    """
    with open_file(path, wanted) as stream:
        content = stream.read()
        charge(TEXT * len(content))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}: line {line}: not UTF-8; save it as UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        for fields in reader:
            if fields:
                charge(ROW + FIELD * len(fields))
                yield reader.line_num, fields
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: not CSV ({error}); mend it") from None


def parse_number(field: str) -> float | None:
    """Parse a field as a number, which may be NaN or infinite; None if it is no number."""
    try:
        # Python reads 1_000 as a number, but in a table it is text.
        return None if "_" in field else float(field)
    except ValueError:
        return None
