"""Plain values come back; code in a pickle never runs; what is broken is refused in one line."""

import builtins
import collections
import gc
import io
import mmap
import os
import pickle
import pickletools
import struct
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deadpan.data.containers.unpickling import looks_like_pickle, read_pickle
from deadpan.errors import DataError

from ...refusals import refusal_of

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def read(content: bytes, folder: Path) -> object:
    path = folder / "file.pkl"
    path.write_bytes(content)
    return read_pickle(path)


def assert_same(got: object, wanted: object) -> None:
    if isinstance(wanted, np.ndarray):
        assert isinstance(got, np.ndarray)
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)
    elif isinstance(wanted, dict):
        assert isinstance(got, dict)
        assert list(got) == list(wanted)
        for key, value in wanted.items():
            assert_same(got[key], value)
    elif isinstance(wanted, list | tuple):
        assert type(got) is type(wanted)
        assert len(got) == len(wanted)
        for one, other in zip(got, wanted, strict=True):
            assert_same(one, other)
    else:
        assert type(got) is type(wanted)
        assert got == wanted


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**300), 2**300),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(st.one_of(st.text(), st.binary(), st.integers(-9, 9)), inner),
    ),
    max_leaves=12,
)


@given(value=values, protocol=st.sampled_from(PROTOCOLS))
def test_plain_values_come_back(value, protocol, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    assert_same(read(pickle.dumps(value, protocol=protocol), folder), value)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_dicts_of_the_collections_are_dicts(protocol, tmp_path):
    inner = collections.OrderedDict([("b", 1), ("a", [2.5])])
    for factory in (None, dict, list, int, collections.OrderedDict):
        value = collections.defaultdict(factory, x=inner)
        got = read(pickle.dumps(value, protocol=protocol), tmp_path)
        assert (type(got), type(got["x"])) == (dict, dict)
        assert [*got["x"].items()] == [("b", 1), ("a", [2.5])]


def test_dicts_of_python_2_and_what_passes_for_one(tmp_path):
    def ordered(pairs):
        return b"ccollections\nOrderedDict\n(" + pairs + b"tR."

    assert read(ordered(b"(lp0\n(lp1\nS'a'\naI1\naa"), tmp_path) == {"a": 1}
    for pairs in (b"I1\n", b"(lI1\na", b"(l(lI1\naa", b"(l((tI1\nta"):
        with pytest.raises(DataError):
            read(ordered(pairs), tmp_path)
    with pytest.raises(DataError, match="calls a type, which no saved value does"):
        read(b"\x80\x02cbuiltins\nlist\n(tR.", tmp_path)


dtypes = st.one_of(
    hnp.integer_dtypes(endianness="?"),
    hnp.unsigned_integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
    hnp.boolean_dtypes(),
    hnp.unicode_string_dtypes(endianness="?", max_len=5),
    hnp.byte_string_dtypes(endianness="?", max_len=5),
)
arrays = hnp.arrays(dtype=dtypes, shape=hnp.array_shapes(min_dims=0, min_side=0, max_side=4))


@given(array=arrays, fortran=st.booleans(), protocol=st.sampled_from(PROTOCOLS))
def test_arrays_come_back(array, fortran, protocol, tmp_path_factory):
    array = np.asfortranarray(array) if fortran else array
    content = pickle.dumps({"x": array, "again": array}, protocol=protocol)
    got = read(content, tmp_path_factory.getbasetemp())
    assert_same(got, {"x": array, "again": array})
    assert got["x"] is got["again"]  # memoised once, built once


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_scalars_and_object_arrays_come_back(protocol, tmp_path):
    objects = np.empty((2, 2), dtype=object)
    objects[:] = [["a", b"b"], [3, None]]
    value = {"scalar": np.float32(0.5), "text": np.str_("id"), "objects": objects}
    got = read(pickle.dumps(value, protocol=protocol), tmp_path)
    assert got["scalar"] == np.float32(0.5)
    assert got["scalar"].dtype == np.float32
    assert got["text"] == "id"
    assert_same(got["objects"], objects)


def test_python_2_pickles_come_back(tmp_path):
    # {'x': array([1., -2.], '<f4'), 'id': 'caf\xe9'} by Python 2 and numpy 1, protocols 2 and 0.
    raw = np.array([1, -2], "<f4").tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR(K\x01K\x02\x85"
        b"cnumpy\ndtype\n(U\x02f4K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00"
        b"tb\x89U" + bytes([len(raw)]) + raw + b"tb"
    )
    got = read(b"\x80\x02}(U\x01x" + array + b"U\x02idU\x04caf\xe9u.", tmp_path)
    assert_same(got["x"], np.array([1, -2], "<f4"))
    assert got["id"] == "caf\xe9"
    quoted = b"S'\\x00\\x00\\x80?\\x00\\x00\\x00\\xc0'\n"  # the same bytes, as repr() spells them
    textual = array.replace(b"U" + bytes([len(raw)]) + raw, quoted)
    got = read(b"(dS'x'\n" + textual + b"sS\"i'd\"\nS'caf\\xe9'\ns.", tmp_path)
    assert_same(got["x"], np.array([1, -2], "<f4"))
    assert got["i'd"] == "caf\xe9"


def test_texts_of_python_2_with_a_long_size_come_back(tmp_path):
    assert read(b"\x80\x02T" + struct.pack("<i", 4) + b"caf\xe9.", tmp_path) == "caf\xe9"


def bases(array):
    """What an array is a view of, down to the map of the file."""
    base = array
    while isinstance(base, np.ndarray):
        base = base.base
    return base.obj if isinstance(base, memoryview) else base


LARGE = np.arange(3000, dtype=np.float32).reshape(3, 1000)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_large_arrays_are_read_only_views_of_the_file(protocol, tmp_path):
    value = {"x": LARGE, "fortran": np.asfortranarray(LARGE), "small": np.arange(5.0)}
    got = read(pickle.dumps(value, protocol=protocol), tmp_path)
    assert_same(got, value)
    for name in ("x", "fortran"):
        assert isinstance(bases(got[name]), mmap.mmap)
        assert not got[name].flags.writeable
    assert not isinstance(bases(got["small"]), mmap.mmap)  # no file is kept open for a few bytes


def test_large_arrays_of_python_2_are_views_of_the_file(tmp_path):
    raw = LARGE.tobytes()
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
        b"(K\x01M\xb8\x0b\x85cnumpy\ndtype\n(U\x02f4K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<i", len(raw)) + raw + b"tb."
    )
    got = read(content, tmp_path)
    assert_same(got, LARGE.ravel())
    assert isinstance(bases(got), mmap.mmap)


def test_the_map_lives_as_long_as_an_array_and_no_longer(tmp_path):
    got = read(pickle.dumps([LARGE, LARGE + 1]), tmp_path)
    kept = got[1][0]
    file = weakref.ref(bases(got[1]))
    del got
    gc.collect()
    np.testing.assert_array_equal(kept, LARGE[0] + 1)
    del kept
    gc.collect()
    assert file() is None


def test_a_file_may_be_removed_while_its_arrays_live(tmp_path):
    got = read(pickle.dumps(LARGE), tmp_path)
    (tmp_path / "file.pkl").unlink()
    np.testing.assert_array_equal(got, LARGE)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_long_texts_and_bytes_keep_their_content(protocol, tmp_path):
    value = {"text": "caf\xe9\u20ac\ud800" * 3000, "bytes": bytes(range(256)) * 40}
    got = read(pickle.dumps(value, protocol=protocol), tmp_path)
    assert got["text"] == value["text"]
    assert got["bytes"] == value["bytes"]  # as a memoryview from protocol 3 on
    array = bytearray(value["bytes"])
    assert protocol < 5 or read(pickle.dumps(array, protocol=5), tmp_path) == array


GOOD = {"train": {"text": np.ones((2, 3, 4), np.float32), "id": ["a", b"b"]}}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("value", [GOOD, [((1, 2, 3), 4, "v[0]")]], ids=["dict", "list"])
@pytest.mark.parametrize("change", [lambda x: x, pickletools.optimize], ids=["", "optimized"])
def test_pickles_are_recognised_by_content(value, change, protocol, tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(change(pickle.dumps(value, protocol=protocol)))
    assert looks_like_pickle(path)
    read_pickle(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (
            b'{"train": {"text": [1, 2]}}',
            'not a pickle (begins like JSON: \'{"train": {"text": [1, 2\')',
        ),
        (b"[1, 2]", "not a pickle (begins like JSON: '[1, 2]')"),
        (b"video_id,clip_id\n", "not a pickle (begins like text: 'video_id,clip_id\\n')"),
        (b"(dear reader)", "begins like text"),
        ("\u4f60\u597d".encode() * 50, "begins like text"),  # its 64th byte is within a letter
        (b"\x89PNG\r\n\x1a\n", "begins like a PNG picture"),
        (b"PK\x03\x04\x14", "begins like a ZIP archive, as .npz and PyTorch's files are"),
        (b"\x1f\x8b\x08", "begins like gzip: unpack it first"),
        (b"\x89HDF\r\n\x1a\n", "begins like HDF5"),
        (b"\x93NUMPY\x01", "begins like numpy's .npy"),
        (b"\x00\xff\x00\xff", "begins with the bytes 00 ff 00 ff"),
    ],
)
def test_what_is_no_pickle_is_told_by_its_first_bytes(content, told, tmp_path):
    path = tmp_path / "data.pkl"  # the name says nothing
    path.write_bytes(content)
    assert not looks_like_pickle(path)
    with pytest.raises(DataError) as caught:
        read_pickle(path)
    assert told in str(caught.value)
    assert str(caught.value).endswith("; give a pickle file")


def test_a_name_makes_no_pickle(tmp_path):
    assert not looks_like_pickle(tmp_path / "not-there.pkl")
    assert not looks_like_pickle(tmp_path)


@pytest.mark.parametrize("name", ["mosi/mosi229_aligned.pkl", "ravdess/ravdess4.pkl"])
def test_real_files_hold_what_python_would_read(name, shared):
    path = shared / "data" / name
    names = {
        argument
        for opcode, argument, _ in pickletools.genops(io.BytesIO(path.read_bytes()))
        if opcode.name == "SHORT_BINUNICODE"
    }
    assert names & {"system", "eval", "exec"} == set()  # safe to compare with Python's own reader
    assert_same(read_pickle(path), pickle.loads(path.read_bytes()))


def test_a_path_that_is_no_file(tmp_path):
    for path, why in ((tmp_path, "is a directory"), (tmp_path / "none.pkl", "no such file")):
        with pytest.raises(DataError, match=f"{why}; give a pickle file"):
            read_pickle(path)


def refusal(content: bytes, folder: Path) -> str:
    return refusal_of(f"{folder / 'file.pkl'}: ", read, content, folder)


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


@pytest.mark.parametrize("protocol", range(6))
def test_sets_are_lists(tmp_path, protocol):
    path = tmp_path / "sets.pkl"
    path.write_bytes(pickle.dumps({"a": {"x"}, "b": frozenset({1})}, protocol=protocol))
    assert read_pickle(path) == {"a": ["x"], "b": [1]}


@pytest.mark.parametrize("protocol", range(5))
def test_a_tuple_of_dicts_or_arrays_is_recognised(tmp_path, protocol):
    for first in ({}, {"a": 1}, np.ones(3), [1]):
        path = tmp_path / "tuple.pkl"
        path.write_bytes(pickle.dumps((first, {"b": 2}, 3, 4, 5), protocol=protocol))
        assert looks_like_pickle(path), path.read_bytes()[:20]
