"""Reading pickles as data: a small stack machine for plain values and arrays that runs no code.

A pickle is a program. Python's own reader imports and calls whatever the pickle names, so opening a
stranger's file runs a stranger's code. This machine only executes the opcodes that build plain
values (parsed by the standard library's ``pickletools``, which describes pickles and executes
none), and resolves only the names of ``GLOBALS``, which numpy needs. Sizes are checked against the
file's. The file is mapped: arrays are views of it, which take no memory until they are read.
"""

import dataclasses
import math
import mmap
import pickletools
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import numpy as np

from deadpan.data.containers.files import describe_start, first_bytes, open_file, printable
from deadpan.data.containers.memory import charge
from deadpan.errors import DataError


class _MappedFile:
    """A memory-mapped file or its bytes, read from the start; reading beyond raises EOFError.

    The map outlives the stream and is closed with its last view.
    """

    def __init__(self, source: BinaryIO | bytes) -> None:
        if isinstance(source, bytes):
            self._map = mmap.mmap(-1, len(source))
            self._map[:] = source
        else:
            self._map = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        self._view = memoryview(self._map)
        self.size = len(self._map)

    def start(self, count: int) -> memoryview:
        return self._view[:count]

    def tell(self) -> int:
        return self._map.tell()

    def read(self, count: int) -> bytes:
        return bytes(self.view(count))

    def readline(self) -> bytes:
        return self._map.readline()

    def view(self, count: int) -> memoryview:
        """The next bytes as a view; EOFError, before memory is allocated, if there are fewer."""
        start = self._map.tell()
        if not 0 <= count <= self.size - start:
            raise EOFError
        self._map.seek(start + count)
        return self._view[start : start + count]


Maker = Callable[..., object]
DTYPE = re.compile(r"[<>=|]?[biufSUO?]\d{0,6}")


@dataclasses.dataclass
class _Pending:
    """A value whose state follows in the pickle (opcode BUILD)."""

    finish: Callable[[object], object]  # makes the value from the state
    memo: list[int] = dataclasses.field(default_factory=list[int])  # its keys, to be replaced there


def ndarray(*_: object) -> object:
    """Stand in for ``numpy.ndarray``, an argument of ``_reconstruct``; calling it raises."""
    raise DataError("calls numpy.ndarray, which no saved array does; nothing was read")


def reconstruct(kind: object, _shape: object, _code: object) -> _Pending:
    """Evaluate ``_reconstruct(ndarray, (0,), b'b')``: shape, type and bytes follow as state."""
    if kind is not ndarray:
        raise DataError("holds a subclass of numpy.ndarray; save plain arrays")

    def finish(state: object) -> np.ndarray:
        if not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("state of an array")
        _version, shape, code, fortran, raw = state
        return _array(raw, code, shape, fortran=bool(fortran))

    return _Pending(finish)


def dtype(code: object, *_: object) -> _Pending:
    """Evaluate ``dtype('f4', False, True)``; the state that follows holds the byte order.

    Booleans, integers, floats, texts and objects are allowed; structured types are not.
    """
    text = code.decode("ascii") if isinstance(code, bytes) else code
    if not isinstance(text, str):
        raise TypeError("type of an array")
    if not DTYPE.fullmatch(text):
        raise DataError(f"holds an array of type '{printable(text)}'; save numbers or texts")
    plain = np.dtype(text)

    def finish(state: object) -> np.dtype:
        order = state[1] if isinstance(state, tuple) else None
        if order not in ("<", ">", "|", "="):
            raise ValueError("byte order")
        return plain if order == "|" else plain.newbyteorder(order)

    return _Pending(finish)


def scalar(kind: object, raw: object) -> object:
    """Evaluate ``scalar(dtype, bytes)``: one numpy number or text."""
    return _array(raw, kind, (), fortran=False)[()]


def frombuffer(raw: object, kind: object, shape: object, order: object) -> np.ndarray:
    """Evaluate ``_frombuffer(bytes, dtype, shape, order)``: an array as protocol 5 saves it."""
    return _array(raw, kind, shape, fortran=order == "F")


def encode_latin1(text: object, encoding: object) -> bytes:
    """Evaluate ``_codecs.encode(text, 'latin1')``, which is how protocol 2 saves bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise DataError("asks for a codec other than latin1; nothing was read")
    charge(len(text))
    return text.encode("latin-1")


def empty_bytes(*args: object) -> bytes:
    """Evaluate ``bytes()``, which is how protocol 2 saves empty bytes; arguments are refused."""
    if args:
        raise DataError("calls bytes with an argument, which no saved value does; nothing was read")
    return b""


def plain_dict(pairs: object = (), /) -> dict[object, object]:
    """Evaluate ``OrderedDict()``, or of pairs, as Python 2 saves it: a dict, which has an order."""
    if not isinstance(pairs, list | tuple):
        raise TypeError("pairs of a dict")
    table: dict[object, object] = {}
    for pair in cast("list[object]", pairs):
        if not isinstance(pair, list | tuple) or len(cast("list[object]", pair)) != 2:
            raise TypeError("pair of a dict")
        key, value = cast("list[object]", pair)
        if not isinstance(key, str | bytes | int):  # see ``_Machine.update``
            raise TypeError("key of a dict")
        table[key] = value
    return table


def default_dict(*_: object) -> dict[object, object]:
    """Evaluate ``defaultdict(list)``: a dict, whose entries follow; the default is of no use."""
    return {}


def default_value(*_: object) -> object:
    """Stand in for the type of a ``defaultdict``'s default; calling it raises."""
    raise DataError("calls a type, which no saved value does; nothing was read")


def list_of_set(*args: object) -> list[object]:
    """Evaluate ``set(list)``, which is how protocols 0 to 3 save a set: the list itself.

    Order and repetitions stay, and nothing is hashed.
    """
    if len(args) != 1 or not isinstance(args[0], list):
        raise TypeError("entries of a set")
    return cast("list[object]", args[0])


def _array(raw: object, kind: object, shape: object, *, fortran: bool) -> np.ndarray:
    """View bytes as a read-only array; an array of objects is made of values already read.

    The values of object arrays come from the same machine, so they are as harmless as any other;
    MOSI's ids are often saved as such arrays.
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
    data = encode_latin1(raw, "latin1") if isinstance(raw, str) else raw  # Python 2 saved str
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
    ("collections", "OrderedDict"): plain_dict,
    ("collections", "defaultdict"): default_dict,
    **{
        (module, name): default_value
        for module in ("builtins", "__builtin__")
        for name in ("dict", "list", "tuple", "str", "int", "long", "float", "bool")
    },
    **{(f"numpy.{core}.multiarray", "_reconstruct"): reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): frombuffer for core in ("core", "_core")},
    ("_codecs", "encode"): encode_latin1,
    ("builtins", "bytes"): empty_bytes,
    ("__builtin__", "bytes"): empty_bytes,
    **{
        (module, name): list_of_set
        for module in ("builtins", "__builtin__")
        for name in ("set", "frozenset")
    },
}
"""Every name a pickle may use, as spelt by Python 2 and 3 and by numpy 1 and 2."""


OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
LITERALS = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING"),
        *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    )
)
"""Opcodes whose argument is the value. Without LONG4: integers of 256 bytes and more."""
PAYLOADS = {
    "BINBYTES": 4,
    "BINBYTES8": 8,
    "BYTEARRAY8": 8,
    "BINSTRING": 4,
    "BINUNICODE": 4,
    "BINUNICODE8": 8,
}
"""Opcodes whose argument may be long, and the number of bytes that encode its length."""
LONG = 4096
"""Bytes values of at least this size are views of the file."""
PYTHON2_STR = re.compile(rb"""(['"])((?:[^\\]|\\[\\'"ntr]|\\x[0-9a-f]{2})*)\1\r?\n""")
POLICY = "deadpan never executes pickles and reads only plain values and numpy arrays"
OPENING = re.compile(rb"\x80[\x02-\x05]|\(?\([dl](?:p\d+\n|[SV(])|\(?[}\]][qr(.XU]|\(cnumpy\.")
"""How pickles begin: protocols 2 to 5 with their number, 0 and 1 with a dict or a list, or with a
tuple whose first value is one of these or an array."""
DAMAGE = (
    *(ValueError, IndexError, KeyError, TypeError, EOFError),
    *(OverflowError, MemoryError, RecursionError),
)
"""Exceptions that a damaged pickle can raise in the machine."""


def read_pickle(path: Path) -> object:
    """Read the value of a pickle without running any code.

    Supported are dicts (keys: str, bytes, int; OrderedDict and defaultdict become dicts), lists,
    tuples, sets (as lists), str, bytes, int, float, bool, None, numpy arrays and scalars, in
    protocols 0 to 5, also of Python 2, whose str become latin-1 text.
    Arrays are read-only views of the file where it holds their bytes as such, that is from protocol
    3 on and in Python 2's protocols 1 and 2; the file stays mapped as long as one of them lives.
    Bytes outside arrays become a read-only memoryview if they are 4096 or more.

    Raises:
        DataError: the file is missing, no pickle, truncated, or asks for anything else.
    """
    with open_file(path, "a pickle file") as stream:
        file = _MappedFile(stream)
        try:
            return _charged(_Machine(file).run())
        except PickledNameError as error:
            raise PickledNameError(f"{path}: {error}", error.package) from None
        except (DataError, *DAMAGE) as error:
            raise DataError(f"{path}: {_reason(error, file)}") from None


def unpickle(
    content: bytes,
    where: str,
    names: Mapping[tuple[str, str], Maker] | None = None,
    load: Callable[[object], object] | None = None,
) -> object:
    """Read the value of a pickle that is a part of a file, as ``read_pickle`` reads a whole one.

    Args:
        content: the pickle.
        where: the file and the part, for messages.
        names: names that it may use beside those of plain values.
        load: makes the value of a persistent id, which is a value that is elsewhere in the file.

    Raises:
        DataError: it is no pickle, truncated, or asks for anything else.
    """
    if not content:
        raise DataError(f"{where}: is cut off; write it again")
    file = _MappedFile(content)
    try:
        return _charged(_Machine(file, {**GLOBALS, **(names or {})}, load).run())
    except (DataError, *DAMAGE) as error:
        raise DataError(f"{where}: {_reason(error, file)}") from None


def looks_like_pickle(path: Path) -> bool:
    """Whether the first bytes are those of a pickle; never raises."""
    return OPENING.match(first_bytes(path, 16)) is not None


class PickledNameError(DataError):
    """A pickle asks for a name that is not that of a plain value.

    Args:
        message: the line.
        package: the package that has the name.
    """

    def __init__(self, message: str, package: str) -> None:
        super().__init__(message)
        self.package = package


class _UnknownOpcodeError(DataError):
    """The opcode is not supported; in a file that is no pickle, it is a byte by chance."""


def _reason(error: Exception, file: _MappedFile) -> str:
    if isinstance(error, DataError) and not isinstance(error, _UnknownOpcodeError):
        return str(error)
    head = bytes(file.start(64))
    if not OPENING.match(head):
        return f"not a pickle ({describe_start(head)}); give a pickle file"
    if isinstance(error, _UnknownOpcodeError):
        return str(error)
    return (
        f"a pickle that is cut short or damaged (near byte {file.tell()} of {file.size}); "
        "get it anew"
    )


REFERENCE = 16
"""Bytes of memory of a value that stands in a list, once more where a reader makes another list."""
MOST_VALUES = 1 << 60
"""Where counting ends: lists of lists stand for more than any number holds."""


def count_values(value: object) -> int:
    """Count the values in a value of a pickle, those that are shared wherever they stand.

    Who goes through the value meets as many. A few kilobytes of lists that hold one another twice
    stand for more than any memory. Arrays and texts count as one.

    Raises:
        DataError: a list or dict holds itself.
    """
    counts: dict[int, int] = {}  # by identity; 0 while the parts are being counted
    unfinished: list[tuple[int, list[object]]] = []  # of these: their parts, and those with parts
    stack = [value] if type(value) in WITH_PARTS else []
    while stack:
        top = stack[-1]
        if counts.get(id(top)):
            stack.pop()
            continue
        if id(top) in counts:
            count, nested = unfinished.pop()
            # A part that has parts counted itself already.
            total = 1 + count + sum(counts[id(part)] - 1 for part in nested)
            counts[id(top)] = min(total, MOST_VALUES)
            stack.pop()
        else:
            parts = _parts(top)
            nested = [part for part in parts if type(part) in WITH_PARTS]
            unfinished.append((len(parts), nested))
            counts[id(top)] = 0
            if any(counts.get(id(part)) == 0 for part in nested):
                raise DataError("holds a list or dict that holds itself; save plain values")
            stack += nested
    return counts.get(id(value), 1)


def _charged(value: object) -> object:
    """The value, after the lists that a reader will make of its parts were charged."""
    charge(REFERENCE * count_values(value))
    return value


WITH_PARTS = frozenset((list, tuple, dict, np.ndarray))


def _parts(value: object) -> Collection[object]:
    """The values in a list, tuple, dict or array of objects; an array of anything else has none."""
    if isinstance(value, np.ndarray):
        return value.ravel().tolist() if value.dtype.hasobject else ()
    if isinstance(value, dict):
        return cast("dict[object, object]", value).values()
    return cast("Collection[object]", value)


SLOT = 24
"""Bytes of memory of a value's places: on the stack, in what was taken off it, and in a list."""
COSTS = {
    **dict.fromkeys(("MARK", "EMPTY_LIST", "LIST", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"), 96),
    **dict.fromkeys(("EMPTY_DICT", "DICT"), 104),
    **dict.fromkeys(("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"), 128),
    **dict.fromkeys(("REDUCE", "BUILD"), 400),
}
"""Bytes of memory that an opcode takes beside its argument, where they are more than a slot."""
ENTRY = 100
"""Bytes of memory of an entry of a dict."""
BATCH = 1 << 16
"""Bytes that are charged together: charging each value would take as long as reading it."""


class _Machine:
    def __init__(
        self,
        file: _MappedFile,
        names: Mapping[tuple[str, str], Maker] = GLOBALS,
        load: Callable[[object], object] | None = None,
    ) -> None:
        self.uncharged = 0
        self.file = file
        self.names = names
        self.load = load
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}

    def run(self) -> object:
        while True:
            opcode = OPCODES[self.file.read(1)]
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name not in ACTIONS:
                raise _UnknownOpcodeError(f"uses opcode {opcode.name}; {POLICY}")
            argument = self.argument(opcode)
            self.uncharged += COSTS.get(opcode.name, SLOT)
            if argument is not None and opcode.name != "BININT1":  # Python keeps one of these each
                self.uncharged += sys.getsizeof(argument)
            if self.uncharged > BATCH:
                charge(self.uncharged)
                self.uncharged = 0
            ACTIONS[opcode.name](self, argument)

    def argument(self, opcode: pickletools.OpcodeInfo) -> object:
        if opcode.name == "GLOBAL":  # pickletools would undo escapes, which names have none of
            return self.line(), self.line()
        if opcode.name == "STRING":  # pickletools takes ASCII only; Python 2 saved array bytes so
            match = PYTHON2_STR.fullmatch(self.file.readline())
            if match is None:
                raise ValueError("text of Python 2")
            return match[2].decode("unicode_escape")
        if opcode.name in PAYLOADS:
            return self.payload(opcode.name)
        # pickletools asks for read and readline only
        return opcode.arg.reader(cast("IO[bytes]", self.file)) if opcode.arg else None

    def payload(self, name: str) -> object:
        size = int.from_bytes(self.file.read(PAYLOADS[name]), "little")
        view = self.file.view(size)
        if name.startswith("BINUNICODE"):
            return str(view, "utf-8", "surrogatepass")
        if size >= LONG:
            return view
        if name == "BINSTRING":
            return str(view, "latin-1")
        return bytearray(view) if name == "BYTEARRAY8" else bytes(view)

    def line(self) -> str:
        line = self.file.readline().decode("ascii")
        if not line.endswith("\n"):
            raise EOFError
        return line[:-1]

    def last(self, count: int) -> tuple[object, ...]:
        return tuple([self.stack.pop() for _ in range(count)][::-1])

    def since_mark(self) -> list[object]:
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def remember(self, key: int) -> None:
        value = self.memo[key] = self.stack[-1]
        if isinstance(value, _Pending):
            value.memo.append(key)

    def extend(self, values: Sequence[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise TypeError
        cast("list[object]", target).extend(values)

    def update(self, values: Sequence[object]) -> None:
        target = self.stack[-1]
        # Only flat keys: hashing a tuple nested a million deep would end the process.
        if not isinstance(target, dict) or not all(
            isinstance(k, str | bytes | int) for k in values[::2]
        ):
            raise TypeError
        self.uncharged += ENTRY * len(values) // 2
        cast("dict[object, object]", target).update(zip(values[::2], values[1::2], strict=True))

    def new_dict(self, values: Sequence[object]) -> None:
        self.stack.append({})
        self.update(values)

    def find(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError
        if (module, name) not in self.names:
            asked = f"asks for '{printable(module)}.{printable(name)}'; {POLICY}"
            raise PickledNameError(asked, module.partition(".")[0])
        self.stack.append(self.names[module, name])

    def reduce(self) -> None:
        arguments, maker = self.stack.pop(), self.stack.pop()
        if not isinstance(arguments, tuple) or not any(
            maker is allowed for allowed in self.names.values()
        ):
            raise TypeError
        self.stack.append(cast("Maker", maker)(*cast("tuple[object, ...]", arguments)))

    def persistent(self) -> None:
        if self.load is None:
            raise _UnknownOpcodeError(f"uses opcode BINPERSID; {POLICY}")
        self.stack.append(self.load(self.stack.pop()))

    def build(self) -> None:
        state, pending = self.stack.pop(), self.stack[-1]
        if not isinstance(pending, _Pending):
            raise TypeError
        value = self.stack[-1] = pending.finish(state)
        self.memo.update(dict.fromkeys(pending.memo, value))


Action = Callable[[_Machine, Any], object]
ACTIONS: Mapping[str, Action] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda _machine, _: None),  # change nothing
    **dict.fromkeys(LITERALS, lambda machine, value: machine.stack.append(value)),
    "NONE": lambda machine, _: machine.stack.append(None),
    "NEWTRUE": lambda machine, _: machine.stack.append(True),
    "NEWFALSE": lambda machine, _: machine.stack.append(False),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.since_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "EMPTY_TUPLE": lambda machine, _: machine.stack.append(()),
    "TUPLE1": lambda machine, _: machine.stack.append(machine.last(1)),
    "TUPLE2": lambda machine, _: machine.stack.append(machine.last(2)),
    "TUPLE3": lambda machine, _: machine.stack.append(machine.last(3)),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "LIST": lambda machine, _: machine.stack.append(machine.since_mark()),
    "EMPTY_SET": lambda machine, _: machine.stack.append([]),  # a set becomes a list
    "ADDITEMS": lambda machine, _: machine.extend(machine.since_mark()),
    "FROZENSET": lambda machine, _: machine.stack.append(machine.since_mark()),
    "APPEND": lambda machine, _: machine.extend(machine.last(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "DICT": lambda machine, _: machine.new_dict(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.update(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.update(machine.since_mark()),
    "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda machine, key: machine.remember(key)),
    **dict.fromkeys(
        ("GET", "BINGET", "LONG_BINGET"),
        lambda machine, key: machine.stack.append(machine.memo[key]),
    ),
    "GLOBAL": lambda machine, names: machine.find(*names),
    "STACK_GLOBAL": lambda machine, _: machine.find(*machine.last(2)),
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
    "BINPERSID": lambda machine, _: machine.persistent(),
}
"""The actions of the supported opcodes. No file of features needs the others (objects of classes,
extensions, out-of-band buffers)."""
