import math

import pytest

from deadpan.data.containers.csv_rows import is_missing, parse_number, read_csv_rows
from deadpan.errors import DataError


def test_rows_come_with_their_last_line(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('a, b\n\n"1\n2",3\n', encoding="utf-8")
    assert list(read_csv_rows(path, "a table")) == [(1, ["a", "b"]), (4, ["1\n2", "3"])]


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
