import math

import numpy as np
import pytest
from deadpan.training.fields import Fields, Table, read_json, read_yaml

from deadpan.errors import RunError


def fields(tmp_path, **values):
    return Fields(tmp_path / "f.json", values, "mend it")


def test_each_kind_is_read(tmp_path):
    read = fields(
        tmp_path, t="x", w=3, f=True, n=1, none=None, s=["a", 1], m={"k": 2}, r=[{"k": 3}]
    )
    assert (read.text("t"), read.whole("w"), read.flag("f"), read.number("n")) == ("x", 3, True, 1)
    assert math.isnan(read.number("none"))
    assert math.isnan(read.number("absent"))
    assert read.strings("s") == ("a", "1")
    assert read.fields("m").whole("k") == 2
    assert read.rows("r")[0].whole("k") == 3


@pytest.mark.parametrize(
    ("ask", "value", "message"),
    [
        ("text", 1, "holds a int under 'k', wanted a string"),
        ("whole", True, "holds a bool under 'k', wanted an integer"),
        ("whole", 1.5, "holds a float under 'k', wanted an integer"),
        ("flag", None, "holds null under 'k', wanted true or false"),
        ("number", "1", "holds a str under 'k', wanted a number or null"),
        ("number", False, "holds a bool under 'k', wanted a number or null"),
        ("strings", "ab", "holds a str under 'k', wanted a list"),
        ("fields", [1], "holds a list where a mapping was wanted"),
        ("rows", [1], "holds a int where a mapping was wanted"),
    ],
)
def test_another_kind_is_refused(tmp_path, ask, value, message):
    with pytest.raises(RunError, match=rf"f\.json {message}; mend it"):
        getattr(fields(tmp_path, k=value), ask)("k")


def test_an_absent_field_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"f\.json has no 'k'; mend it"):
        fields(tmp_path).text("k")


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (read_json, "{", "is not valid JSON"),
        (read_json, "[]", "holds a list where a mapping was wanted"),
        (read_yaml, "a: [\nb: {", "is not valid YAML"),
        (read_yaml, "!!python/object/apply:os.system ['true']", "is not valid YAML"),
        (read_yaml, "", "holds null where a mapping was wanted"),
    ],
)
def test_a_broken_file_is_refused_in_one_line(tmp_path, read, content, message):
    (tmp_path / "f").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=message) as refusal:
        read(tmp_path / "f", "mend it")
    assert "\n" not in str(refusal.value)


@pytest.fixture
def table(tmp_path):
    def write(content):
        path = tmp_path / "t.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Table(path, "mend it")

    return write


def test_columns_as_text_and_as_numbers(table):
    read = table('id,x\r\n"a, ""b""\nc",1.5\r\nd,-2\r\n')
    assert read["id"] == ('a, "b"\nc', "d")
    np.testing.assert_array_equal(read.numbers("x"), [1.5, -2])


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
        Table(tmp_path, "mend it")
