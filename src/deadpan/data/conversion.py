"""Converting any data set to a store: ``deadpan data convert``."""

import hashlib
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deadpan.data import DATASETS, load
from deadpan.data.containers.files import file_sha256
from deadpan.data.dataset import Dataset
from deadpan.data.store.reading import store_dataset
from deadpan.data.store.writing import check_writable, write_store
from deadpan.errors import DataError
from deadpan.files import home_path
from deadpan.locks import alone, beside


def convert_dataset(source: str | Path, out: str | Path, **options: Any) -> Dataset:
    """Convert a data set to a store, which opens at once; training on it gives the same results.

    Args:
        source: a data set's name or a path, as for ``load``.
        out: the file to write, which must not exist; ``.safetensors`` is usual.
        **options: options of the source.

    Returns:
        The data set, read from its store.

    Raises:
        DataError: the source cannot be read, or the file cannot be written.
        DeadpanError: another process writes it.
    """
    with new_store(source, out, options) as path:
        dataset = load(source, **options)
        write_store(dataset, path, source=provenance(source, options))
        return store_dataset(path)


@contextmanager
def new_store(
    source: str | Path, out: str | Path, options: Mapping[str, Any]
) -> Generator[Path, None, None]:
    """Hold the lock of a store that is to be written, and give its path.

    Raises:
        DataError: it cannot be written, or must not.
        DeadpanError: another process writes it.
    """
    path = home_path(out)
    if str(out).endswith(("/", os.sep)):
        raise DataError(f"{out}: names a directory; name the file to write in it")
    if "leave_out" in options:
        raise DataError(
            "leave_out: a store holds the whole data set; convert without it, and give it to "
            "training (--data_options.leave_out)"
        )
    check_writable(path)
    named = str(source) in DATASETS
    if not named and path.parent.resolve().is_relative_to(home_path(source).resolve()):
        raise DataError(
            f"{path}: is inside {source}, of which it would become a part; write it elsewhere"
        )
    with alone(beside(path)):
        check_writable(path)  # another may have written it since
        yield path


def provenance(source: str | Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the source of a data set for JSON: its name or file, and its options.

    A file or folder, also one that an option names, is described by name, size and SHA-256. Dates
    and folders are left out, so that the same data give the same store.
    """
    if str(source) in DATASETS:
        return {"name": str(source), "options": {k: _json_value(x) for k, x in options.items()}}
    try:
        description = _describe_file(home_path(source))
        return description | {
            "options": {name: _describe_option(value) for name, value in options.items()}
        }
    except OSError as error:
        raise DataError(
            f"{error.filename or source}: cannot be read ({error.strerror}); give it anew"
        ) from None


def _describe_option(value: object) -> object:
    path = _existing_path(value) if isinstance(value, str | Path) else None
    return _describe_file(path) if path else _json_value(value)


def _existing_path(value: str | Path) -> Path | None:
    """The existing file or folder that an option names; None if there is none."""
    try:
        path = Path(value).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):  # a text that can be no path
        return None


def _json_value(value: object) -> object:
    return value if value is None or isinstance(value, int | float) else str(value)


def _describe_file(path: Path) -> dict[str, Any]:
    """Name, size and SHA-256; a folder's hash is that of the list of its files and their hashes."""
    if not path.is_dir():
        return {"name": path.name, "size": path.stat().st_size, "sha256": file_sha256(path)}
    size, digest = 0, hashlib.sha256()
    files = {entry.relative_to(path).as_posix(): entry for entry in path.rglob("*")}
    for name, entry in sorted(files.items()):
        if entry.is_file():
            size += entry.stat().st_size
            line = f"{name} {file_sha256(entry)}\n"
            digest.update(line.encode(errors="surrogateescape"))
    return {"name": path.resolve().name, "size": size, "sha256": digest.hexdigest()}
