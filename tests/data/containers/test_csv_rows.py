import math

import pytest

from deadpan.data.containers.csv_rows import is_missing, parse_number, read_csv_rows
from deadpan.errors import DataError


def test_rows_come_with_their_last_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('a, b\n\n"1\n2",3\n', encoding="utf-8")
    assert list(read_csv_rows(path, "a table")) == [(1, ["a", "b"]), (4, ["1\n2", "3"])]


@pytest.mark.parametrize(
    ("text", "line"),
    [('a,b\n"1,2\n3,4\n', 2), ('a,b\n1,2\n\n"3,4\n', 4), ('a,b\n1,2\n"3" ,4\n', 3)],
)
def test_a_quote_that_is_not_closed_names_the_line_it_opens(text, line, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=rf"a\.csv: line {line}: not CSV \(.*\); mend it"):
        list(read_csv_rows(tmp_path / "a.csv", "a table"))


def test_quotes_within_a_field_and_blanks_before_one_are_read(tmp_path):
    (tmp_path / "a.csv").write_text('a, "b"\n5" long, "say ""hm"""\n')
    rows = [fields for _, fields in read_csv_rows(tmp_path / "a.csv", "a table")]
    assert rows == [["a", "b"], ['5" long', 'say "hm"']]


def test_a_directory_is_refused_with_what_was_wanted(tmp_path):
    with pytest.raises(DataError, match="is a directory; give a table"):
        next(read_csv_rows(tmp_path, "a table"))


@pytest.mark.parametrize(
    ("field", "value"),
    [("1", 1), (" -2.5e1 ", -25), ("-inf", -math.inf), ("", None), ("1_0", None)],
)
def test_numbers(field, value):
    assert parse_number(field) == value


def test_nan_is_a_number():
    assert math.isnan(parse_number("NaN"))


@pytest.mark.parametrize(
    ("field", "missing"),
    [
        *((x, True) for x in ("", " ", "nan", "-NaN(ind)", "1.#QNAN", " n/a", "<NA>")),
        *((x, True) for x in ("#DIV/0!", "NaT", "NULL", "''")),
        *((x, False) for x in ("none", "-", "?", "0", "inf", "nano", "1.#INF")),
    ],
)
def test_what_is_missing_says_so_in_any_table(field, missing):
    assert is_missing(field) is missing
