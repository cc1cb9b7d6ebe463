"""Reading numpy's files, .npy and .npz, without a pickle and within bounds of memory."""

import io
import math
import os
import warnings
import zipfile
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Shaped
from numpy.lib import format as npy

from deadpan.data.containers.files import open_file, printable
from deadpan.data.containers.parquet import LARGEST_EXPANSION, SMALL
from deadpan.errors import DataError

HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
"""Readers of .npy headers by version; the third is for names of fields, which numbers lack."""


def read_npy(path: Path) -> Shaped[np.ndarray, "*shape"]:
    """Read an array of numbers or booleans.

    Raises:
        DataError: the file holds anything else, or less than its header declares.
    """
    with open_file(path, "an array of numbers (.npy)") as stream:
        return _read_array(
            str(path), cast("io.BufferedIOBase", stream), os.fstat(stream.fileno()).st_size
        )


def read_npz(path: Path) -> dict[str, Shaped[np.ndarray, "*shape"]]:
    """Read the arrays of numbers or booleans in an archive of ``numpy.savez``, by name.

    Raises:
        DataError: the file is no such archive, holds anything else, or declares far more than it
            can hold.
    """
    with open_file(path, "arrays of numbers (.npz)") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                return _read_members(path, archive)
        except (DataError, OSError):
            raise
        except Exception as error:  # zipfile may raise anything on a damaged archive
            raise DataError(
                f"{path}: no archive of arrays ({printable(error)}); write it with numpy.savez"
            ) from None


def _read_members(path: Path, archive: zipfile.ZipFile) -> dict[str, np.ndarray]:
    members = [info for info in archive.infolist() if not info.is_dir()]
    declared, size = sum(info.file_size for info in members), path.stat().st_size
    if declared > max(SMALL, LARGEST_EXPANSION * size):
        raise DataError(f"{path}: declares {declared} bytes in {size}; write it again")
    arrays: dict[str, np.ndarray] = {}
    for info in members:
        name = info.filename.removesuffix(".npy")
        with archive.open(info) as member:
            where = f"{path}: '{printable(name)}'"
            arrays[name] = _read_array(where, cast("io.BufferedIOBase", member), info.file_size)
    return arrays


def _read_array(where: str, stream: io.BufferedIOBase, size: int) -> np.ndarray:
    """Read the array in a stream of this many bytes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns of headers by Python 2
            shape, by_column, dtype = HEADERS[npy.read_magic(stream)](stream)
    except OSError:
        raise
    except Exception as error:  # numpy's parser may raise anything on a damaged header
        raise DataError(
            f"{where}: no array of numbers ({printable(error)}); write it with numpy.save"
        ) from None
    if dtype.hasobject:
        raise DataError(f"{where}: holds pickled objects, never read; save it as float32")
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise DataError(f"{where}: holds {printable(dtype.name)}, no numbers; save it as float32")
    if min(shape, default=0) < 0:
        raise DataError(f"{where}: has shape {printable(shape)}; write it again")
    needed, available = math.prod(shape) * dtype.itemsize, size - stream.tell()
    content = stream.read(needed) if needed <= available else b""
    if len(content) < needed:
        raise DataError(
            f"{where}: is cut off: shape {printable(shape)} of {dtype.name} is {needed} bytes, "
            f"found {available}; write it again"
        )
    # A byte other than 0 and 1 is no bool.
    values = np.frombuffer(content, np.uint8 if dtype.kind == "b" else dtype)
    try:
        values = values.reshape(shape, order="F" if by_column else "C")
    except (ValueError, OverflowError):  # more axes than numpy has, or (0, 10 ** 99)
        raise DataError(f"{where}: has shape {printable(shape)}; write it again") from None
    return values != 0 if dtype.kind == "b" else values
