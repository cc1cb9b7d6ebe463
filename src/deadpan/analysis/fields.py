"""A JSON or YAML file of a run as named fields, refused in one line where it is broken."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, cast

import yaml

from deadpan.analysis.run_files import read_text
from deadpan.errors import RunError


class Fields:
    """A mapping from a file, whose fields are asked for by name and kind, or refused.

    Attributes:
        values: what the file held, by name.
    """

    def __init__(self, path: Path, values: object, remedy: str) -> None:
        """Raise RunError, naming the path and ending in the remedy, for anything but a mapping."""
        self._path, self._remedy = path, remedy
        if not isinstance(values, Mapping):
            self._refuse(f"holds {_kind(values)} where a mapping was wanted")
        self.values = {str(k): v for k, v in cast(Mapping[object, object], values).items()}

    def text(self, key: str) -> str:
        """A string."""
        value = self._get(key)
        return value if isinstance(value, str) else self._wanted("a string", key)

    def whole(self, key: str) -> int:
        """An integer."""
        value = self._get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            self._wanted("an integer", key)
        return value

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._get(key)
        return value if isinstance(value, bool) else self._wanted("true or false", key)

    def number(self, key: str) -> float:
        """A number; NaN where the field is null or absent."""
        value = self.values.get(key)
        if value is None:
            return float("nan")
        if not isinstance(value, int | float) or isinstance(value, bool):
            self._wanted("a number or null", key)
        return float(value)

    def strings(self, key: str) -> tuple[str, ...]:
        """A list, each item as text."""
        return tuple(str(item) for item in self._list(key))

    def fields(self, key: str) -> "Fields":
        """A mapping."""
        return Fields(self._path, self._get(key), self._remedy)

    def rows(self, key: str) -> list["Fields"]:
        """A list of mappings."""
        return [Fields(self._path, row, self._remedy) for row in self._list(key)]

    def _list(self, key: str) -> list[object]:
        value = self._get(key)
        return cast(list[object], value) if isinstance(value, list) else self._wanted("a list", key)

    def _get(self, key: str) -> object:
        if key not in self.values:
            self._refuse(f"has no '{key}'")
        return self.values[key]

    def _wanted(self, wanted: str, key: str) -> NoReturn:
        self._refuse(f"holds {_kind(self.values[key])} under '{key}', wanted {wanted}")

    def _refuse(self, what: str) -> NoReturn:
        raise RunError(f"{self._path} {what}; {self._remedy}")


def _kind(value: object) -> str:
    return "null" if value is None else f"a {type(value).__name__}"


def read_json(path: Path, remedy: str) -> Fields:
    """A JSON object."""
    try:
        values: object = json.loads(read_text(path, remedy))
    except ValueError as error:
        raise RunError(f"{path} is not valid JSON ({error}); {remedy}") from None
    return Fields(path, values, remedy)


def read_yaml(path: Path, remedy: str) -> Fields:
    """A YAML mapping; only plain values are ever built."""
    try:
        values: object = yaml.safe_load(read_text(path, remedy))
    except (yaml.YAMLError, ValueError) as error:
        first_line = str(error).partition("\n")[0]
        raise RunError(f"{path} is not valid YAML ({first_line}); {remedy}") from None
    return Fields(path, values, remedy)
