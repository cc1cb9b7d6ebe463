"""What a name in a pickle may stand for: a few functions of our own, none of them numpy's.

A pickle rebuilds an array by naming functions and calling them. Here each permitted name leads to
a function below that checks its arguments and makes the array from bytes it has in hand; no name
is ever imported, and every other name is refused.
"""

import dataclasses
import math
import re
import sys
from collections.abc import Callable, Mapping

import numpy as np

from deadpan.data.readers.files import shown
from deadpan.errors import DataError

Maker = Callable[..., object]
DTYPE = re.compile(r"[<>=|]?[biufSUO?]\d{0,6}")


@dataclasses.dataclass
class Pending:
    """A value whose state is still to come (opcode BUILD).

    Attributes:
        finish: makes the value from the state.
        memo: where the machine has noted it, to be replaced by the finished value.
    """

    finish: Callable[[object], object]
    memo: list[int] = dataclasses.field(default_factory=list[int])


def ndarray(*_: object) -> object:
    """Stand for ``numpy.ndarray``: an argument of ``_reconstruct``, never to be called."""
    raise DataError("calls numpy.ndarray, which no saved array does; nothing was read")


def reconstruct(kind: object, _shape: object, _code: object) -> Pending:
    """``_reconstruct(ndarray, (0,), b'b')``: an array whose shape, type and bytes follow."""
    if kind is not ndarray:
        raise DataError("holds a subclass of numpy.ndarray; save plain arrays")
    return Pending(_array_from_state)


def dtype(code: object, *_: object) -> Pending:
    """``dtype('f4', False, True)``; the state that follows holds the byte order.

    Booleans, integers, floats, texts and objects; no structured types, whose fields could be
    anything.
    """
    text = code.decode("ascii") if isinstance(code, bytes) else code
    if not isinstance(text, str):
        raise TypeError("type of an array")
    if not DTYPE.fullmatch(text):
        raise DataError(f"holds an array of type '{shown(text)}'; save numbers or texts")
    plain = np.dtype(text)

    def finish(state: object) -> np.dtype:
        order = state[1] if isinstance(state, tuple) else None
        if order not in ("<", ">", "|", "="):
            raise ValueError("byte order")
        return plain if order == "|" else plain.newbyteorder(order)

    return Pending(finish)


def scalar(kind: object, raw: object) -> object:
    """``scalar(dtype, bytes)``: one numpy number or text."""
    return _array(raw, kind, (), fortran=False)[()]


def frombuffer(raw: object, kind: object, shape: object, order: object) -> np.ndarray:
    """``_frombuffer(bytes, dtype, shape, order)``: an array as protocol 5 saves it."""
    return _array(raw, kind, shape, fortran=order == "F")


def encode(text: object, encoding: object) -> bytes:
    """``_codecs.encode(text, 'latin1')``: how protocol 2 spells bytes. No other codec."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise DataError("asks for a codec other than latin1; nothing was read")
    return text.encode("latin-1")


def empty_bytes(*args: object) -> bytes:
    """``bytes()``: how protocol 2 spells empty bytes. ``bytes(10**12)`` is not let through."""
    if args:
        raise DataError("calls bytes with an argument, which no saved value does; nothing was read")
    return b""


def _array_from_state(state: object) -> np.ndarray:
    if not isinstance(state, tuple) or len(state) != 5:
        raise ValueError("state of an array")
    _version, shape, kind, fortran, raw = state
    return _array(raw, kind, shape, fortran=bool(fortran))


def _array(raw: object, kind: object, shape: object, *, fortran: bool) -> np.ndarray:
    """A read-only view of the bytes; for objects an array of the values already read.

    Values of object arrays come out of the same machine, so they are as harmless as any other;
    MOSI's ids are often saved so.
    """
    if not isinstance(kind, np.dtype) or not isinstance(shape, tuple) or len(shape) > 32:
        raise ValueError("type or shape of an array")
    if not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError("shape of an array")
    count = math.prod(shape)
    order = "F" if fortran else "C"
    if kind.hasobject:
        if not isinstance(raw, list) or len(raw) != count:
            raise ValueError("size of an array of objects")
        objects = np.empty(count, dtype=object)
        for index, value in enumerate(raw):
            objects[index] = value
        return objects.reshape(shape, order=order)
    data = raw.encode("latin-1") if isinstance(raw, str) else raw  # Python 2 saved str
    if not isinstance(data, bytes | bytearray | memoryview) or len(data) != count * kind.itemsize:
        raise ValueError("size of an array")
    if not count:
        return np.zeros(shape, dtype=kind)
    if kind.kind == "U":
        codes = np.frombuffer(data, dtype=np.dtype("u4").newbyteorder(kind.byteorder))
        if codes.max(initial=0) > sys.maxunicode:  # numpy would make a broken str of these
            raise ValueError("characters that do not exist")
    return np.frombuffer(data, dtype=kind).reshape(shape, order=order)


GLOBALS: Mapping[tuple[str, str], Maker] = {
    ("numpy", "ndarray"): ndarray,
    ("numpy", "dtype"): dtype,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): frombuffer for core in ("core", "_core")},
    ("_codecs", "encode"): encode,
    ("builtins", "bytes"): empty_bytes,
    ("__builtin__", "bytes"): empty_bytes,
}
"""Every name a pickle may use, as it is spelt by Python 2 and 3, numpy 1 and 2."""
