"""Values for options, from a command line, YAML or Python, as a signature wants them."""

import types
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args, get_origin

from deadpan.errors import DeadpanError, unknown_name
from deadpan.files import home_path


def typed(name: str, value: object, wanted: Any) -> Any:  # noqa: ANN401 - any annotation
    """The value as the annotation wants it.

    The command line and YAML know no paths and few whole numbers: text becomes a path, 1000.0 an
    int. Knows bool, int, float, str, Path, Literal, list, dict, and each of them or
    None; any other annotation lets every value through.

    Args:
        name: of the option, for the message.
        value: what was given.
        wanted: the annotation.

    Raises:
        DeadpanError: the value does not fit.
    """
    if get_origin(wanted) in (Union, types.UnionType):
        if value is None and type(None) in get_args(wanted):
            return None
        wanted = next(kind for kind in get_args(wanted) if kind is not type(None))
    if get_origin(wanted) is Literal:
        if value not in get_args(wanted):
            raise DeadpanError(unknown_name(name, str(value), map(str, get_args(wanted))))
        return value
    kind = get_origin(wanted) or wanted
    if kind not in KINDS:
        return value
    make, told = KINDS[kind]
    if (made := make(value)) is None:
        raise DeadpanError(f"{name} wants {told}; got {value!r}")
    return made


def _bool(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: object) -> float | None:
    return None if isinstance(value, bool) or not isinstance(value, Real) else float(value)


def _whole(value: object) -> int | None:
    number = _number(value)
    if number is None or not number.is_integer():  # NaN and infinity are none
        return None
    # Not by way of float, which does not hold every integer above 2^53.
    return int(value) if isinstance(value, Integral) else int(number)


def _text(value: object) -> str | None:
    known = isinstance(value, str | int | float | Path) and not isinstance(value, bool)
    return str(value) if known else None


def _path(value: object) -> Path | None:
    text = _text(value)
    return home_path(text) if text else None


def _list(value: object) -> list[Any] | None:
    return list(cast("list[Any]", value)) if isinstance(value, list | tuple) else None


def _dict(value: object) -> dict[Any, Any] | None:
    return dict(cast("dict[Any, Any]", value)) if isinstance(value, Mapping) else None


KINDS: Mapping[Any, tuple[Callable[[object], Any], str]] = {
    bool: (_bool, "true or false"),
    int: (_whole, "a whole number"),
    float: (_number, "a number such as 0.001"),
    str: (_text, "text"),
    Path: (_path, "a path"),
    list: (_list, "a list"),
    dict: (_dict, "values by name"),
}
"""What makes a value of each kind (None where it cannot), and what to ask for."""
