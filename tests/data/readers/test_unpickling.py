"""What may be read is read as Python reads it."""

import io
import pickle
import pickletools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from deadpan.data.readers.unpickling import looks_like_pickle, read_pickle
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


def test_arrays_are_views_of_what_was_read(tmp_path):
    array = read(pickle.dumps(np.arange(5.0)), tmp_path)
    assert array.base is not None
    assert not array.flags.writeable or isinstance(array.base, np.ndarray | bytearray | memoryview)


GOOD = {"train": {"text": np.ones((2, 3, 4), np.float32), "id": ["a", b"b"]}}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pickles_are_recognised_by_content(protocol, tmp_path):
    path = tmp_path / "data.bin"
    path.write_bytes(pickle.dumps(GOOD, protocol=protocol))
    assert looks_like_pickle(path)


def test_pickles_are_recognised_by_name_and_nothing_else_is(tmp_path):
    assert looks_like_pickle(tmp_path / "not-there.PKL")  # so that the reader can say so
    assert not looks_like_pickle(tmp_path)
    (tmp_path / "label.csv").write_text("video_id,clip_id,text,label,mode\n")
    assert not looks_like_pickle(tmp_path / "label.csv")


def test_real_files_hold_what_python_would_read(shared):
    path = shared / "data" / "mosi" / "mosi229_aligned.pkl"
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
