"""Reading tables of text and numbers: CSV, Excel's .xlsx, Parquet, JSON and JSON Lines."""

import dataclasses
import json
import re
import sys
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

from deadpan.data.containers.csv_rows import (
    FIELD,
    ROW,
    TEXT,
    csv_delimiter,
    read_csv_rows,
    text_encoding,
)
from deadpan.data.containers.files import first_bytes, open_file, printable
from deadpan.data.containers.memory import MemoryBoundError, charge
from deadpan.data.containers.parquet import read_parquet_texts
from deadpan.errors import DataError, DeadpanError, count_of

SUFFIXES = (".csv", ".tsv", ".xlsx", ".parquet", ".json", ".jsonl")
"""The suffixes of tables. A table is read by its content, whatever its name."""
WANTED = "a table (.csv, .tsv, .xlsx, .parquet, .json or .jsonl)"
START = 1 << 16
"""Bytes that are read to recognise a table."""

CELLS, CELL, TEXT_ENTRY = 400, 48, 100
"""Bytes of memory of a row, beside those of its fields (its place, its cells by column), per cell,
and of a field's place among those that are stored once."""
RECORD, ITEM = 200, 64
"""Bytes of memory per record and per item of JSON."""
OBJECTS = ("[Content_Types].xml", "xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/styles.xml")
"""Parts of an .xlsx file of which openpyxl makes an object for every few bytes."""
OBJECT = 30
"""Bytes of memory per byte of these parts."""
ELEMENT, SHARED = 350, 200
"""Bytes of memory per element of a row of a sheet, and per text that sheets share."""
MARK = re.compile(rb"<(?:[^\s<>/:]*:)?(worksheet|row|sst|si)(?=[\s/>])")
"""The elements that tell a sheet from other parts, its rows, and texts that sheets share."""
BLOCK = 1 << 20
"""Bytes of a part that are looked at together."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TableRow:
    """One row of a table.

    Attributes:
        place: where it stands in the file, for messages: "line 3", "row 3" or "record 2".
        cells: its fields by column; blank ones are left out.
    """

    place: str
    cells: Mapping[str, str]

    def __post_init__(self) -> None:
        """Charge the memory of the row without its fields."""
        charge(CELLS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table: the names of its columns, without blanks around them, and its rows in order.

    Columns without a name are left out, as are rows without a field, with which spreadsheets end.
    """

    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    warnings: tuple[str, ...] = ()


def read_table(path: Path) -> TextTable:
    """Read a table, of a kind that its content tells.

    The first row of a CSV file or of a spreadsheet's first sheet names the columns. JSON is a list
    of records, records by id (which become the column ``id``), or lists or records by column.
    Numbers become text; null is a blank.

    Raises:
        DataError: the file is no such table; the message names the place.
        DeadpanError: the file is .xlsx or Parquet, and the package that reads it is not installed.
    """
    head = first_bytes(path, START)
    if head.startswith(b"PAR1"):
        columns, rows, left_out = read_parquet_texts(path)
        records = ((f"record {i}", row) for i, row in enumerate(rows, 1))
        return _table(path, columns, records, _left_out_warnings(left_out))
    if head.startswith(b"PK\x03\x04"):
        return _read_xlsx(path)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise DataError(f"{path}: is in Excel's old format; save it as .xlsx or .csv")
    if head.decode(text_encoding(head), errors="replace").lstrip()[:1] in ("{", "["):
        return _read_json(path)
    return _csv_table(path)


def first_columns(path: Path) -> tuple[str, ...]:
    """The names of a table's columns as far as its first bytes tell them; never raises.

    Returns:
        The names; none if the file cannot be a table, or its columns are known only by reading it:
        .xlsx and Parquet.
    """
    head = first_bytes(path, START)
    text = head.decode(text_encoding(head), errors="replace")
    if "\0" in text or not (start := text.lstrip()):
        return ()
    if start[0] in "{[":
        return _json_names(start)
    line = next(line for line in text.split("\n") if line.strip())
    names = tuple(name.strip(' "\r') for name in line.split(csv_delimiter(text)))
    return names if len(names) > 1 else ()


def looks_like_spreadsheet(path: Path) -> bool:
    """Whether a file begins as Parquet, or is a ZIP archive of a workbook; never raises."""
    head = first_bytes(path, START)
    return head.startswith(b"PAR1") or (head.startswith(b"PK\x03\x04") and b"xl/" in head)


def _table(
    path: Path,
    header: Sequence[str],
    rows: Iterable[tuple[str, Sequence[str]]],
    warnings: tuple[str, ...] = (),
) -> TextTable:
    """A table of rows: the place of each, and its fields, of which the last may be missing.

    Raises:
        DataError: two columns have one name, or a row has a field beyond the header.
    """
    columns = [name.strip() for name in header]
    for index, name in enumerate(columns):
        if name and name in columns[:index]:
            raise DataError(f"{path}: column '{printable(name)}' stands twice; rename one")

    def record(place: str, fields: Sequence[str]) -> dict[str, str]:
        if any(field.strip() for field in fields[len(columns) :]):
            count = count_of(len(fields), "field")
            raise DataError(
                f"{path}: {place}: has {count}, the header {len(columns)}; mend the row, or name "
                f"the column"
            )
        return dict(zip(columns, fields, strict=False))

    records = ((place, record(place, fields)) for place, fields in rows)
    return TextTable(
        columns=tuple(filter(None, columns)), rows=tuple(_rows(records)), warnings=warnings
    )


def _rows(records: Iterable[tuple[str, Mapping[str, str]]]) -> Iterator[TableRow]:
    texts: dict[str, str] = {}  # equal fields are stored once
    for place, record in records:
        cells: dict[str, str] = {}
        for name, field in record.items():
            if not name or not field.strip():
                continue
            if field not in texts:
                charge(TEXT_ENTRY + sys.getsizeof(field))
            cells[name] = texts.setdefault(field, field)
        if cells:
            charge(CELL * len(cells))
            yield TableRow(place=place, cells=cells)


def _csv_table(path: Path) -> TextTable:
    lines = read_csv_rows(path, WANTED)
    header = next(lines, (1, []))[1]

    def rows() -> Iterator[tuple[str, Sequence[str]]]:
        for line, fields in lines:
            if len(fields) < len(header) and any(field.strip() for field in fields):
                raise DataError(
                    f"{path}: line {line}: has {count_of(len(fields), 'field')}, the header "
                    f"{len(header)}; mend the row"
                )
            yield f"line {line}", fields

    return _table(path, header, rows())


def _read_xlsx(path: Path) -> TextTable:
    try:
        import openpyxl
    except ImportError:
        raise DeadpanError(
            f"{path}: reading .xlsx needs openpyxl; run: pip install 'deadpan[xlsx]'"
        ) from None
    with open_file(path, "an .xlsx file") as stream:
        try:
            _check_xlsx(path, stream)
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
            sheets: list[Any] = book.worksheets
            rows = _sheet_rows(sheets[0])
            header = next((fields for _, fields in rows if any(fields)), [])
            warnings = ()
            if len(sheets) > 1:
                name = printable(sheets[0].title)
                warnings = (f"{path.name} has {len(sheets)} sheets: the first, '{name}', was read",)
            return _table(path, header, rows, warnings)
        except (DeadpanError, MemoryBoundError):
            raise
        except Exception as error:  # openpyxl may raise anything on a damaged file
            raise DataError(
                f"{path}: not an .xlsx file that can be read ({printable(error)}); save it again, "
                f"or as .csv"
            ) from None


def _check_xlsx(path: Path, stream: BinaryIO) -> None:
    """Check that an archive is a workbook, and charge its XML.

    ``zipfile`` reads no more of a file than the archive declares. openpyxl makes objects of a whole
    row, and of all texts that sheets share, before it gives the first of them.
    """
    with zipfile.ZipFile(stream) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
        charge(sum(sizes.values()) + OBJECT * sum(sizes.get(name, 0) for name in OBJECTS))
        if "xl/workbook.xml" not in sizes:
            raise DataError(f"{path}: is a ZIP archive and no .xlsx file; give {WANTED}")
        for name in sizes:
            charge(_part_memory(archive, name))


def _part_memory(archive: zipfile.ZipFile, name: str) -> int:
    """The bytes of memory of the longest row of a part, and of its texts that sheets share."""
    longest = elements = texts = 0
    rest, is_sheet = b"", False
    with archive.open(name) as part:
        while block := part.read(BLOCK):
            # UTF-16 has a zero in every tag's letter; what a block's end cuts is seen whole.
            content = rest + block.replace(b"\0", b"")
            end = content.rfind(b"<")
            rest = content[end:] if end >= 0 and len(content) - end < BLOCK else b""
            content = content[:end] if rest else content
            start = 0
            for mark in MARK.finditer(content):
                elements += content.count(b"<", start, mark.start())
                elements -= content.count(b"</", start, mark.start())
                longest, elements, start = max(longest, elements), 1, mark.end()
                is_sheet = True
                texts += mark[1] == b"si"
            elements += content.count(b"<", start) - content.count(b"</", start)
    return ELEMENT * max(longest, elements) * is_sheet + SHARED * texts


def _sheet_rows(sheet: Any) -> Iterator[tuple[str, list[str]]]:  # noqa: ANN401 - openpyxl has no types
    """The rows of a sheet, which are charged: a cell at the far right makes many blank ones."""
    sheet.reset_dimensions()  # those that a file declares may be wrong
    for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
        charge(ROW + FIELD * len(row))
        yield f"row {number}", [_field(value) for value in row]


def _read_json(path: Path) -> TextTable:
    with open_file(path, WANTED) as stream:
        content = stream.read()
        items = content.count(b",") + content.count(b"[")
        charge(TEXT * len(content) + RECORD * content.count(b"{") + ITEM * items)
    try:
        text = content.decode(text_encoding(content))
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8; save it as UTF-8") from None
    try:
        value = json.loads(text)
    except RecursionError:
        raise DataError(f"{path}: is nested too deeply; give a list of records") from None
    except ValueError as error:
        return _json_lines(path, text, error)
    records = _records(path, value)
    return _json_table(path, ((f"record {i}", record) for i, record in enumerate(records, 1)))


def _json_lines(path: Path, text: str, error: ValueError) -> TextTable:
    """A table of a JSON record on each line; ``error`` says why the text is not one value."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]

    def records() -> Iterator[tuple[str, object]]:
        for number, line in lines:
            try:
                yield f"line {number}", json.loads(line)
            except (ValueError, RecursionError) as wrong:
                # The first line tells whether the file is a record on each line.
                reason = error if number == lines[0][0] else wrong
                raise DataError(f"{path}: line {number}: not JSON ({reason}); mend it") from None

    return _json_table(path, records())


def _records(path: Path, value: object) -> Iterable[object]:
    """The records of a JSON value: its items, records by id, or the rows of columns."""
    if not isinstance(value, dict):
        return cast("list[object]", value)  # as the text begins
    entries = cast("dict[str, object]", value)
    kinds = {type(entry) for entry in entries.values()}
    if kinds == {list}:
        columns = {name: cast("list[object]", entry) for name, entry in entries.items()}
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            listing = ", ".join(f"{printable(k)} {n}" for k, n in list(lengths.items())[:5])
            raise DataError(f"{path}: its columns differ in length ({listing}); mend it")
        return (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    if kinds == {dict}:
        inner = cast("dict[str, dict[str, object]]", entries)
        # pandas writes the rows of each column by their number.
        if all(key.isdecimal() for key in next(iter(inner.values()))) and len(inner) > 1:
            rows = dict.fromkeys(key for column in inner.values() for key in column)
            return ({name: column.get(row) for name, column in inner.items()} for row in rows)
        return ({"id": key, **record} for key, record in inner.items())
    if kinds & {list, dict}:
        raise DataError(f"{path}: is JSON of no table; give a list of records")
    return [entries]


def _json_table(path: Path, records: Iterable[tuple[str, object]]) -> TextTable:
    columns: dict[str, None] = {}
    nested: dict[str, None] = {}

    def texts() -> Iterator[tuple[str, Mapping[str, str]]]:
        for place, record in records:
            if not isinstance(record, dict):
                kind = type(record).__name__
                raise DataError(f"{path}: {place}: is a {kind}; wanted a record with names")
            items = cast("dict[str, object]", record).items()
            named: dict[str, object] = {}
            for key, value in items:
                name = _field(key).strip()
                if name and name in named:
                    raise DataError(
                        f"{path}: {place}: column '{printable(name)}' stands twice; rename one"
                    )
                named[name] = value
            columns.update(dict.fromkeys(filter(None, named)))
            nested.update(dict.fromkeys(k for k, x in named.items() if isinstance(x, list | dict)))
            yield place, {k: _field(x) for k, x in named.items() if k not in nested}

    rows = tuple(_rows(texts()))
    flat = tuple(name for name in columns if name not in nested)
    return TextTable(columns=flat, rows=rows, warnings=_left_out_warnings(nested))


def _left_out_warnings(names: Collection[str]) -> tuple[str, ...]:
    if not names:
        return ()
    return (f"left out, as lists, records or bytes are in it: {printable(', '.join(names))}",)


def _json_names(start: str) -> tuple[str, ...]:
    """The names in the first bytes of a JSON text that may be those of columns."""
    names = re.findall(r'"((?:[^"\\]|\\.)*)"\s*:', start)
    return tuple(dict.fromkeys(names))


def _field(value: object) -> str:
    """The text of a value; nothing for null and NaN."""
    if value is None or value != value:  # noqa: PLR0124 - NaN alone is unlike itself
        return ""
    # Half a surrogate pair, which JSON can hold, cannot be encoded in UTF-8.
    return str(value).encode("utf-8", errors="backslashreplace").decode("utf-8")
