"""Files: written whole or not at all, and read back."""

import csv
import io
import json
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


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write JSON atomically; NaN becomes null, which every reader understands."""
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode())


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
    """Write rows that share their keys, atomically; nothing for no rows."""
    if not rows:
        return
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


def _finite(value: object) -> object:
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - NaN is what differs from itself
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def home_path(text: str | Path) -> Path:
    """A path as people write it, ``~`` and ``~NAME`` included.

    Raises:
        DeadpanError: ``~NAME`` of a user who does not exist.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise DeadpanError(f"{text}: nobody here has that home; give another path") from None
