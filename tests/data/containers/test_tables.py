import decimal
import json
import sys
import zipfile

import pytest

from deadpan.data.containers import memory
from deadpan.data.containers.memory import memory_bound
from deadpan.data.containers.tables import first_columns, read_table
from deadpan.errors import DataError, DeadpanError

HEADER = ("id", "label")
CELLS = [{"id": "a", "label": "1.5"}, {"id": "b", "label": "2"}]


def write(folder, content, name="table"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refusal(path):
    with pytest.raises(DataError) as caught, memory_bound(path):
        read_table(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("content", "places"),
    [
        ("id,label\na,1.5\nb,2\n", "line 2, line 3"),
        ("id;label;\r\na;1.5;\r\n;;\r\nb;2;\r\n", "line 2, line 4"),
        ("id\tlabel\na\t1.5\n\n\nb\t2\n", "line 2, line 5"),
        ("\ufeffid,label\na,1.5\nb,2", "line 2, line 3"),
        ("id,label\na,1.5\nb,2".encode("utf-16"), "line 2, line 3"),
        ('"id","label"\n"a","1.5"\n"b","2"\n', "line 2, line 3"),
        (json.dumps(CELLS), "record 1, record 2"),
        (json.dumps([{"id": "a", "label": 1.5}, {"id": "b", "label": 2}]), "record 1, record 2"),
        (json.dumps({"id": ["a", "b"], "label": [1.5, 2]}), "record 1, record 2"),
        (json.dumps({"id": {"0": "a", "1": "b"}, "label": {"0": 1.5, "1": "2"}}),
         "record 1, record 2"),
        (json.dumps({"a": {"label": 1.5}, "b": {"label": 2}}), "record 1, record 2"),
        ('{"id": "a", "label": 1.5}\n\n{"id": "b", "label": 2}\n', "line 1, line 3"),
    ],
)  # fmt: skip
def test_tables_of_text_in_every_form(content, places, tmp_path):
    table = read_table(write(tmp_path, content))
    assert table.columns == HEADER
    assert [dict(row.cells) for row in table.rows] == CELLS
    assert ", ".join(row.place for row in table.rows) == places


def test_excel_gives_its_first_sheet(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["id", None, "label"], ["a", None, 1.5], [], ["b"], [7, "x", True]):
        book.active.append(row)
    book.create_sheet("more")
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert table.columns == HEADER
    assert [(row.place, dict(row.cells)) for row in table.rows] == [
        ("row 2", {"id": "a", "label": "1.5"}),
        ("row 4", {"id": "b"}),
        ("row 5", {"id": "7", "label": "True"}),
    ]
    assert table.warnings == ("t.xlsx has 2 sheets: the first, 'Sheet', was read",)
    book.active["H4"] = "beyond the header"
    book.save(tmp_path / "t.xlsx")
    assert "row 4: has 8 fields, the header 3; mend the row" in refusal(tmp_path / "t.xlsx")


def test_parquet_of_texts_and_numbers(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "id": ["a", "b", "a"],
        "label": [1.5, None, float("nan")],
        "kind": pyarrow.array(["x", None, "x"]).dictionary_encode(),
        "seen": [True, False, None],
        "none": pyarrow.nulls(3),
    }
    path = tmp_path / "t.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    table = read_table(path)
    assert table.columns == tuple(columns)
    assert [(row.place, dict(row.cells)) for row in table.rows] == [
        ("record 1", {"id": "a", "label": "1.5", "kind": "x", "seen": "True"}),
        ("record 2", {"id": "b", "seen": "False"}),
        ("record 3", {"id": "a", "kind": "x"}),
    ]
    parquet.write_table(pyarrow.table({"id": [7] * 1_000_000}), path)
    assert "stand for more than" in refusal(path)


def test_columns_of_parquet_of_any_flat_type_are_text_and_others_are_left_out(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "id": pyarrow.array(["a", None], pyarrow.string_view()),
        "turns": [["x", "y"], []],
        "at": pyarrow.array([86_400 * 10**6, None], pyarrow.timestamp("us")),
        "day": pyarrow.array([1, None], pyarrow.date32()),
        "raw": [b"\xff", b""],
        "label": pyarrow.array([decimal.Decimal("1.50"), decimal.Decimal("2.00")]),
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.columns == ("id", "at", "day", "label")
    assert [dict(row.cells) for row in table.rows] == [
        {"id": "a", "at": "1970-01-02 00:00:00.000000", "day": "1970-01-02", "label": "1.50"},
        {"label": "2.00"},
    ]
    assert table.warnings == ("left out, as lists, records or bytes are in it: turns, raw",)


def test_what_a_record_holds_besides_text_and_numbers_is_left_out(tmp_path):
    records = {"1_60": {"words": "hm", "context": ["a", "b"], "sarcasm": True, "none": None}}
    table = read_table(write(tmp_path, json.dumps(records)))
    assert table.columns == ("id", "words", "sarcasm", "none")
    assert dict(table.rows[0].cells) == {"id": "1_60", "words": "hm", "sarcasm": "True"}
    assert table.warnings == ("left out, as lists, records or bytes are in it: context",)
    assert dict(read_table(write(tmp_path, '[{"id": "\\ud800"}]')).rows[0].cells) == {
        "id": "\\ud800"
    }


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", "is empty; give a table"),
        ("id,a,a\n", "column 'a' stands twice"),
        ("id,label\na\n", "line 2: has 1 field, the header 2"),
        (
            "id,label\na,1,2\n",
            "line 2: has 3 fields, the header 2; mend the row, or name the column",
        ),
        ("id,label\na,\u00e9\n".encode("latin-1"), "line 2: not UTF-8; save it as UTF-8"),
        (b"\xff\xfei\x00d", "line 1: not UTF-16"),
        ('{"id": ', "line 1: not JSON"),
        ('{"id": 1}\n{"id": \n', "line 2: not JSON"),
        ("[" * 100_000, "is nested too deeply"),
        ('[{"label": 1, "label ": 2}]', "record 1: column 'label' stands twice; rename one"),
        ("[1, 2]", "record 1: is a int; wanted a record with names"),
        ('{"id": [1, 2], "label": [1]}', "its columns differ in length (id 2, label 1)"),
        ('{"id": [1, 2], "label": 1}', "is JSON of no table; give a list of records"),
        (b"\xd0\xcf\x11\xe0" + bytes(9), "is in Excel's old format; save it as .xlsx or .csv"),
        (b"PK\x03\x04" + bytes(99), "not an .xlsx file that can be read"),
        (b"PAR1" + bytes(99), "not a parquet file that can be read"),
    ],
)
def test_what_is_no_table_is_told(content, wanted, tmp_path):
    if content[:2] == b"PK":
        pytest.importorskip("openpyxl")
    if content[:2] == b"PA":
        pytest.importorskip("pyarrow")
    assert wanted in refusal(write(tmp_path, content))


def sheet(folder, xml, **parts):
    """A minimal .xlsx file with this XML of its one sheet."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    links = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    path = folder / "small.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{package}/content-types"><Override PartName="/xl/workbook.xml" '
            f'ContentType="{kind}.sheet.main+xml"/></Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" '
            f'Type="{links}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        archive.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{links}"><sheets><sheet name="s" sheetId="1" '
            f'r:id="r"/></sheets></workbook>',
        )
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" '
            f'Type="{links}/worksheet" Target="worksheets/s.xml"/></Relationships>',
        )
        rows = f'<worksheet xmlns="{main}"><sheetData>{xml}</sheetData></worksheet>'
        archive.writestr("xl/worksheets/s.xml", rows)
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


CELL = '<row r="{0}"><c r="{1}{0}" t="inlineStr"><is><t>x</t></is></c></row>'


def test_a_small_spreadsheet_that_stands_for_much_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("openpyxl")
    monkeypatch.setattr(memory, "CONSTANT", memory.CONSTANT >> 5)
    assert read_table(sheet(tmp_path, CELL.format(1, "A"))).columns == ("x",)
    wide = "".join(CELL.format(row, "XFD") for row in range(1, 13))
    assert "stand for more than" in refusal(sheet(tmp_path, wide))
    far = CELL.format(1, "A") + CELL.format(9**9, "A")
    assert "stand for more than" in refusal(sheet(tmp_path, far))
    many = '<row r="1">' + "<c/>" * 16_000 + "</row>"
    assert "stand for more than" in refusal(sheet(tmp_path, many))
    path = sheet(tmp_path, CELL.format(1, "A"), **{"xl/sharedStrings.xml": "<si/>" * 22_000})
    assert "stand for more than" in refusal(path)
    path = sheet(tmp_path, CELL.format(1, "A"))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/styles.xml", "<xf/>" * 32_000)
    assert "stand for more than" in refusal(path)


@pytest.mark.parametrize(
    ("package", "content"), [("openpyxl", b"PK\x03\x04"), ("pyarrow", b"PAR1")]
)
def test_a_missing_package_names_its_extra(package, content, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DeadpanError, match=rf"needs {package}; run: pip install"):
        read_table(write(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("id;label\n", ("id", "label")),
        ("\n\ufeff\n", ()),
        ("word\n", ()),
        ('[{"id": 1, "a": {"b": 2}}]', ("id", "a", "b")),
        (b"\x93NUMPY\x01\x00v, x\n", ()),
        (b"", ()),
    ],
)
def test_the_columns_that_the_first_bytes_tell(content, columns, tmp_path):
    assert first_columns(write(tmp_path, content)) == columns
