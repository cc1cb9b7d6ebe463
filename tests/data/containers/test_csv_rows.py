import math

import pytest

from deadpan.data.containers.csv_rows import (
    is_missing,
    parse_number,
    read_csv_rows,
    text_encoding,
)
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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["id,label\na,na\u00efve\n", "1\n2\n"])
def test_a_text_is_read_in_its_encoding(text, encoding):
    content = text.encode(encoding)
    assert content.decode(text_encoding(content)) == text


def test_a_table_in_utf16_may_lack_its_byte_order_mark(tmp_path):
    (tmp_path / "a.csv").write_bytes("id;label\na;1\n".encode("utf-16-le"))
    assert list(read_csv_rows(tmp_path / "a.csv", "a table"))[1] == (2, ["a", "1"])
    (tmp_path / "a.csv").write_bytes("id;label\na;1\n".encode("utf-16-le")[:-1])
    with pytest.raises(DataError, match="line 2: not UTF-16-LE; save it as UTF-8"):
        list(read_csv_rows(tmp_path / "a.csv", "a table"))


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
