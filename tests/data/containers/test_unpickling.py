"""What may be read is read as Python reads it."""

import gc
import io
import mmap
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
