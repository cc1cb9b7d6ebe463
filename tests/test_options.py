from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from deadpan.errors import DeadpanError
from deadpan.options import typed


@pytest.mark.parametrize(
    ("value", "wanted", "made"),
    [
        (True, bool, True),
        (3, int, 3),
        (1e3, int, 1000),
        (2**60 + 1, int, 2**60 + 1),
        (np.int64(3), int, 3),
        (3, float, 3.0),
        (7, str, "7"),
        ("a/b", Path, Path("a/b")),
        (None, Path | None, None),
        ("x", Path | None, Path("x")),
        (None, int | None, None),
        ("b", Literal["a", "b"], "b"),
        (("a",), list[str], ["a"]),
        ({"a": 1}, dict[str, int], {"a": 1}),
        (object, object, object),
    ],
)
def test_values_that_fit(value, wanted, made):
    found = typed("name", value, wanted)
    assert found == made
    assert type(found) is type(made)


@pytest.mark.parametrize(
    ("value", "wanted", "told"),
    [
        (1, bool, "name wants true or false; got 1"),
        ("3", int, "name wants a whole number; got '3'"),
        (True, int, "name wants a whole number; got True"),
        (2.5, int, "name wants a whole number; got 2.5"),
        (float("nan"), int, "name wants a whole number; got nan"),
        ("1e-3", float, "name wants a number such as 0.001; got '1e-3'"),
        (None, float, "name wants a number such as 0.001; got None"),
        (["x"], str, "name wants text; got ['x']"),
        ("", Path, "name wants a path; got ''"),
        ("c", Literal["a", "b"], "unknown name 'c'; known: a, b"),
        ("text", list[str], "name wants a list; got 'text'"),
        (3, dict[str, int], "name wants values by name; got 3"),
        ("x", int | None, "name wants a whole number; got 'x'"),
    ],
)
def test_values_that_do_not_fit(value, wanted, told):
    with pytest.raises(DeadpanError) as caught:
        typed("name", value, wanted)
    assert str(caught.value) == told


def test_home_is_found(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert typed("name", "~/file", Path) == Path("/somewhere/file")


def test_a_home_that_nobody_has():
    with pytest.raises(DeadpanError, match="~nobodyx/file: nobody here has that home"):
        typed("name", "~nobodyx/file", Path)
