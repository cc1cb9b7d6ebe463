"""Mapping safetensors files into memory as arrays; only the header is read.

The format is 8 bytes with the size of the header (little-endian), the header in JSON, which gives
type, shape and offsets of each tensor and may hold texts under ``__metadata__``, then the bytes of
the tensors without gaps.
"""

import dataclasses
import json
import math
import mmap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeGuard, cast

import numpy as np
from jaxtyping import Shaped, UInt8

from deadpan.data.containers.files import first_bytes, open_file, printable
from deadpan.errors import DataError

METADATA = "__metadata__"
DTYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
"""The types of tensors in a store, by their names in safetensors, which has more."""
LARGEST_HEADER = 1 << 20
"""Largest header in bytes, so that opening is fast. Safetensors allows 100 MB."""
WANTED = "a store made by 'deadpan data convert'"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SafetensorsFile:
    """A mapped safetensors file.

    Attributes:
        tensors: read-only views of the mapped file, of one or two dimensions.
        metadata: texts by name.
        release: releases the memory of the pages read so far; views stay valid, and pages are read
            again on access.
    """

    tensors: Mapping[str, Shaped[np.ndarray, "..."]]
    metadata: Mapping[str, str]
    release: Callable[[], None]


def looks_like_safetensors(path: Path) -> bool:
    """Whether the first bytes are those of a safetensors file; never raises.

    True for any such file: the reader says so if it is no store.
    """
    head = first_bytes(path, 9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") <= 100_000_000


def map_safetensors(path: Path) -> SafetensorsFile:
    """Map a safetensors file after checking every declared size against the file's.

    Raises:
        DataError: the file is missing, damaged, or has tensors of a type that no store has.
    """
    with open_file(path, WANTED) as stream:
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        return _parsed(content)
    except DataError as error:
        raise DataError(f"{path}: {error}; give {WANTED}, or convert the data again") from None


def _parsed(mapped: mmap.mmap) -> SafetensorsFile:
    content = np.frombuffer(mapped, dtype=np.uint8)
    size = int.from_bytes(content[:8].tobytes(), "little")
    if size > min(len(content) - 8, LARGEST_HEADER):
        raise DataError(
            f"cut short, or no store (a header of {size} bytes in a file of {len(content)})"
        )
    try:
        header: object = json.loads(content[8 : 8 + size].tobytes())
    except (ValueError, RecursionError):
        raise DataError("damaged, or no store (its header is no JSON)") from None
    if not isinstance(header, dict):
        raise DataError("damaged, or no store (its header is no JSON object)")
    entries = cast("dict[str, object]", header)
    metadata = entries.pop(METADATA, {})
    if not isinstance(metadata, dict):
        raise DataError("damaged, or no store (its metadata is no JSON object)")
    texts = cast("dict[str, object]", metadata)
    return SafetensorsFile(
        tensors=_tensors(content[8 + size :], entries),
        metadata={name: text for name, text in texts.items() if isinstance(text, str)},
        release=lambda: _release_pages(mapped),
    )


def _release_pages(mapped: mmap.mmap) -> None:
    # The system takes pages back only when it must. Until then they count as memory of the process,
    # to which the limits of containers and job queues apply.
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _tensors(
    data: UInt8[np.ndarray, " size"], entries: Mapping[str, object]
) -> dict[str, np.ndarray]:
    tensors: dict[str, np.ndarray] = {}
    end = 0
    parsed = {name: _parse_entry(name, entry) for name, entry in entries.items()}
    for name, (dtype, shape, first, last) in sorted(parsed.items(), key=lambda item: item[1][2:]):
        if first != end or last - first != math.prod(shape) * dtype.itemsize or last > len(data):
            raise DataError(
                f"cut short or damaged (tensor '{printable(name)}' of shape {printable(shape)} at "
                f"bytes {printable(first)} to {printable(last)} of {len(data)})"
            )
        end = last
        raw = data[first:last]
        if dtype == np.bool_ and raw.max(initial=0) > 1:
            raise DataError(f"damaged (tensor '{printable(name)}' is neither true nor false)")
        try:
            tensors[name] = raw.view(dtype).reshape(shape)
        except (ValueError, OverflowError):  # an empty shape with sizes beyond numpy's
            raise DataError(
                f"damaged (tensor '{printable(name)}' of shape {printable(shape)})"
            ) from None
    if end != len(data):
        raise DataError(f"damaged ({len(data) - end} bytes after the last tensor)")
    return tensors


def _parse_entry(name: str, entry: object) -> tuple[np.dtype[Any], tuple[int, ...], int, int]:
    """Type and shape of a tensor, its first byte and the byte after its last."""
    fields = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
    kind, shape, offsets = (fields.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not (
        _are_counts(shape) and 1 <= len(shape) <= 2 and _are_counts(offsets) and len(offsets) == 2
    ):
        raise DataError(f"damaged, or no store (tensor '{printable(name)}' is {printable(entry)})")
    if not isinstance(kind, str) or kind not in DTYPES:
        raise DataError(f"no store (tensor '{printable(name)}' is of type {printable(kind)})")
    return DTYPES[kind], tuple(shape), offsets[0], offsets[1]


def _are_counts(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        isinstance(number, int) and not isinstance(number, bool) and number >= 0
        for number in cast("list[object]", value)
    )
