"""The one validator of values from a command line, YAML, JSON or Python, by type annotations."""

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, NewType, TypeVar, Union, cast, get_args, get_origin

from deadpan.errors import DeadpanError, unknown_name
from deadpan.files import home_path

Record = TypeVar("Record")
NullableFloat = NewType("NullableFloat", float)
"""A number of a JSON file, in which null stands for NaN."""


def record(name: str, values: object, kind: type[Record], *, unknown: str | None = None) -> Record:
    """Make a dataclass from values by name, each converted to the type of its field.

    Args:
        name: of the whole, for messages.
        values: from a file or a caller.
        kind: the dataclass; fields without a default are required.
        unknown: what a key is called ("setting"), to refuse one that is no field here or in what is
            nested; None = other keys are ignored.

    Raises:
        DeadpanError: no mapping, a field that is missing or does not fit, or an unknown key.
    """
    by_name: dict[str, object] = typed(name, values, dict)
    fields = {field.name: field for field in dataclasses.fields(cast(Any, kind))}
    start = f"{name}: " if name else ""
    for key in by_name:
        if unknown and key not in fields:
            raise DeadpanError(f"{start}{unknown_name(unknown, key, fields)}")
    for key, field in fields.items():
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and key not in by_name:
            raise DeadpanError(f"{start}has no '{key}'")
    arguments = {
        key: typed(f"{start}{key}", value, fields[key].type, unknown=unknown)
        for key, value in by_name.items()
        if key in fields
    }
    try:
        return kind(**arguments)
    except DeadpanError as error:  # values that do not fit each other, say
        raise DeadpanError(f"{start}{error}") from None


def typed(name: str, value: object, annotation: Any, *, unknown: str | None = None) -> Any:  # noqa: ANN401
    """Convert a value to the type of an annotation.

    The command line and YAML know no paths and few whole numbers: text becomes a path, 1000.0 an
    int. Knows bool, int, float, str, Path, Literal, list, tuple, dict, Mapping and dataclasses, the
    items of these, each of them or None, and one of several dataclasses, by their fields; any other
    annotation lets every value through.

    Args:
        name: of the option, for the error.
        value: of any type.
        annotation: of the parameter or field that the value is for.
        unknown: see :func:`record`.

    Raises:
        DeadpanError: the value does not fit.
    """
    if get_origin(annotation) in (Union, types.UnionType):
        if value is None and type(None) in get_args(annotation):
            return None
        kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
        annotation = next((kind for kind in kinds if _has_fields(value, kind)), kinds[0])
    if get_origin(annotation) is Literal:
        if value not in get_args(annotation):
            raise DeadpanError(unknown_name(name, str(value), map(str, get_args(annotation))))
        return value
    if dataclasses.is_dataclass(annotation):
        return record(name, value, cast(type[Any], annotation), unknown=unknown)
    kind = get_origin(annotation) or annotation
    if kind not in KINDS:
        return value
    make, description = KINDS[kind]
    if (result := make(value)) is None:
        raise DeadpanError(f"{name} wants {description}; got {value!r:.200}")
    item = next(iter(get_args(annotation)[-1 if isinstance(result, dict) else 0 :]), Any)
    if isinstance(result, dict):
        return {k: typed(f"{name}: {k}", x, item, unknown=unknown) for k, x in result.items()}
    if isinstance(result, list | tuple):
        items = (typed(f"{name}[{i}]", x, item, unknown=unknown) for i, x in enumerate(result))
        return type(result)(items)
    return result


def _has_fields(value: object, kind: Any) -> bool:  # noqa: ANN401
    """Whether a mapping has every field that a dataclass requires."""
    return (
        dataclasses.is_dataclass(kind)
        and isinstance(value, Mapping)
        and all(
            field.name in value
            for field in dataclasses.fields(kind)
            if field.default is field.default_factory is dataclasses.MISSING
        )
    )


def _bool(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: object) -> float | None:
    return None if isinstance(value, bool) or not isinstance(value, Real) else float(value)


def _nullable(value: object) -> float | None:
    return math.nan if value is None else _number(value)


def _whole(value: object) -> int | None:
    number = _number(value)
    if number is None or not number.is_integer():  # NaN and infinity are none
        return None
    # Not by way of float, which does not hold every integer above 2^53.
    return int(value) if isinstance(value, Integral) else int(number)


def _text(value: object) -> str | None:
    readable = isinstance(value, str | int | float | Path) and not isinstance(value, bool)
    return str(value) if readable else None


def _path(value: object) -> Path | None:
    text = _text(value)
    return home_path(text) if text else None


def _list(value: object) -> list[Any] | None:
    return list(cast(list[Any], value)) if isinstance(value, list | tuple) else None


def _tuple(value: object) -> tuple[Any, ...] | None:
    return tuple(cast(list[Any], value)) if isinstance(value, list | tuple) else None


def _dict(value: object) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    return {str(key): item for key, item in cast(Mapping[Any, Any], value).items()}


KINDS: Mapping[Any, tuple[Callable[[object], Any], str]] = {
    bool: (_bool, "true or false"),
    int: (_whole, "a whole number"),
    float: (_number, "a number such as 0.001"),
    NullableFloat: (_nullable, "a number or null"),
    str: (_text, "text"),
    Path: (_path, "a path"),
    list: (_list, "a list"),
    tuple: (_tuple, "a list"),
    dict: (_dict, "values by name"),
    Mapping: (_dict, "values by name"),
}
"""What makes a value of each kind (None where it cannot), and what to ask for."""


def laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Values over others, mapping into mapping."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(under, Mapping)
        merged[key] = laid_over(under, value) if both else value  # pyright: ignore[reportArgumentType]
    return merged
