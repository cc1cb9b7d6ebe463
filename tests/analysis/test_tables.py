import numpy as np
import pytest

from deadpan.analysis.tables import Table
from deadpan.errors import RunError


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
