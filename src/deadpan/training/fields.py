"""A JSON or YAML file of a run as named fields, refused in one line where it is broken."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn, cast

import numpy as np
import yaml
from jaxtyping import Float

from deadpan.errors import RunError

RETRAIN = "give the directory of a `deadpan train` that ended one epoch or more"


def evaluate_first(run: Path) -> str:
    """What to do where a file that only evaluation writes is missing or broken."""
    return f"run `deadpan evaluate {run}` first"


def read_text(path: Path, remedy: str) -> str:
    """The file's text; RunError ending in the remedy where there is none."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RunError(f"{path} is missing; {remedy}") from None
    except UnicodeDecodeError:
        raise RunError(f"{path} is not UTF-8 text; {remedy}") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error.strerror}); {remedy}") from None


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


class Table:
    """A CSV file with a header and at least one row.

    Attributes:
        columns: the cells of each column, as text, by name in the file's order.
    """

    def __init__(self, path: Path, remedy: str) -> None:
        """Raise RunError for a file that is missing, empty, ragged, or names a column twice."""
        self._path, self._remedy = path, remedy
        text = io.StringIO(read_text(path, remedy), newline="")
        try:
            header, *rows = [row for row in csv.reader(text) if row] or [[]]
        except csv.Error as error:
            self.refuse(f"is not a CSV table ({error})")
        if not rows:
            self.refuse("holds a header and no row" if header else "is empty")
        if len(set(header)) < len(header):
            self.refuse("names a column twice")
        for number, row in enumerate(rows, start=1):
            if len(row) != len(header):
                self.refuse(f"has {len(row)} cells in row {number}, wanted {len(header)}")
        self.columns = dict(zip(header, (tuple(c) for c in zip(*rows, strict=True)), strict=True))

    def __getitem__(self, column: str) -> tuple[str, ...]:
        """The cells of a column, as text."""
        if column not in self.columns:
            self.refuse(f"has no column '{column}' (found {', '.join(self.columns)})")
        return self.columns[column]

    def numbers(self, column: str, *, finite: bool = True) -> Float[np.ndarray, " row"]:
        """A column of numbers; an empty cell is NaN; NaN and infinity only where not ``finite``."""
        values = np.empty(len(self[column]))
        for row, cell in enumerate(self[column]):
            try:
                values[row] = float(cell or "nan")
            except ValueError:
                self.refuse(f"holds {cell!r} in column '{column}', row {row + 1}, wanted a number")
        if finite and not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            got = f"{self[column][row]!r} in column '{column}', row {row + 1}"
            self.refuse(f"holds {got}, wanted a finite number")
        return values

    def refuse(self, what: str) -> NoReturn:
        """Raise RunError: the path, what is wrong with it, and the remedy."""
        raise RunError(f"{self._path} {what}; {self._remedy}")
