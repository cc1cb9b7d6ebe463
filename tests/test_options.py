import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from deadpan.errors import DeadpanError
from deadpan.options import NullableFloat, record, typed


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
        ({1: 1e3}, Mapping[str, int], {"1": 1000}),
        (["a", 1], tuple[str, ...], ("a", "1")),
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
        ({"a": "x"}, dict[str, int], "name: a wants a whole number; got 'x'"),
        ([1, "x"], list[int], "name[1] wants a whole number; got 'x'"),
        ("1", NullableFloat, "name wants a number or null; got '1'"),
        ("x" * 999, float, f"name wants a number such as 0.001; got '{'x' * 199}"),
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


def test_null_is_nan_only_where_it_stands_for_one():
    assert math.isnan(typed("name", None, NullableFloat))
    assert typed("name", 1, NullableFloat) == 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
    x: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outer:
    names: list[str]
    inner: Inner
    rate: float = 0.5


def test_a_record_is_made_field_by_field():
    made = record("f", {"names": ["a"], "inner": {"x": 1.0, "later": 2}, "more": 3}, Outer)
    assert made == Outer(names=["a"], inner=Inner(x=1), rate=0.5)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([1], "f wants values by name; got [1]"),
        ({"names": []}, "f: has no 'inner'"),
        ({"names": [], "inner": {}}, "f: inner: has no 'x'"),
        ({"names": [], "inner": {"x": "y"}}, "f: inner: x wants a whole number; got 'y'"),
        ({"names": [], "inner": {"x": 1}, "rat": 1}, "f: unknown key 'rat'; did you mean 'rate'?"),
        ({"names": [], "inner": {"x": 1, "late": 1}}, "f: inner: unknown key 'late'; known: x"),
    ],
)
def test_a_record_that_does_not_fit(values, reason):
    with pytest.raises(DeadpanError) as refused:
        record("f", values, Outer, unknown="key")
    assert str(refused.value).startswith(reason)


@dataclasses.dataclass
class Circle:
    radius: float


@dataclasses.dataclass
class Square:
    side: float
    colour: str = "red"


def test_of_several_dataclasses_the_one_whose_fields_are_there_is_made():
    assert typed("name", {"side": 2}, Circle | Square) == Square(2.0)
    assert typed("name", {"radius": 2}, Circle | Square | None) == Circle(2.0)
    assert typed("name", None, Circle | Square | None) is None
    with pytest.raises(DeadpanError, match="name: has no 'radius'"):
        typed("name", {"colour": "red"}, Circle | Square)
