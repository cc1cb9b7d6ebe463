"""Reading HDF5 files safely: groups, numbers and texts.

No other module imports pyfive, which parses where arrays are and how they are stored. This module
reads and decompresses the bytes of arrays itself, because the sizes that a file declares must be
checked against the file before memory is allocated. Attributes, which no format needs, are not
parsed. Groups are entered by name only, so circular links cause no endless loop.
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

from deadpan.data.containers.files import first_bytes, open_file, printable
from deadpan.data.containers.memory import MemoryBoundError, charge
from deadpan.errors import DataError

COMPACT, CONTIGUOUS, CHUNKED = 0, 1, 2
DEFLATE, SHUFFLE = 1, 2
REFERENCE = np.dtype([("size", "<u4"), ("heap", "<u8"), ("index", "<u4")])
"""How a text of variable length is stored: a reference to an object in a heap of the file."""
EXTERNAL = 7
"""The message of an array that is stored in other files."""
UNWRITTEN = 2**64 - 1
"""The address of an array, or of the index of its chunks, of which nothing was ever written."""
EXPANSION = 1032
"""Largest ratio of decompressed to compressed bytes that deflate can reach."""

Entry = Any
"""An object of a file as pyfive parses it (``DataObjects``); its methods may raise anything."""


class BoundedFile:
    """A file that cannot be read beyond its end, and only a bounded number of bytes in total.

    A damaged file can refer its reader to the same bytes endlessly. Undamaged files are read about
    once, so the total is bounded by a multiple of the size.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Wrap an open file, at any position."""
        self._stream = stream
        self.size = stream.seek(0, 2)
        self._left = 8 * self.size + (4 << 20)
        self._unshared = self.size

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to an offset from the start of the file."""
        if whence or not 0 <= offset <= self.size:
            raise ValueError("points beyond the end of the file")
        return self._stream.seek(offset)

    def tell(self) -> int:
        """The offset of the next byte."""
        return self._stream.tell()

    def read(self, count: int) -> bytes:
        """Read exactly this many bytes."""
        if not 0 <= count <= self.size - self._stream.tell():
            raise ValueError("points beyond the end of the file")
        self._left -= count + 16  # an empty read is not free
        if self._left < 0:
            raise ValueError("refers to the same bytes again and again")
        return self._stream.read(count)

    def claim(self, count: int) -> None:
        """Reserve bytes for an array: two arrays never share bytes."""
        self._unshared -= count
        if self._unshared < 0:
            raise ValueError("its arrays take more bytes than the file has")


class _Chunk(NamedTuple):
    """Position of a chunk in the array and in the file; ``skipped`` has a bit per unused filter."""

    corner: tuple[int, ...]
    address: int
    size: int
    skipped: int


def _read_array(
    file: BoundedFile, entry: Entry, dtype: np.dtype[Any]
) -> Shaped[np.ndarray, "*shape"]:
    """Read an array after checking its declared size against the bytes stored for it."""
    shape = entry.shape
    if shape is None or not dtype.itemsize:
        raise ValueError("holds no values")
    if not math.prod(shape):
        return np.zeros(shape, dtype=dtype)
    _, storage, offset = entry.get_id_storage_params()
    if storage == CHUNKED:
        return _read_chunks(file, entry, dtype, shape)
    size = math.prod(shape) * dtype.itemsize
    if storage == COMPACT:
        (length,) = struct.unpack_from("<H", entry.msg_data, offset)
        content = entry.msg_data[offset + 2 : offset + 2 + length]
    elif storage == CONTIGUOUS:
        (address,) = struct.unpack_from("<Q", entry.msg_data, offset)
        if address == UNWRITTEN:
            charge(size)
            return _unwritten(entry, dtype, shape)
        file.seek(address)
        file.claim(size)
        charge(size)
        content = file.read(size)
    else:
        raise ValueError(f"storage of class {storage} is not known here")
    if len(content) != size:
        raise ValueError(f"declares {size} bytes and has {len(content)}")
    return np.frombuffer(content, dtype=dtype).reshape(shape)


def _unwritten(
    entry: Entry, dtype: np.dtype[Any], shape: Sequence[int]
) -> Shaped[np.ndarray, "*shape"]:
    """An array of the value that the file declares for what was never written, or else of zeros."""
    if entry.find_msg_type(EXTERNAL):
        raise ValueError("is stored in other files")
    if not (value := entry.fillvalue):
        return np.zeros(shape, dtype)
    if dtype == REFERENCE:
        raise ValueError("has texts that were never written")
    return np.full(shape, value, dtype)


def _read_chunks(
    file: BoundedFile, entry: Entry, dtype: np.dtype[Any], shape: Sequence[int]
) -> Shaped[np.ndarray, "*shape"]:
    edges: tuple[int, ...] = entry.chunks  # raises for versions that pyfive does not support
    chunks = _chunk_index(file, entry, shape, edges)
    filters: list[Mapping[str, Any]] = entry.filter_pipeline or []
    size = math.prod(edges) * dtype.itemsize
    for chunk in chunks:
        # Checked before memory is allocated.
        if size > chunk.size * (EXPANSION if filters else 1):
            raise ValueError(f"a chunk of {chunk.size} bytes declares {size}")
    file.claim(sum(chunk.size for chunk in chunks))
    charge(math.prod(shape) * dtype.itemsize + 3 * size)
    count = math.prod(-(-end // n) for end, n in zip(shape, edges, strict=True))
    complete = len(chunks) == count
    array = np.empty(shape, dtype) if complete else _unwritten(entry, dtype, shape)
    for chunk in chunks:
        file.seek(chunk.address)
        content = _undo_filters(file.read(chunk.size), filters, chunk.skipped, size, dtype.itemsize)
        block = np.frombuffer(content, dtype=dtype).reshape(edges)
        target = array[tuple(slice(k, k + n) for k, n in zip(chunk.corner, edges, strict=True))]
        target[...] = block[tuple(slice(n) for n in target.shape)]
    return array


def _chunk_index(
    file: BoundedFile, entry: Entry, shape: Sequence[int], edges: Sequence[int]
) -> list[_Chunk]:
    """The chunks of an array that were written, each once."""
    from pyfive.btree import BTreeV1RawDataChunks

    _, _, offset = entry.get_id_storage_params()
    dimensions, address = struct.unpack_from("<BQ", entry.msg_data, offset)
    if len(edges) != len(shape) or entry.msg_data[offset - 2] != 3 or not all(edges):
        raise ValueError("its chunks do not fit its shape")
    if address == UNWRITTEN:
        return []
    chunks: dict[tuple[int, ...], _Chunk] = {}
    for node in BTreeV1RawDataChunks(file, address, dimensions).all_nodes[0]:
        for key, start in zip(node["keys"], node["addresses"], strict=True):
            corner = key["chunk_offset"][:-1]
            if any(k % n or k >= end for k, n, end in zip(corner, edges, shape, strict=True)):
                raise ValueError("has a chunk outside its shape")
            chunks[corner] = _Chunk(corner, start, key["chunk_size"], key["filter_mask"])
    return list(chunks.values())


def _undo_filters(
    content: bytes, filters: Sequence[Mapping[str, Any]], skipped: int, size: int, width: int
) -> bytes:
    """Undo the filters (compression, shuffling) of a chunk, which are in the order of writing.

    Bit k of ``skipped`` is set if filter k was not applied; ``size`` is that of the unpacked chunk
    and ``width`` that of an item, in bytes.
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
TEXT = 80
"""Bytes of memory of a short text."""

Kind = Literal["group", "numbers", "texts", "other"]


@dataclasses.dataclass(kw_only=True)
class _OpenFile:
    """An open file with a cache of the heaps and texts read from it."""

    path: Path
    file: BoundedFile
    heaps: dict[int, Any] = dataclasses.field(default_factory=dict)
    texts: dict[tuple[int, int], str] = dataclasses.field(default_factory=dict)


class Hdf5Group:
    """A group of an open HDF5 file; its members are read on request.

    Every method raises DataError, naming path, object and reason, if the file is damaged or has no
    such member.
    """

    def __init__(self, source: _OpenFile, where: str, address: object) -> None:
        """Read the names of the group's members."""
        self._source = source
        self.where = where
        with _located_errors(source.path, where or "/"):
            self._links: dict[str, object] = _object_at(source, address).get_links()

    @property
    def names(self) -> list[str]:
        """Names of the group's members, in alphabetical order."""
        return sorted(self._links)

    def group(self, name: str) -> "Hdf5Group":
        """The group of this name."""
        if self.kind_and_shape(name)[0] != "group":
            raise self.error(name, "is no group")
        return Hdf5Group(self._source, f"{self.where}/{name}", self._links[name])

    def kind_and_shape(self, name: str) -> tuple[Kind, tuple[int, ...]]:
        """The kind of a member and its declared shape; () for a group."""
        with self._located_errors(name):
            entry = self._entry(name)
            if not entry.is_dataset:
                return "group", ()
            return _kind(entry), tuple(entry.shape or ())

    def numbers(self, name: str) -> Num[np.ndarray, "*shape"]:
        """Read an array of integers or floating point numbers."""
        with self._located_errors(name):
            entry = self._dataset(name, "numbers")
            return _read_array(self._source.file, entry, entry.ptype.dtype)

    def texts(self, name: str) -> Shaped[np.ndarray, "*shape"]:
        """Read an array of texts (of type object); bytes that are not UTF-8 become escapes."""
        with self._located_errors(name):
            entry = self._dataset(name, "texts")
            varying = entry.ptype.type_id == 9
            dtype = REFERENCE if varying else entry.ptype.dtype
            array = _read_array(self._source.file, entry, dtype)
            charge(TEXT * array.size)
            flat = [self._heap_text(*item) if varying else _text(item) for item in array.flat]
            texts = np.empty(len(flat), dtype=object)
            texts[:] = flat
            return texts.reshape(array.shape)

    def error(self, name: str, reason: str) -> DataError:
        """Make an error about a member of this group."""
        where = f"{self.where}/{name}".rstrip("/")
        return DataError(f"{self._source.path}: '{printable(where)}': {reason}")

    def _located_errors(self, name: str) -> AbstractContextManager[None]:
        return _located_errors(self._source.path, f"{self.where}/{name}")

    def _entry(self, name: str) -> Entry:
        if name not in self._links:
            names = ", ".join(map(printable, self.names[:5])) or "nothing"
            more = ", ..." if len(self.names) > 5 else ""
            raise self.error(name, f"is missing (found {names}{more})")
        return _object_at(self._source, self._links[name])

    def _dataset(self, name: str, wanted: Kind) -> Entry:
        entry = self._entry(name)
        kind = _kind(entry) if entry.is_dataset else "group"
        if kind != wanted:
            descriptions = {"group": "is a group", "other": "holds neither numbers nor texts"}
            problem = descriptions.get(kind, f"holds {kind}")
            raise self.error(name, f"{problem}; wanted an array of {wanted}")
        return entry

    def _heap_text(self, _: np.uint32, address: np.uint64, index: np.uint32) -> str:
        from pyfive.misc_low_level import GlobalHeap

        key = int(address), int(index)
        if not key[0]:
            return ""
        if key not in self._source.texts:
            if key[0] not in self._source.heaps:
                self._source.heaps[key[0]] = GlobalHeap(self._source.file, key[0]).objects
            self._source.texts[key] = _text(self._source.heaps[key[0]][key[1]])
        return self._source.texts[key]


def looks_like_hdf5(path: Path) -> bool:
    """Whether a file begins with the signature of HDF5; never raises."""
    return first_bytes(path, len(SIGNATURE)) == SIGNATURE


@contextmanager
def open_hdf5(path: Path, wanted: str) -> Generator[Hdf5Group, None, None]:
    """Open an HDF5 file and give its root group, which can be read while the file is open.

    Args:
        path: the path that the user named.
        wanted: what the file should be, as a noun, for the message.

    Raises:
        DataError: the path cannot be opened, is no HDF5 file, or is damaged.
    """
    from pyfive.misc_low_level import SuperBlock

    with open_file(path, wanted) as stream:
        if stream.read(len(SIGNATURE)) != SIGNATURE:
            raise DataError(f"{path}: is no HDF5 file; give {wanted}")
        source = _OpenFile(path=path, file=BoundedFile(stream))
        with _located_errors(path, "/"):
            start = SuperBlock(source.file, 0).offset_to_dataobjects
        yield Hdf5Group(source, "", start)


@contextmanager
def _located_errors(path: Path, where: str) -> Generator[None, None, None]:
    """Turn any exception while parsing into a DataError that names the object."""
    try:
        yield
    except (DataError, MemoryBoundError, OSError):  # of the disk, which ``open_file`` reports
        raise
    except Exception as error:
        # pyfive checks little: a damaged file can raise any exception, anywhere.
        reason = (isinstance(error, ValueError) and str(error)) or type(error).__name__
        raise DataError(
            f"{path}: '{printable(where)}': cannot be read ({printable(reason)}); the file is "
            f"damaged, or of a kind of HDF5 not known here: get or write it again"
        ) from None


def _object_at(source: _OpenFile, address: object) -> Entry:
    """Parse the object at an address with pyfive."""
    from pyfive.dataobjects import DataObjects

    if not isinstance(address, int):
        raise ValueError("is a link to another name")
    return DataObjects(source.file, address)


def _kind(entry: Entry) -> Kind:
    ptype = entry.ptype
    # The numbers of pyfive's types: 0 integers, 1 floats, 3 texts of fixed length, 9 sequences of
    # variable length, which are texts only if they have an encoding.
    if ptype.type_id in (0, 1):
        return "numbers"
    return "texts" if ptype.type_id in (3, 9) and hasattr(ptype, "encoding") else "other"


def _text(content: bytes) -> str:
    return content.rstrip(b"\0").decode("utf-8", errors="backslashreplace")
