"""Safetensors files written as their parts come, and put in place in one step."""

import dataclasses
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Shaped

from deadpan.data.readers.store_file import DTYPES, LARGEST_HEADER, METADATA
from deadpan.errors import DataError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor that need never be in memory as a whole.

    Attributes:
        dtype: see ``DTYPES``.
        shape: of the whole.
        parts: gives the parts in order, along the first axis; called once.
    """

    dtype: str
    shape: tuple[int, ...]
    parts: Callable[[], Iterable[Shaped[np.ndarray, "..."]]]

    @property
    def size(self) -> int:
        """In bytes."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


def refuse_taken(path: Path) -> None:
    """Raise DataError unless a new file can stand at this path, as far as can be told."""
    try:
        if path.exists() or path.is_symlink():
            raise DataError(f"{path}: exists already; remove it or choose another name")
        if not path.parent.is_dir():
            raise DataError(f"{path}: no directory '{path.parent}'; make it or choose another")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise DataError(f"{path}: no permission to write there; choose another directory")
    except OSError as error:
        raise _refusal(path, error) from None


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a file that is whole from the moment it can be seen; the same input, the same bytes.

    Args:
        path: replaced if it is there.
        tensors: in the order in which they are to be written, except that the larger types come
            first, so that every tensor is aligned to its type.
        metadata: texts by name.

    Raises:
        DataError: the disk is full or may not be written to; nothing is left behind.
    """
    ordered = sorted(tensors.items(), key=lambda item: -DTYPES[item[1].dtype].itemsize)
    header = _header(path, ordered, metadata)
    total = len(header) + sum(tensor.size for _, tensor in ordered)
    with _replacing(path, total) as file:
        file.write(header)
        for name, tensor in ordered:
            end = file.tell() + tensor.size
            for part in tensor.parts():
                file.write(np.ascontiguousarray(part, dtype=DTYPES[tensor.dtype]).data)
            if file.tell() != end:
                raise DataError(f"{path}: '{name}' changed while it was written; convert it again")


def _header(
    path: Path, tensors: Iterable[tuple[str, Tensor]], metadata: Mapping[str, str]
) -> bytes:
    entries: dict[str, Any] = {METADATA: dict(metadata)}
    start = 0
    for name, tensor in tensors:
        entries[name] = {
            "dtype": tensor.dtype,
            "shape": tensor.shape,
            "data_offsets": (start, start := start + tensor.size),
        }
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LARGEST_HEADER:
        raise DataError(
            f"{path}: names and warnings take {len(text)} bytes, at most {LARGEST_HEADER} are "
            "possible; shorten them"
        )
    return len(text).to_bytes(8, "little") + text


@contextmanager
def _replacing(path: Path, size: int) -> Generator[BinaryIO, None, None]:
    """A file of this size that gets its name at the end, or is gone."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _clean(path)
        if (free := shutil.disk_usage(path.parent).free) < size:
            raise DataError(
                f"{path}: needs {size / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free; free "
                "some space or choose another disk"
            )
        with temporary.open("wb", buffering=1 << 20) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _refusal(path, error) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _clean(path: Path) -> None:
    """Remove what a killed process was about to write here; nothing ever reads it."""
    leftover = re.compile(rf"\.{re.escape(path.name)}\.\d+\.tmp")
    for entry in path.parent.iterdir():
        if leftover.fullmatch(entry.name):
            entry.unlink(missing_ok=True)


def _refusal(path: Path, error: OSError) -> DataError:
    reason = error.strerror or type(error).__name__
    return DataError(
        f"{path}: cannot be written ({reason}); free some space or choose another place"
    )
