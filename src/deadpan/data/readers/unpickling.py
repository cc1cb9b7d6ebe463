"""Pickles read as data: a small machine that knows values and arrays and can run nothing.

A pickle is a programme. Python's own reader imports whatever it names and calls it, so opening a
stranger's file runs a stranger's code. This machine only follows the opcodes that build plain
values (parsed by the standard library's ``pickletools``, which describes pickles and executes
none), and answers the few names numpy needs from ``pickle_globals``. Sizes are held against the
file's, and the file is mapped: arrays are views of it, which cost no memory until they are read.
"""

import pickletools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, cast

from deadpan.data.readers.files import first_bytes, opened, shown
from deadpan.data.readers.mapped_file import MappedFile
from deadpan.data.readers.pickle_globals import GLOBALS, Maker, Pending
from deadpan.data.readers.signatures import begins_like
from deadpan.errors import DataError

OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
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
"""Opcodes whose argument may be long, and the bytes of its length."""
LONG = 4096
"""From this many bytes on, bytes stay in the file."""
TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PYTHON2_STR = re.compile(rb"""(['"])((?:[^\\]|\\[\\'"ntr]|\\x[0-9a-f]{2})*)\1\r?\n""")
POLICY = "deadpan never executes pickles and reads only plain values and numpy arrays"
OPENING = re.compile(rb"\x80[\x02-\x05]|\([dl](?:p\d+\n|[SV(])|[}\]][qr(.XU]")
"""Protocols 2 to 5 open with their number; 0 and 1 with a dict or a list, as these files do."""
DAMAGE = (
    *(ValueError, IndexError, KeyError, TypeError, EOFError),
    *(OverflowError, MemoryError, RecursionError),
)
"""What broken input raises on its way through the machine."""


def read_pickle(path: Path) -> object:
    """The value in a pickle, without running anything.

    Dicts (keys: str, bytes, int), lists, tuples, str, bytes, int, float, bool, None, numpy arrays
    and scalars; protocols 0 to 5, also of Python 2, whose str come out as latin-1 text. Arrays are
    read-only views of the file where it holds their bytes as such, that is from protocol 3 on and
    in Python 2's protocols 1 and 2; the file stays mapped as long as one of them lives. Bytes that
    belong to no array come out as a read-only memoryview where they are 4096 or more.

    Raises:
        DataError: the file is not there, not a pickle, cut short, or asks for anything else.
    """
    with opened(path, "a pickle file") as stream:
        file = MappedFile(stream)
        try:
            return _Machine(file).run()
        except (DataError, *DAMAGE) as error:
            raise DataError(f"{path}: {_reason(error, file)}") from None


def looks_like_pickle(path: Path) -> bool:
    """Whether the first bytes say pickle; never raises, never reads on."""
    return OPENING.match(first_bytes(path, 16)) is not None


class _UnknownOpcodeError(DataError):
    """An opcode that is not followed; in a file that is no pickle, a byte by chance."""


def _reason(error: Exception, file: MappedFile) -> str:
    if isinstance(error, DataError) and not isinstance(error, _UnknownOpcodeError):
        return str(error)
    head = bytes(file.start(64))
    if not OPENING.match(head):
        return f"not a pickle ({begins_like(head)}); give a pickle file"
    if isinstance(error, _UnknownOpcodeError):
        return str(error)
    return (
        f"a pickle that is cut short or damaged (near byte {file.tell()} of {file.size}); "
        "get it anew"
    )


class _Machine:
    def __init__(self, file: MappedFile) -> None:
        self.file = file
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}

    def run(self) -> object:
        while True:
            opcode = OPCODES[self.file.read(1)]
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name not in KNOWN:
                raise _UnknownOpcodeError(f"uses opcode {opcode.name}; {POLICY}")
            self.step(opcode.name, self.argument(opcode))

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

    def step(self, name: str, argument: object) -> None:
        if name in LITERALS:
            self.stack.append(argument)
        elif name in CONSTANTS:
            self.stack.append(CONSTANTS[name])
        elif name in TUPLES:
            start = len(self.stack) - TUPLES[name]
            if start < 0:
                raise IndexError
            self.stack[start:] = [tuple(self.stack[start:])]
        else:
            ACTIONS[name](self, argument)

    def since_mark(self) -> list[object]:
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def remember(self, key: int) -> None:
        value = self.memo[key] = self.stack[-1]
        if isinstance(value, Pending):
            value.memo.append(key)

    def extend(self, values: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise TypeError
        cast("list[object]", target).extend(values)

    def update(self, values: list[object]) -> None:
        target = self.stack[-1]
        # Only flat keys: hashing a tuple nested a million deep would end the process.
        if not isinstance(target, dict) or not all(
            isinstance(k, str | bytes | int) for k in values[::2]
        ):
            raise TypeError
        cast("dict[object, object]", target).update(zip(values[::2], values[1::2], strict=True))

    def new_dict(self, values: list[object]) -> None:
        self.stack.append({})
        self.update(values)

    def pop_pair(self) -> list[object]:
        second, first = self.stack.pop(), self.stack.pop()
        return [first, second]

    def find(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError
        if (module, name) not in GLOBALS:
            raise DataError(f"asks for '{shown(module)}.{shown(name)}'; {POLICY}")
        self.stack.append(GLOBALS[module, name])

    def reduce(self) -> None:
        arguments, maker = self.stack.pop(), self.stack.pop()
        if not isinstance(arguments, tuple) or not any(
            maker is known for known in GLOBALS.values()
        ):
            raise TypeError
        self.stack.append(cast("Maker", maker)(*cast("tuple[object, ...]", arguments)))

    def build(self) -> None:
        state, pending = self.stack.pop(), self.stack[-1]
        if not isinstance(pending, Pending):
            raise TypeError
        value = self.stack[-1] = pending.finish(state)
        self.memo.update(dict.fromkeys(pending.memo, value))


Action = Callable[[_Machine, Any], object]
ACTIONS: Mapping[str, Action] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda _machine, _: None),  # change nothing
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: machine.since_mark(),
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "LIST": lambda machine, _: machine.stack.append(machine.since_mark()),
    "APPEND": lambda machine, _: machine.extend([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "DICT": lambda machine, _: machine.new_dict(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.update(machine.pop_pair()),
    "SETITEMS": lambda machine, _: machine.update(machine.since_mark()),
    "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda machine, key: machine.remember(key)),
    **dict.fromkeys(
        ("GET", "BINGET", "LONG_BINGET"),
        lambda machine, key: machine.stack.append(machine.memo[key]),
    ),
    "GLOBAL": lambda machine, names: machine.find(*names),
    "STACK_GLOBAL": lambda machine, _: machine.find(*machine.pop_pair()),
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
}
"""What the other opcodes do."""
KNOWN = LITERALS | CONSTANTS.keys() | TUPLES.keys() | ACTIONS.keys()
"""The opcodes that are followed. The rest (objects of classes, sets, extensions, out-of-band
buffers, persistent ids) no file of features needs."""
