"""Safetensors files as memory-mapped arrays; nothing but the header is read.

The format: 8 bytes with the size of the header (little-endian), the header in JSON, which gives
type, shape and place of each tensor and may hold texts under ``__metadata__``, then the tensors,
one behind the other without gaps.
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

from deadpan.data.containers.files import first_bytes, opened, shown
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
"""Types of a store's tensors, by the names the format has for them; it knows more."""
LARGEST_HEADER = 1 << 20
"""Bytes; opening stays fast. The format itself allows 100 MB."""
WANTED = "a store made by 'deadpan data convert'"


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoreFile:
    """What a file holds.

    Attributes:
        tensors: read-only views of the mapped file, of one or two dimensions.
        metadata: texts by name.
        let_go: gives back the memory of what was read so far; the views stay as they are, and
            what is looked at again is mapped again.
    """

    tensors: Mapping[str, Shaped[np.ndarray, "..."]]
    metadata: Mapping[str, str]
    let_go: Callable[[], None]


def looks_like_store(path: Path) -> bool:
    """Whether the first bytes are those of a safetensors file; never raises, never reads on.

    Of any such file: the reader knows how to say that it is none of ours.
    """
    head = first_bytes(path, 9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") <= 100_000_000


def read_store_file(path: Path) -> StoreFile:
    """Map a safetensors file; every size it declares is held against its own.

    Raises:
        DataError: no such file, one that is damaged, or with tensors of a type no store has.
    """
    with opened(path, WANTED) as stream:
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        return _parsed(content)
    except DataError as error:
        raise DataError(f"{path}: {error}; give {WANTED}, or convert the data again") from None


def _parsed(mapped: mmap.mmap) -> StoreFile:
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
    return StoreFile(
        tensors=_tensors(content[8 + size :], entries),
        metadata={name: text for name, text in texts.items() if isinstance(text, str)},
        let_go=lambda: _let_go(mapped),
    )


def _let_go(mapped: mmap.mmap) -> None:
    # The system would take the pages back when it must; but until then they count as the process's
    # memory, and limits of containers and job queues go by that.
    if hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _tensors(
    data: UInt8[np.ndarray, " size"], entries: Mapping[str, object]
) -> dict[str, np.ndarray]:
    tensors: dict[str, np.ndarray] = {}
    end = 0
    places = {name: _place(name, entry) for name, entry in entries.items()}
    for name, (dtype, shape, first, last) in sorted(places.items(), key=lambda item: item[1][2:]):
        if first != end or last - first != math.prod(shape) * dtype.itemsize or last > len(data):
            raise DataError(
                f"cut short or damaged (tensor '{shown(name)}' of shape {shown(shape)} at bytes "
                f"{shown(first)} to {shown(last)} of {len(data)})"
            )
        end = last
        raw = data[first:last]
        if dtype == np.bool_ and raw.max(initial=0) > 1:
            raise DataError(f"damaged (tensor '{shown(name)}' is neither true nor false)")
        try:
            tensors[name] = raw.view(dtype).reshape(shape)
        except (ValueError, OverflowError):  # more of nothing than numpy can count
            raise DataError(f"damaged (tensor '{shown(name)}' of shape {shown(shape)})") from None
    if end != len(data):
        raise DataError(f"damaged ({len(data) - end} bytes after the last tensor)")
    return tensors


def _place(name: str, entry: object) -> tuple[np.dtype[Any], tuple[int, ...], int, int]:
    """Type, shape, first byte and the byte after the last."""
    told = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
    kind, shape, bytes_ = (told.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not (_whole(shape) and 1 <= len(shape) <= 2 and _whole(bytes_) and len(bytes_) == 2):
        raise DataError(f"damaged, or no store (tensor '{shown(name)}' is {shown(entry)})")
    if not isinstance(kind, str) or kind not in DTYPES:
        raise DataError(f"no store (tensor '{shown(name)}' is of type {shown(kind)})")
    return DTYPES[kind], tuple(shape), bytes_[0], bytes_[1]


def _whole(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        isinstance(number, int) and not isinstance(number, bool) and number >= 0
        for number in cast("list[object]", value)
    )
