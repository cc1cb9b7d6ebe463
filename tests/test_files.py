import json
import os
import subprocess
import sys

import numpy as np
import pytest

from deadpan.errors import DataError, RunError
from deadpan.files import (
    CsvTable,
    csv_text,
    read_json,
    read_yaml,
    write_atomically,
    write_csv,
    write_json,
)

WRITER = (
    "import sys; from pathlib import Path; from deadpan.files import write_atomically as write;"
)


def python(code, *arguments):
    subprocess.run([sys.executable, "-c", WRITER + code, *map(str, arguments)], check=True)


def test_two_writers_of_one_file_leave_each_other_alone(tmp_path, monkeypatch):
    path, fsync = tmp_path / "x.csv", os.fsync

    def meanwhile(number):
        fsync(number)
        python("write(Path(sys.argv[1]), b'second')", path)
        assert path.read_bytes() == b"second"

    monkeypatch.setattr(os, "fsync", meanwhile)
    write_atomically(path, b"first")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed(tmp_path):
    path = tmp_path / "x.csv"
    python(
        "from deadpan.files import temporary_path;"
        "temporary_path(Path(sys.argv[1])).write_text('half')",
        path,
    )
    (tmp_path / f".x.csv.{10**30}.tmp").write_text("half")
    (tmp_path / ".y.csv.1.tmp").write_text("another file's")
    assert len(list(tmp_path.iterdir())) == 3
    write_atomically(path, b"whole")
    assert sorted(file.name for file in tmp_path.iterdir()) == [".y.csv.1.tmp", "x.csv"]


def test_json_that_is_missing_or_damaged_is_refused(tmp_path):
    path = tmp_path / "x.json"
    with pytest.raises(RunError, match=r"x\.json is missing; mend it"):
        read_json(path, "mend it")
    path.write_text("{")
    with pytest.raises(RunError, match=r"x\.json is not valid JSON .*; mend it"):
        read_json(path, "mend it")
    with pytest.raises(DataError):
        read_json(path, "mend it", error=DataError)


def test_json_writes_nan_as_null_at_any_depth(tmp_path):
    nan = float("nan")
    write_json(tmp_path / "x.json", {"a": nan, "b": [nan, {"c": (nan, 1)}], "ü": "ß"})
    text = (tmp_path / "x.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": None, "b": [None, {"c": [None, 1]}], "ü": "ß"}
    assert "ß" in text


def test_tables_quote_what_needs_it_and_keep_every_digit(tmp_path):
    path = tmp_path / "x.csv"
    write_csv(path, [{"words": 'a "b", c\nd', "x": 0.1 + 0.2}])
    assert path.read_text() == 'words,x\n"a ""b"", c\nd",0.30000000000000004\n'


def test_no_rows_make_no_table(tmp_path):
    write_csv(tmp_path / "x.csv", [])
    assert not (tmp_path / "x.csv").exists()


def test_a_cell_is_empty_where_a_row_lacks_the_column():
    assert csv_text([{"a": 1}, {"b": "x"}]) == "a,b\n1,\n,x\n"
    assert csv_text([{"a": 1}], columns=["b", "a"]) == "b,a\n,1\n"
    assert csv_text([], columns=["b", "a"]) == "b,a\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [\nb: {", "is not valid YAML"),
        ("!!python/object/apply:os.system ['true']", "is not valid YAML"),
        ("a: 2020-13-45", "is not valid YAML"),
        ("a: 1\nb: 2\na: 3", "'a' stands twice.*line 3"),
        ("[" * 5000, "is nested too deeply"),
    ],
)
def test_a_broken_yaml_is_refused_in_one_line(tmp_path, text, reason):
    (tmp_path / "f").write_text(text)
    with pytest.raises(RunError, match=reason) as refusal:
        read_yaml(tmp_path / "f", "mend it")
    assert str(refusal.value).endswith("; mend it")
    assert "\n" not in str(refusal.value)


def test_names_in_yaml_are_text_as_written_and_values_are_not(tmp_path):
    (tmp_path / "f").write_text("1: 1\nyes: yes\nnull: {2.50: 3}\n")
    assert read_yaml(tmp_path / "f", "") == {"1": 1, "yes": True, "null": {"2.50": 3}}


@pytest.fixture
def table(tmp_path):
    def write(content):
        path = tmp_path / "t.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return CsvTable(path, "mend it")

    return write


def test_columns_as_text_and_as_numbers(table):
    read = table('id,x\r\n"a, ""b""\nc",1.5\r\nd,-2\r\n')
    assert read["id"] == ('a, "b"\nc', "d")
    assert read.numbers("x") == [1.5, -2]


def test_an_empty_cell_is_nan_where_nan_is_allowed(table):
    read = table("x,y\n,1\ninf,2\n")
    np.testing.assert_array_equal(read.numbers("x", finite=False), [np.nan, np.inf])
    with pytest.raises(RunError, match="holds '' in column 'x', row 1, wanted a finite number"):
        read.numbers("x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "a header and no row"),
        ("a,a\n1,2\n", "names a column twice"),
        ("a,b\n1,2\n3\n", "has 1 cells in row 2, wanted 2"),
        ("a\n" + "x" * 200_000 + "\n", "is not a CSV table"),
        (b"a\n\xff\n", "is not UTF-8 text"),
    ],
)
def test_a_broken_table_is_refused_in_one_line(table, content, message):
    with pytest.raises(RunError, match=message) as refusal:
        table(content)
    assert "t.csv" in str(refusal.value)
    assert str(refusal.value).endswith("; mend it")
    assert "\n" not in str(refusal.value)


def test_a_missing_column_and_a_word_for_a_number(table):
    read = table("a,b\n1,two\n")
    with pytest.raises(RunError, match=r"has no column 'c' \(found a, b\)"):
        read["c"]
    with pytest.raises(RunError, match="holds 'two' in column 'b', row 1, wanted a number"):
        read.numbers("b")


def test_a_directory_in_the_file_s_place(tmp_path):
    with pytest.raises(RunError, match=r"cannot be read \(Is a directory\); mend it"):
        CsvTable(tmp_path, "mend it")


def test_what_a_killed_process_left_of_a_file_goes_with_the_next_writing(tmp_path):
    for name in (".a.json.123.tmp", ".b.json.123.tmp", ".a.json.mine.tmp", "a.json.123.tmp"):
        (tmp_path / name).touch()
    write_json(tmp_path / "a.json", 1)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"a.json", ".b.json.123.tmp", ".a.json.mine.tmp", "a.json.123.tmp"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n"
                                   for i in range(1, 9)), "stands for more than 100,000 values"),
        ("[" + "[]," * 100_001 + "]", "stands for more than 100,000 values"),
        ("a: &a {b: *a}", "holds itself"),
    ],
    ids=["aliases of aliases", "empty lists", "a loop"],
)  # fmt: skip
def test_yaml_that_swells_is_refused(text, reason, tmp_path):
    (tmp_path / "file.yaml").write_text(text)
    with pytest.raises(RunError, match=reason) as refused:
        read_yaml(tmp_path / "file.yaml", "do this")
    assert "\n" not in str(refused.value)


def test_yaml_may_repeat_what_it_names(tmp_path):
    (tmp_path / "file.yaml").write_text("a: &x {b: [1, 2]}\nc: {<<: *x, d: *x}")
    both = {"b": [1, 2]}
    assert read_yaml(tmp_path / "file.yaml", "do this") == {"a": both, "c": {**both, "d": both}}
