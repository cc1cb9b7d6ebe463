"""HDF5 files read with care: groups, numbers and texts.

This file and ``hdf5_storage`` are the only ones that know pyfive, which is asked where things stand
and how they are stored. The bytes of an array are fetched and unpacked here, since sizes that a
file declares must be held against the file before memory is set aside, and attributes, which no
layout needs, are not parsed. Nobody walks a file: groups are entered by name, so that links in a
circle lead nowhere.
"""

import dataclasses
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Num, Shaped

from deadpan.data.readers.files import first_bytes, opened, shown
from deadpan.data.readers.hdf5_storage import BoundedFile, Entry, stored_array
from deadpan.errors import DataError

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
