"""Reading the tensors of a file of ``torch.save`` as arrays, without torch and without its pickle.

The file is a zip archive of a pickle, ``data.pkl``, and of the bytes of each tensor. The restricted
unpickler reads the pickle; the only names it may use beside those of plain values make tensors.
"""

import dataclasses
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Num

from deadpan.data.containers.files import open_file, printable
from deadpan.data.containers.memory import MemoryBoundError
from deadpan.data.containers.unpickling import Maker, unpickle
from deadpan.errors import DataError

LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How files of torch before 1.6 begin: a pickle of a magic number."""


@dataclasses.dataclass(frozen=True)
class _StorageType:
    """A type of storage, which a pickle names and does not call."""

    dtype: str

    def __call__(self, *_: object) -> object:
        raise DataError("calls a type of storage, which no saved tensor does; nothing was read")


STORAGES: Mapping[tuple[str, str], Maker] = {
    ("torch", f"{name}Storage"): _StorageType(dtype)
    for name, dtype in {
        "Double": "f8",
        "Float": "f4",
        "Half": "f2",
        "BFloat16": "bfloat16",
        "Bool": "bool",
        "Long": "i8",
        "Int": "i4",
        "Short": "i2",
        "Char": "i1",
        "Byte": "u1",
    }.items()
}


def tensor(
    storage: object, offset: object, size: object, stride: object, *rest: object
) -> np.ndarray:
    """Evaluate ``_rebuild_tensor_v2(storage, offset, size, stride, ...)``: a view of it.

    After whether it requires a gradient, and its hooks, come bits such as that of its negative.
    """
    if any(rest[2:]):
        raise DataError("holds a tensor that is a negative or conjugate view; save x.clone()")
    if not isinstance(storage, np.ndarray) or not isinstance(offset, int) or offset < 0:
        raise TypeError("storage of a tensor")
    if not isinstance(size, tuple) or not isinstance(stride, tuple) or len(size) != len(stride):
        raise TypeError("shape of a tensor")
    if len(size) > 32 or not all(isinstance(n, int) and n >= 0 for n in (*size, *stride)):
        raise ValueError("shape of a tensor")
    shape, steps = cast("tuple[int, ...]", size), cast("tuple[int, ...]", stride)
    if not math.prod(shape):
        return np.zeros(shape, storage.dtype)
    last = offset + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))
    if last >= storage.size:
        raise ValueError("size of a storage")
    if math.prod(shape) > storage.size:
        raise DataError("holds a tensor that repeats its values (expand); save x.clone()")
    strides = tuple(step * storage.itemsize for step in steps)
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, strides, writeable=False)


def parameter(data: object, *_: object) -> object:
    """Evaluate ``_rebuild_parameter(data, ...)``: a parameter is a tensor."""
    return data


NAMES: Mapping[tuple[str, str], Maker] = {
    **STORAGES,
    ("torch._utils", "_rebuild_tensor_v2"): tensor,
    ("torch._utils", "_rebuild_parameter"): parameter,
}


def read_torch(path: Path) -> object:
    """Read the value of a file of torch: tensors as arrays, in dicts, lists and tuples.

    Raises:
        DataError: the file is of torch before 1.6, none of torch, damaged, or holds anything but
            tensors and plain values.
    """
    with open_file(path, "a tensor (.pt)") as stream:
        if stream.read(len(LEGACY)) == LEGACY:
            name = printable(path.name)
            raise DataError(
                f'{path}: is a file of torch before 1.6; write it again: python -c "import torch; '
                f"torch.save(torch.load('{name}', weights_only=True), '{name}')\""
            )
        stream.seek(0)
        try:
            with zipfile.ZipFile(stream) as archive:
                return _read_archive(path, archive)
        except (DataError, MemoryBoundError, OSError):
            raise
        except Exception as error:  # zipfile may raise anything on a damaged archive
            raise DataError(
                f"{path}: no file of torch ({printable(error)}); write it with torch.save"
            ) from None


def _read_archive(path: Path, archive: zipfile.ZipFile) -> object:
    members = {info.filename.partition("/")[2]: info for info in archive.infolist()}
    if "data.pkl" not in members:
        raise DataError(f"{path}: is an archive without data.pkl; write it with torch.save")
    # Torch compresses nothing.
    if sum(info.file_size for info in archive.infolist()) > path.stat().st_size:
        raise DataError(f"{path}: declares more than it holds; write it again")
    big = "byteorder" in members and archive.read(members["byteorder"]) == b"big"
    storages: dict[str, Num[np.ndarray, " value"]] = {}

    def load(reference: object) -> Num[np.ndarray, " value"]:
        match reference:
            case ("storage", _StorageType(dtype), str(key), str(), int()):
                if key not in storages:
                    content = archive.read(members[f"data/{key}"])
                    storages[key] = _values(content, dtype, big=big)
                return storages[key]
            case _:
                raise ValueError("reference to a storage")

    return unpickle(archive.read(members["data.pkl"]), str(path), NAMES, load)


def _values(content: bytes, dtype: str, *, big: bool) -> Num[np.ndarray, " value"]:
    """The values of a storage; bfloat16, which numpy lacks, is the upper half of a float32."""
    order = ">" if big else "<"
    if dtype == "bool":
        return (np.frombuffer(content, np.uint8) != 0).view(np.uint8)
    if dtype == "bfloat16":
        upper = np.frombuffer(content, f"{order}u2").astype(np.uint32)
        return (upper << 16).view(np.float32)
    return np.frombuffer(content, f"{order}{dtype}")
