"""Reading CSV files row by row, with line numbers, and parsing their fields as numbers."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from deadpan.data.containers.files import open_file
from deadpan.data.containers.memory import charge
from deadpan.errors import DataError

DELIMITERS = "\t;,"
"""What may separate fields; of those that are equally frequent in the first line, the first."""
COMMA_IN_NUMBER = re.compile(r"(?<=\d),(?=\d)")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
"""A field that is a number with a decimal comma."""
MISSING = frozenset(("", "na", "n/a", "<na>", "nat", "null", "#n/a", "#num!", "#div/0!", "#value!"))
NOT_A_NUMBER = re.compile(r"[+-]?(?:nan(?:\(\w*\))?|1\.#(?:qnan|snan|ind)\d*)")
"""How C, C++ and Java libraries, R, Matlab, pandas and spreadsheets write what is missing."""
UTF16 = {
    "utf-16-le": re.compile(rb"[ -~]\0[^\0]\0"),
    "utf-16-be": re.compile(rb"\0[ -~]\0[^\0]"),
}
"""How a text begins in UTF-16 without a byte order mark: no table in UTF-8 has a zero."""
TEXT, ROW, FIELD = 6, 150, 64
"""Bytes of memory per byte of the text, per row and per field, while they are read."""


def read_csv_rows(path: Path, wanted: str) -> Iterator[tuple[int, list[str]]]:
    """Iterate over the rows of a CSV file: the number of the (last) line, from 1, and the fields.

    Fields are separated by tabs, semicolons or commas, whichever the first line has most of outside
    quotes and numbers. Empty lines are skipped. Blanks after a separator are not part of a field.

    The text and a row are charged while they are being read: who keeps fields charges them.

    Args:
        path: a file in UTF-8 or UTF-16, with or without a byte order mark.
        wanted: what the file should be, as a noun ("a clip table (CSV)"), for messages.

    Raises:
        DataError: the file is not readable, not UTF-8 or not CSV; the message names the line.
    """
    with open_file(path, wanted) as stream:
        content = stream.read()
    charged = TEXT * len(content)
    charge(charged)
    encoding = text_encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        name = encoding.removesuffix("-sig").upper()
        raise DataError(f"{path}: line {line}: not {name}; save it as UTF-8") from None
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=csv_delimiter(text),
        skipinitialspace=True,
        strict=True,  # or a quote that is never closed would swallow the rows after it
    )
    line = row = 0
    try:
        for fields in reader:
            size = ROW + FIELD * len(fields)
            charge(size - row)
            charged, row, line = charged + size - row, size, reader.line_num
            if fields:
                yield line, fields
    except csv.Error as error:
        # The row begins after the last one; one that is never closed ends with the file.
        raise DataError(f"{path}: line {line + 1}: not CSV ({error}); mend it") from None
    finally:
        charge(-charged)


def text_encoding(content: bytes) -> str:
    """The encoding of a text: UTF-16 by its byte order mark or zeros, or else UTF-8."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return next((name for name, start in UTF16.items() if start.match(content)), "utf-8-sig")


def csv_delimiter(text: str) -> str:
    """What separates the fields of a text in CSV; see ``read_csv_rows``."""
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    unquoted = COMMA_IN_NUMBER.sub("", "".join(first.split('"')[::2]))
    frequent = max(DELIMITERS, key=unquoted.count)
    return frequent if frequent in unquoted else ","


def parse_number(field: str) -> float | None:
    """Parse a field as a number, which may be NaN or infinite; None if it is no number."""
    try:
        # Python reads 1_000 as a number, but in a table it is text.
        return None if "_" in field else float(field)
    except ValueError:
        return None


def is_missing(field: str) -> bool:
    """Whether a field says that its value is missing, as any tool writes it.

    Words that may name a class, such as "none", do so only where numbers are wanted.
    """
    plain = plain_field(field)
    return plain in MISSING or NOT_A_NUMBER.fullmatch(plain) is not None


def plain_field(field: str) -> str:
    """A field in lower case, without blanks and quotes around it."""
    return field.strip(" '\"").lower()
