"""HDF5 files read with care: groups, numbers and texts.

This file and ``hdf5_storage`` are the only ones that know pyfive, which is asked where things stand
and how they are stored. The bytes of an array are fetched and unpacked here, since sizes that a
file declares must be held against the file before memory is set aside, and attributes, which no
layout needs, are not parsed. Nobody walks a file: groups are entered by name, so that links in a
circle lead nowhere.
"""

import dataclasses
import math
import struct
import zlib
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
from jaxtyping import Num, Shaped

from deadpan.data.containers.files import first_bytes, opened, shown
from deadpan.errors import DataError

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


SIGNATURE = b"\x89HDF\r\n\x1a\n"
REFERENCE = np.dtype([("size", "<u4"), ("heap", "<u8"), ("index", "<u4")])
"""What a text of variable length is stored as: a place in a heap of the file."""

Kind = Literal["group", "numbers", "texts", "other"]


@dataclasses.dataclass(kw_only=True)
class _Source:
    """An open file, and the heaps and texts already read from it."""

    path: Path
    file: BoundedFile
    heaps: dict[int, Any] = dataclasses.field(default_factory=dict)
    texts: dict[tuple[int, int], str] = dataclasses.field(default_factory=dict)


class Hdf5Group:
    """A group of an open HDF5 file; what it holds is read when it is asked for.

    Every method raises DataError, naming path, object and reason, where the file is damaged, holds
    something else by that name, or nothing.
    """

    def __init__(self, source: _Source, where: str, address: object) -> None:
        """Read the names of what the group holds."""
        self._source = source
        self.where = where
        with _told(source.path, where or "/"):
            self._links: dict[str, object] = _parsed(source, address).get_links()

    @property
    def names(self) -> list[str]:
        """What the group holds, in alphabetical order."""
        return sorted(self._links)

    def group(self, name: str) -> "Hdf5Group":
        """The group of this name."""
        if self.about(name)[0] != "group":
            raise self.error(name, "is no group")
        return Hdf5Group(self._source, f"{self.where}/{name}", self._links[name])

    def about(self, name: str) -> tuple[Kind, tuple[int, ...]]:
        """What stands under this name, and its shape, as the file declares it."""
        with self._told(name):
            entry = self._entry(name)
            if not entry.is_dataset:
                return "group", ()
            return _kind(entry), tuple(entry.shape or ())

    def numbers(self, name: str) -> Num[np.ndarray, "*shape"]:
        """An array of integers or floating point numbers."""
        with self._told(name):
            entry = self._dataset(name, "numbers")
            return stored_array(self._source.file, entry, entry.ptype.dtype)

    def texts(self, name: str) -> Shaped[np.ndarray, "*shape"]:
        """An array of texts (of type object); what is not UTF-8 is shown with backslashes."""
        with self._told(name):
            entry = self._dataset(name, "texts")
            varying = entry.ptype.type_id == 9
            dtype = REFERENCE if varying else entry.ptype.dtype
            array = stored_array(self._source.file, entry, dtype)
            if array.size > self._source.file.size:
                raise ValueError("declares more texts than the file has bytes")
            flat = [self._heap_text(*item) if varying else _text(item) for item in array.flat]
            texts = np.empty(len(flat), dtype=object)
            texts[:] = flat
            return texts.reshape(array.shape)

    def error(self, name: str, reason: str) -> DataError:
        """What is wrong with something in this group, as an error."""
        where = f"{self.where}/{name}".rstrip("/")
        return DataError(f"{self._source.path}: '{shown(where)}': {reason}")

    def _told(self, name: str) -> AbstractContextManager[None]:
        return _told(self._source.path, f"{self.where}/{name}")

    def _entry(self, name: str) -> Entry:
        if name not in self._links:
            held = ", ".join(map(shown, self.names[:5])) or "nothing"
            more = ", ..." if len(self.names) > 5 else ""
            raise self.error(name, f"is missing (found {held}{more})")
        return _parsed(self._source, self._links[name])

    def _dataset(self, name: str, wanted: Kind) -> Entry:
        entry = self._entry(name)
        kind = _kind(entry) if entry.is_dataset else "group"
        if kind != wanted:
            got = {"group": "is a group", "other": "holds neither numbers nor texts"}
            raise self.error(name, f"{got.get(kind, f'holds {kind}')}; wanted an array of {wanted}")
        return entry

    def _heap_text(self, _: np.uint32, address: np.uint64, index: np.uint32) -> str:
        from pyfive.misc_low_level import GlobalHeap

        place = int(address), int(index)
        if not place[0]:
            return ""
        if place not in self._source.texts:
            if place[0] not in self._source.heaps:
                self._source.heaps[place[0]] = GlobalHeap(self._source.file, place[0]).objects
            self._source.texts[place] = _text(self._source.heaps[place[0]][place[1]])
        return self._source.texts[place]


def looks_like_hdf5(path: Path) -> bool:
    """Whether a file begins as HDF5 files do; never raises."""
    return first_bytes(path, len(SIGNATURE)) == SIGNATURE


@contextmanager
def opened_hdf5(path: Path, wanted: str) -> Generator[Hdf5Group, None, None]:
    """Open an HDF5 file; the group is its root, and can be read while the file is open.

    Args:
        path: what the user named.
        wanted: what it should have been, as a noun, for the message.

    Raises:
        DataError: the path cannot be opened, or is no HDF5 file or a damaged one.
    """
    from pyfive.misc_low_level import SuperBlock

    with opened(path, wanted) as stream:
        if stream.read(len(SIGNATURE)) != SIGNATURE:
            raise DataError(f"{path}: is no HDF5 file; give {wanted}")
        source = _Source(path=path, file=BoundedFile(stream))
        with _told(path, "/"):
            start = SuperBlock(source.file, 0).offset_to_dataobjects
        yield Hdf5Group(source, "", start)


@contextmanager
def _told(path: Path, where: str) -> Generator[None, None, None]:
    """Whatever goes wrong while a file is parsed, as one line."""
    try:
        yield
    except (DataError, OSError):  # of the disk, which ``opened`` tells
        raise
    except Exception as error:
        # pyfive checks little: damage ends in an exception of any type, anywhere.
        reason = (isinstance(error, ValueError) and str(error)) or type(error).__name__
        raise DataError(
            f"{path}: '{shown(where)}': cannot be read ({shown(reason)}); the file is damaged, "
            f"or of a kind of HDF5 not known here: get or write it again"
        ) from None


def _parsed(source: _Source, address: object) -> Entry:
    """What pyfive knows of the object at an address."""
    from pyfive.dataobjects import DataObjects

    if not isinstance(address, int):
        raise ValueError("is a link to another name")
    return DataObjects(source.file, address)


def _kind(entry: Entry) -> Kind:
    ptype = entry.ptype
    # Numbers of pyfive's types: 0 integers, 1 floats, 3 texts of fixed length; 9 sequences of
    # varying length, which are texts only if they have an encoding.
    if ptype.type_id in (0, 1):
        return "numbers"
    return "texts" if ptype.type_id in (3, 9) and hasattr(ptype, "encoding") else "other"


def _text(content: bytes) -> str:
    return content.rstrip(b"\0").decode("utf-8", errors="backslashreplace")
