"""Files: written whole or not at all, and read back or refused in one line."""

import csv
import io
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any, NoReturn

import yaml

from deadpan.errors import DeadpanError, RunError


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file: after a crash, a full disk or SIGKILL it is the old or the new one, whole."""
    temporary = temporary_path(path)
    try:
        remove_leftovers(path)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def temporary_path(path: Path) -> Path:
    """Where this process writes a file until it is whole."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def remove_leftovers(path: Path) -> None:
    """Remove what killed processes had written of a file; nothing ever reads that."""
    leftover = re.compile(rf"\.{re.escape(path.name)}\.(\d+)\.tmp")
    for entry in path.parent.iterdir():
        if (match := leftover.fullmatch(entry.name)) and not _lives(int(match[1])):
            with suppress(PermissionError):  # Windows keeps what a process has open
                entry.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    """Whether a process is there, by its id; False where looking would disturb it: Windows."""
    if os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except PermissionError:  # another user's
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def write_json(path: Path, value: object) -> None:
    """Write JSON atomically; NaN and infinity become null."""
    write_atomically(path, json_text(value).encode())


def json_text(value: object) -> str:
    """A value as JSON text; NaN and infinity become null, which every reader understands."""
    finite = nan_to_none(value)
    return json.dumps(finite, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def nan_to_none(value: object) -> object:
    """The same value with None for each number in it that is not finite, at any depth."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: nan_to_none(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_none(item) for item in value]
    return value


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows atomically; no file for no rows."""
    if rows:
        write_atomically(path, csv_text(rows).encode())


def csv_text(rows: Sequence[Mapping[str, object]], *, columns: Sequence[str] = ()) -> str:
    """Rows as CSV text with a header; a cell is empty where a row lacks the column or has None.

    Args:
        rows: by column name.
        columns: that stand first, also where there are no rows.
    """
    text = io.StringIO(newline="")
    columns = list(dict.fromkeys([*columns, *(name for row in rows for name in row)]))
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_text(path: Path, remedy: str, *, error: type[DeadpanError] = RunError) -> str:
    """Read a text file.

    Args:
        path: of the file.
        remedy: what to do where it cannot be read; ends the message.
        error: the class to raise.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise error(f"{path} is missing; {remedy}") from None
    except UnicodeDecodeError:
        raise error(f"{path} is not UTF-8 text; {remedy}") from None
    except OSError as refused:
        raise error(f"{path} cannot be read ({refused.strerror}); {remedy}") from None


def read_json(path: Path, remedy: str, *, error: type[DeadpanError] = RunError) -> Any:  # noqa: ANN401 - what it holds
    """Read the value of a JSON file; see :func:`read_text`."""
    try:
        return json.loads(read_text(path, remedy, error=error))
    except ValueError as broken:
        raise error(f"{path} is not valid JSON ({broken}); {remedy}") from None


def read_yaml(path: Path, remedy: str, *, error: type[DeadpanError] = RunError) -> Any:  # noqa: ANN401 - what it holds
    """Read the value of a YAML file; only plain values are ever built. See :func:`read_text`."""
    text = read_text(path, remedy, error=error)
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except RecursionError:
        raise error(f"{path} is nested too deeply; {remedy}") from None
    except (yaml.YAMLError, ValueError) as broken:  # ValueError: a date that does not exist
        reason = " ".join(str(broken).split())
        raise error(f"{path} is not valid YAML ({reason}); {remedy}") from None


MOST_VALUES = 100_000
"""Most values of a YAML file, those that aliases repeat included; the largest has some hundreds."""


class _Loader(yaml.SafeLoader):
    """Safe YAML whose keys are text as written (1 and yes are names too), each at most once.

    A few lines of aliases of aliases stand for more values than any memory holds; whoever shows or
    checks them meets each.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._sizes: dict[int, int] = {}  # values in each node, by identity
        self._values = 0

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:  # noqa: ANN401 - as yaml has it
        """A node, or the one that an alias stands for, whose values count again."""
        alias = self.check_event(yaml.AliasEvent)
        before = self._values
        node = super().compose_node(parent, index)
        if node is None:
            return None
        if alias and id(node) not in self._sizes:
            raise yaml.MarkedYAMLError(problem="a value holds itself", problem_mark=node.start_mark)
        self._values += self._sizes[id(node)] if alias else 1
        if self._values > MOST_VALUES:
            raise yaml.MarkedYAMLError(
                problem=f"it stands for more than {MOST_VALUES:,} values",
                problem_mark=node.start_mark,
            )
        if not alias:
            self._sizes[id(node)] = self._values - before
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 - as yaml has it
        """A mapping before any other is merged into it."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)  # pyright: ignore
        keys = set[str]()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag.endswith(":merge"):
                continue
            if key.value in keys:
                raise yaml.MarkedYAMLError(
                    problem=f"'{key.value}' stands twice", problem_mark=key.start_mark
                )
            keys.add(key.value)
            key.tag = "tag:yaml.org,2002:str"
        return node


class CsvTable:
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

    def numbers(self, column: str, *, finite: bool = True) -> list[float]:
        """A column of numbers; an empty cell is NaN; NaN and infinity only where not ``finite``."""
        values: list[float] = []
        for row, cell in enumerate(self[column], start=1):
            source = f"{cell!r} in column '{column}', row {row}"
            try:
                values.append(float(cell or "nan"))
            except ValueError:
                self.refuse(f"holds {source}, wanted a number")
            if finite and not math.isfinite(values[-1]):
                self.refuse(f"holds {source}, wanted a finite number")
        return values

    def refuse(self, fault: str) -> NoReturn:
        """Raise RunError: the path, what is wrong with it, and the remedy."""
        raise RunError(f"{self._path} {fault}; {self._remedy}")


def home_path(text: str | PathLike[str]) -> Path:
    """A path as people write it, ``~`` and ``~NAME`` included.

    Raises:
        DeadpanError: ``~NAME`` of a user who does not exist.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise DeadpanError(f"{text}: nobody here has that home; give another path") from None
