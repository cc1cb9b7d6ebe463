"""Any data set made into a store: ``deadpan data convert``."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deadpan.data import DATASETS, load
from deadpan.data.containers.files import file_sha256
from deadpan.data.dataset import Dataset
from deadpan.data.store.opening import store_dataset
from deadpan.data.store.writing import refuse_taken, write_store
from deadpan.errors import DataError
from deadpan.files import home_path


def convert_dataset(source: str | Path, out: str | Path, **options: Any) -> Dataset:
    """Write a data set as a store, which opens in a moment and from which training is the same.

    Args:
        source: a data set's name or a path, as for ``load``.
        out: the file to write, which must not exist; ``.safetensors`` is usual.
        **options: of the source.

    Returns:
        The data set, from its store.

    Raises:
        DataError: the source cannot be used, or the file cannot be written.
    """
    path = home_path(out)
    if str(out).endswith(("/", os.sep)):
        raise DataError(f"{out}: names a directory; name the file to write in it")
    if "leave_out" in options:
        raise DataError(
            "leave_out: a store holds the whole data set; convert without it, and give it to "
            "training (--data_options.leave_out)"
        )
    refuse_taken(path)
    named = str(source) in DATASETS
    if not named and path.parent.resolve().is_relative_to(home_path(source).resolve()):
        raise DataError(
            f"{path}: is inside {source}, of which it would become a part; write it elsewhere"
        )
    dataset = load(source, **options)
    write_store(dataset, path, source=provenance(source, options))
    return store_dataset(path)


def provenance(source: str | Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """What a data set is made of: a name or a file, and the options; ready for JSON.

    Of a file or folder, that an option may name too: its name, size and SHA-256. No date and no
    place, so that the same data make the same store.
    """
    if str(source) in DATASETS:
        return {"name": str(source), "options": {k: _plain(x) for k, x in options.items()}}
    try:
        told = _file(home_path(source))
        return told | {"options": {name: _option(value) for name, value in options.items()}}
    except OSError as error:
        raise DataError(
            f"{error.filename or source}: cannot be read ({error.strerror}); give it anew"
        ) from None


def _option(value: object) -> object:
    path = _path(value) if isinstance(value, str | Path) else None
    return _file(path) if path else _plain(value)


def _path(value: str | Path) -> Path | None:
    """What a value names, if anything."""
    try:
        path = Path(value).expanduser()
        return path if path.exists() else None
    except (OSError, RuntimeError, ValueError):  # a text that can be no path
        return None


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, int | float) else str(value)


def _file(path: Path) -> dict[str, Any]:
    """Name, size and SHA-256; of a folder, that of a list of its files' names and SHA-256."""
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
