"""What could run is refused and does not run; what is broken is refused in one line."""

import builtins
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.containers.unpickling import read_pickle
from deadpan.errors import DataError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def read(content: bytes, folder: Path) -> object:
    path = folder / "file.pkl"
    path.write_bytes(content)
    return read_pickle(path)


def refusal(content: bytes, folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(content, folder)
    text = str(caught.value)
    assert text.startswith(f"{folder / 'file.pkl'}: ")
    assert "\n" not in text
    return text


class Call:
    """Pickled, it asks the reader to call something."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call

    def with_state(self, state):
        self.call = *self.call, state
        return self

    def __call__(self):
        """Only callables may be called in turn; never reached."""


def attacks(mark: Path) -> dict[str, object]:
    """Objects that make Python's own reader create a file."""
    shell, code = f"touch {mark}", f"__import__('pathlib').Path({str(mark)!r}).touch()"
    return {
        "os.system": Call(os.system, shell),
        "nested": {"train": {"text": [np.zeros(3), (Call(os.system, shell),)]}},
        "in an object array": np.array([Call(os.system, shell), 1], dtype=object),
        "eval": Call(eval, code),
        "exec": Call(exec, code),
        "getattr chain": Call(Call(getattr, Call(__import__, "os"), "system"), shell),
        "open": Call(builtins.open, str(mark), "w"),
        "save": Call(np.save, str(mark), np.zeros(1)),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", attacks(Path("x")))
def test_code_in_a_pickle_never_runs(name, protocol, tmp_path):
    mark = tmp_path / "ran"
    text = refusal(pickle.dumps(attacks(mark)[name], protocol=protocol), tmp_path)
    assert "asks for '" in text
    assert "deadpan never executes pickles" in text
    assert not mark.exists()


def test_the_attacks_are_real(tmp_path):
    # Otherwise the test above would pass for pickles that do nothing.
    for name in ("os.system", "eval", "exec", "getattr chain"):
        mark = tmp_path / name.replace(" ", "_")
        pickle.loads(pickle.dumps(attacks(mark)[name]))
        assert mark.exists(), name


def stack_global(module: str, name: str, arguments: bytes = b")R") -> bytes:
    def text(value: str) -> bytes:
        return b"\x8c" + bytes([len(value)]) + value.encode()

    return b"\x80\x04" + text(module) + text(name) + b"\x93" + arguments + b"."


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy", "ndarray.tofile"),
        ("numpy", "load"),
        ("numpy", "fromfile"),
        ("numpy", "memmap"),
        ("numpy.core.multiarray", "fromfile"),
        ("numpy.testing._private.utils", "runstring"),
        ("_codecs", "decode"),
        ("codecs", "open"),
        ("builtins", "bytes.fromhex"),
        ("builtins", "bytearray"),
        ("copyreg", "_reconstructor"),
        ("a\nb", "c\nd"),
    ],
)
def test_other_names_are_refused_by_name(module, name, tmp_path):
    text = refusal(stack_global(module, name), tmp_path)
    assert repr(f"{module}.{name}")[1:-1] in text


def test_permitted_names_check_their_arguments(tmp_path):
    huge = b"\x8a\x06" + (10**12).to_bytes(6, "little")
    assert "bytes" in refusal(stack_global("builtins", "bytes", huge + b"\x85R"), tmp_path)
    assert "ndarray" in refusal(stack_global("numpy", "ndarray", huge + b"\x85\x85R"), tmp_path)
    rot13 = b"\x8c\x01a\x8c\x05rot13\x86R"
    assert "codec" in refusal(stack_global("_codecs", "encode", rot13), tmp_path)
    masked = b"NN)\x87R".replace(b"N)", b"))")
    assert "subclass" in refusal(
        stack_global("numpy.core.multiarray", "_reconstruct", masked), tmp_path
    )


@pytest.mark.parametrize("kind", ["c8", "M8[s]", "m8[D]", "V4", "i4,f4"])
def test_types_that_are_no_numbers_or_texts_are_refused(kind, tmp_path):
    text = refusal(pickle.dumps(np.zeros(2, dtype=kind)), tmp_path)
    assert "holds an array of type" in text


@pytest.mark.parametrize(
    ("opcodes", "name"),
    [
        (b"(cos\nsystem\no.", "asks for 'os.system'"),
        (b"ca\\d\nb\n.", "asks for 'a\\\\d.b'"),  # no escape, and no warning of one
        (b"\x80\x02(S'id'\nios\nsystem\n.", "INST"),
        (b"\x80\x02(S'id'\no.", "OBJ"),
        (b"\x80\x02Pid\n.", "PERSID"),
        (b"\x80\x02NQ.", "BINPERSID"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x04\x8f.", "EMPTY_SET"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x02)\x81.", "NEWOBJ"),
    ],
)
def test_opcodes_that_build_objects_are_refused(opcodes, name, tmp_path):
    assert name in refusal(opcodes, tmp_path)


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"


@pytest.mark.parametrize(
    "content",
    [
        *(b"Nn.", b"N)R.", b"I1\n)R.", b"N}b.", b"}}b.", b"cnumpy\ndtype\n}b."),
        *(b"NNa.", b"NNNs.", b"\x80\x04NN\x93.", b"\x85.", b"Sabc\n.", b"S'\\q'\n."),
        b"cnumpy\ndtype\nI1\n\x85R.",
        b"cnumpy\ndtype\n(S'f4'\ntR(I3\nS'x'\ntb.",  # no such byte order
        ARRAY + b"Nb.",
        ARRAY + b"(I1\n(I1\ntNI00\nS'ab'\ntb.",  # without a type
        ARRAY + b"(I1\n(I3\ntcnumpy\ndtype\n(S'O'\ntR(I3\nS'|'\ntbI00\n(I1\nltb.",  # 3 of 1
    ],
)
def test_what_no_value_is_built_of_is_refused(content, tmp_path):
    refusal(content, tmp_path)


def test_an_array_spelt_by_hand_is_read(tmp_path):
    # So that the pickles above are refused for what is wrong in them.
    content = ARRAY + b"(I1\n(I2\ntcnumpy\ndtype\n(S'i1'\ntR(I3\nS'|'\ntbI00\nS'ab'\ntb."
    assert read(content, tmp_path).tolist() == [97, 98]


GOOD = {"train": {"text": np.ones((2, 3, 4), np.float32), "id": ["a", b"b"]}}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_truncation_is_one_line(protocol, tmp_path):
    content = pickle.dumps(GOOD, protocol=protocol)
    for end in range(6 + protocol, len(content), len(PROTOCOLS)):
        assert "cut short or damaged" in refusal(content[:end], tmp_path)
    assert "is empty" in refusal(b"", tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04B" + struct.pack("<I", 2**31) + b"abc.",  # bytes
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc.",  # bytes, 8-byte size
        b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc.",  # bytearray
        b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"abc.",  # text
        b"\x80\x04X" + struct.pack("<I", 2**31) + b"abc.",  # text, 4-byte size
        b"\x80\x04T" + struct.pack("<i", -1) + b"abc.",
        b"\x80\x04T" + struct.pack("<i", 2**31 - 1) + b"abc.",  # text of Python 2
    ],
)
def test_declared_sizes_are_held_against_the_file(content, tmp_path):
    assert "cut short or damaged" in refusal(content, tmp_path)


def test_a_key_that_is_no_text_or_number_is_refused(tmp_path):
    # Hashing a tuple nested deep enough ends the process, so none is ever hashed.
    assert "cut short or damaged" in refusal(b"\x80\x02})" + b"\x85" * 1000 + b"Ns.", tmp_path)


def test_a_memo_of_any_number_costs_nothing(tmp_path):
    assert read(b"Nr" + struct.pack("<I", 2**32 - 1) + b".", tmp_path) is None


@pytest.mark.parametrize(
    "shape", [(10**12,), (10**6, 10**6), (2, 4), (3,), (-1, -4), (4, *(1,) * 40)]
)
def test_an_array_larger_than_its_bytes_is_refused(shape, tmp_path):
    def declaring(shape):
        reconstruct, arguments, state = np.zeros(4).__reduce__()
        return pickle.dumps(Call(reconstruct, *arguments).with_state((1, shape, *state[2:])))

    assert read(declaring((4,)), tmp_path).tolist() == [0, 0, 0, 0]
    assert "cut short or damaged" in refusal(declaring(shape), tmp_path)


def test_characters_that_do_not_exist_are_refused(tmp_path):
    content = pickle.dumps(np.array(["abc"]))
    broken = content.replace("abc".encode("utf-32-le"), b"\xff" * 12)
    assert broken != content
    refusal(broken, tmp_path)


@given(content=st.binary(min_size=1, max_size=200))
def test_garbage_is_a_value_or_one_line(content, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    try:
        read(content, folder)
    except DataError as error:
        assert len(str(error).splitlines()) == 1


@given(
    spots=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4),
    protocol=st.sampled_from(PROTOCOLS),
)
def test_damage_is_a_value_or_one_line(spots, protocol, tmp_path_factory):
    content = bytearray(pickle.dumps(GOOD, protocol=protocol))
    for place, value in spots:
        content[place % len(content)] = value
    try:
        read(bytes(content), tmp_path_factory.getbasetemp())
    except DataError as error:
        assert len(str(error).splitlines()) == 1
