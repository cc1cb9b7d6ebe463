"""Files: written whole or not at all, and read back."""

import csv
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deadpan.errors import DeadpanError, RunError


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file: after a crash, a full disk or SIGKILL it is the old or the new one, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: object) -> None:
    """Write JSON atomically; NaN becomes null."""
    write_atomically(path, json_text(value).encode())


def json_text(value: object) -> str:
    """A value as JSON text; NaN becomes null, which every reader understands."""
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


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; RunError if it is missing or damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(f"{path}: missing; is this a run of deadpan?") from error
    except ValueError as error:
        raise RunError(f"{path}: not valid JSON ({error}); train again") from error
    if not isinstance(value, dict):
        raise RunError(f"{path}: should hold a JSON object; train again")
    return value


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows atomically; no file for no rows."""
    if rows:
        write_atomically(path, csv_text(rows).encode())


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as CSV text with a header; a cell is empty where a row lacks the column."""
    text = io.StringIO(newline="")
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def home_path(text: str | Path) -> Path:
    """A path as people write it, ``~`` and ``~NAME`` included.

    Raises:
        DeadpanError: ``~NAME`` of a user who does not exist.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise DeadpanError(f"{text}: nobody here has that home; give another path") from None
