"""The bytes of an array in an HDF5 file: in one piece, or in chunks, compressed or not."""

import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from jaxtyping import Shaped

COMPACT, CONTIGUOUS, CHUNKED = 0, 1, 2
DEFLATE, SHUFFLE = 1, 2
EXPANSION = 1032
"""Deflate makes at most so many bytes of one."""

Entry = Any
"""What pyfive knows of an object in a file (its ``DataObjects``); asked, it may raise anything."""


class BoundedFile:
    """A file that is read within its size, and not over and over.

    A file can send its reader from place to place without end. Sound files are read about once,
    so all reading together is bounded by a multiple of the size.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Take a file at any position."""
        self._stream = stream
        self.size = stream.seek(0, 2)
        self._left = 8 * self.size + (4 << 20)
        self._unshared = self.size

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place counted from the start of the file."""
        if whence or not 0 <= offset <= self.size:
            raise ValueError("points beyond the end of the file")
        return self._stream.seek(offset)

    def tell(self) -> int:
        """The place of the next byte."""
        return self._stream.tell()

    def read(self, count: int) -> bytes:
        """Exactly this many bytes."""
        if not 0 <= count <= self.size - self._stream.tell():
            raise ValueError("points beyond the end of the file")
        self._left -= count + 16  # a read of nothing is not free
        if self._left < 0:
            raise ValueError("refers to the same bytes again and again")
        return self._stream.read(count)

    def claim(self, count: int) -> None:
        """Take note of bytes that hold an array: two arrays never share any."""
        self._unshared -= count
        if self._unshared < 0:
            raise ValueError("its arrays take more bytes than the file has")


class _Chunk(NamedTuple):
    """Where a chunk stands in the array and in the file; ``skipped``: a bit per filter not used."""

    corner: tuple[int, ...]
    address: int
    size: int
    skipped: int


def stored_array(
    file: BoundedFile, entry: Entry, dtype: np.dtype[Any]
) -> Shaped[np.ndarray, "*shape"]:
    """An array, its declared size held against the bytes that are there for it.

    Args:
        file: the whole file.
        entry: what pyfive knows of the array.
        dtype: of the array's items.

    Raises:
        ValueError: the array is not all there, or stored in a way not known here.
        Exception: of any type, from pyfive, where the file is damaged.
    """
    shape = entry.shape
    if shape is None or not dtype.itemsize:
        raise ValueError("holds no values")
    if not math.prod(shape):
        return np.zeros(shape, dtype=dtype)
    _, layout, place = entry.get_id_storage_params()
    if layout == CHUNKED:
        return _chunked(file, entry, dtype, shape)
    size = math.prod(shape) * dtype.itemsize
    if layout == COMPACT:
        (held,) = struct.unpack_from("<H", entry.msg_data, place)
        content = entry.msg_data[place + 2 : place + 2 + held]
    elif layout == CONTIGUOUS:
        (address,) = struct.unpack_from("<Q", entry.msg_data, place)
        file.seek(address)
        file.claim(size)
        content = file.read(size)
    else:
        raise ValueError(f"storage of class {layout} is not known here")
    if len(content) != size:
        raise ValueError(f"declares {size} bytes and has {len(content)}")
    return np.frombuffer(content, dtype=dtype).reshape(shape)


def _chunked(
    file: BoundedFile, entry: Entry, dtype: np.dtype[Any], shape: Sequence[int]
) -> Shaped[np.ndarray, "*shape"]:
    edges: tuple[int, ...] = entry.chunks  # raises for the versions that pyfive does not know
    chunks = _index(file, entry, shape, edges)
    filters: list[Mapping[str, Any]] = entry.filter_pipeline or []
    size = math.prod(edges) * dtype.itemsize
    for chunk in chunks:
        # Before memory is set aside for what is declared.
        if size > chunk.size * (EXPANSION if filters else 1):
            raise ValueError(f"a chunk of {chunk.size} bytes declares {size}")
    file.claim(sum(chunk.size for chunk in chunks))
    array = np.empty(shape, dtype=dtype)
    for chunk in chunks:
        file.seek(chunk.address)
        content = _unpacked(file.read(chunk.size), filters, chunk.skipped, size, dtype.itemsize)
        block = np.frombuffer(content, dtype=dtype).reshape(edges)
        target = array[tuple(slice(k, k + n) for k, n in zip(chunk.corner, edges, strict=True))]
        target[...] = block[tuple(slice(n) for n in target.shape)]
    return array


def _index(
    file: BoundedFile, entry: Entry, shape: Sequence[int], edges: Sequence[int]
) -> list[_Chunk]:
    """The chunks that make up the array: each once, and none missing."""
    from pyfive.btree import BTreeV1RawDataChunks

    _, _, place = entry.get_id_storage_params()
    dimensions, address = struct.unpack_from("<BQ", entry.msg_data, place)
    if len(edges) != len(shape) or entry.msg_data[place - 2] != 3 or not all(edges):
        raise ValueError("its chunks do not fit its shape")
    found: dict[tuple[int, ...], _Chunk] = {}
    for node in BTreeV1RawDataChunks(file, address, dimensions).all_nodes[0]:
        for key, start in zip(node["keys"], node["addresses"], strict=True):
            corner = key["chunk_offset"][:-1]
            if any(k % n or k >= end for k, n, end in zip(corner, edges, shape, strict=True)):
                raise ValueError("has a chunk outside its shape")
            found[corner] = _Chunk(corner, start, key["chunk_size"], key["filter_mask"])
    wanted = math.prod(-(-end // n) for end, n in zip(shape, edges, strict=True))
    if len(found) != wanted:
        raise ValueError(f"has {len(found)} of {wanted} chunks")
    return list(found.values())


def _unpacked(
    content: bytes, filters: Sequence[Mapping[str, Any]], skipped: int, size: int, width: int
) -> bytes:
    """A chunk as it was before the filters were applied to it.

    Args:
        content: as it stands in the file.
        filters: in the order in which they were applied.
        skipped: bit k is set where filter k was not.
        size: of the chunk, in bytes.
        width: of an item, in bytes.
    """
    for index in reversed(range(len(filters))):
        number = filters[index]["filter_id"]
        if skipped >> index & 1:
            continue
        if number == DEFLATE:
            content = zlib.decompressobj().decompress(content, size + 1)
        elif number == SHUFFLE:
            columns = np.frombuffer(content, dtype=np.uint8).reshape(width, -1)
            content = columns.T.tobytes()
        else:
            raise ValueError(f"is compressed by filter {number}; write it with gzip")
    if len(content) != size:
        raise ValueError(f"a chunk has {len(content)} bytes; declared {size}")
    return content
