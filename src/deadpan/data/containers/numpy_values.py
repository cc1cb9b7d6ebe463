"""Reading the .npy and .npz files of numpy, also with values of Python in them, and no code run.

An array of objects is a pickle within the file; the restricted unpickler reads it.
"""

import io
import math
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from numpy.lib import format as npy

from deadpan.data.containers.files import first_bytes, open_file, printable
from deadpan.data.containers.memory import MemoryBoundError, charge
from deadpan.data.containers.unpickling import unpickle
from deadpan.errors import DataError

COPIES = 3
"""Times that a member is in memory while it is read: its bytes, those of its values, the array.
It stays as the last alone."""
READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
"""Readers of headers by version; the third is for names of fields, which no array here has."""


def looks_like_npz(path: Path) -> bool:
    """Whether a file is a zip archive whose first member is an array of numpy; never raises."""
    head = first_bytes(path, 512)
    length = int.from_bytes(head[26:28], "little")
    return head.startswith(b"PK\x03\x04") and head[30 : 30 + length].endswith(b".npy")


def npz_names(path: Path) -> tuple[str, ...]:
    """The names of the arrays of an archive; () if it cannot be read."""
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            return tuple(name.removesuffix(".npy") for name in archive.namelist())
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
        return ()


def read_npz_values(path: Path) -> dict[str, Shaped[np.ndarray, "*shape"]]:
    """Read the arrays of an archive of ``numpy.savez`` by name, also those of objects.

    Raises:
        DataError: the file is no such archive, or an array is damaged or of another type.
    """
    with open_file(path, "arrays of numpy (.npz)") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                return _read_members(path, archive)
        except (DataError, MemoryBoundError, OSError):
            raise
        except Exception as error:  # zipfile may raise anything on a damaged archive
            raise DataError(
                f"{path}: no archive of arrays ({printable(error)}); write it with numpy.savez"
            ) from None


def read_npy_values(path: Path) -> Shaped[np.ndarray, "*shape"]:
    """Read the array of a file of ``numpy.save``, also one of objects.

    Raises:
        DataError: the file is no such array, is damaged, or is of another type.
    """
    with open_file(path, "an array of numbers (.npy)") as stream:
        return _parse_array(str(path), stream.read())


def _read_members(path: Path, archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    # No more is read of a member than the archive declares.
    members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
    sizes = [info.file_size for info in members]
    charge(sum(sizes) + (COPIES - 1) * max(sizes, default=0))
    arrays: dict[str, np.ndarray] = {}
    for info in members:
        name = info.filename.removesuffix(".npy")
        with archive.open(info) as member:
            where = f"{path}: '{printable(name)}'"
            arrays[name] = _parse_array(where, member.read())
    return arrays


def _parse_array(where: str, content: bytes) -> np.ndarray:
    """Parse the bytes of a .npy file."""
    stream = io.BytesIO(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns of headers by Python 2
            shape, by_column, dtype = READERS[npy.read_magic(stream)](stream)
    except Exception as error:  # numpy's parser may raise anything on a damaged header
        raise DataError(
            f"{where}: no array of numpy ({printable(error)}); write it with numpy.save"
        ) from None
    content = content[stream.tell() :]
    if dtype.hasobject:
        value = unpickle(content, where)
        if not isinstance(value, np.ndarray):
            raise DataError(f"{where}: holds a {type(value).__name__}; write it with numpy.save")
        return value
    if dtype.kind not in "biufSU" or not dtype.itemsize:
        raise DataError(f"{where}: holds {printable(dtype.name)}; save numbers or texts")
    needed = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or needed != len(content):
        what = "is cut off" if needed > len(content) else "has the wrong size"
        raise DataError(
            f"{where}: {what}: shape {printable(shape)} of {dtype.name} is {needed} bytes, "
            f"found {len(content)}; write it again"
        )
    if dtype.kind == "U":
        codes = np.frombuffer(content, np.dtype("u4").newbyteorder(dtype.byteorder))
        if codes.max(initial=0) > sys.maxunicode:  # numpy would make a broken str of these
            raise DataError(f"{where}: has characters that do not exist; write it again")
    # A byte other than 0 and 1 is no bool.
    values = np.frombuffer(content, np.uint8 if dtype.kind == "b" else dtype)
    try:
        values = values.reshape(shape, order="F" if by_column else "C")
    except (ValueError, OverflowError):  # more axes than numpy has, or (0, 10 ** 99)
        raise DataError(f"{where}: has shape {printable(shape)}; write it again") from None
    return values != 0 if dtype.kind == "b" else values
