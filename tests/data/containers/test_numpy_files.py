import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.containers.numpy_files import read_npy, read_npz
from deadpan.errors import DataError


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_an_archive_come_back(save, tmp_path):
    wanted = {"a": np.arange(6).reshape(2, 3), "b": np.array([True, False]), "c": np.zeros(())}
    save(tmp_path / "x.npz", **wanted)
    got = read_npz(tmp_path / "x.npz")
    assert got.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(got[name], array)
        assert got[name].dtype == array.dtype


def test_an_archive_that_swells_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(32 << 20))
    content = path.read_bytes()
    assert len(content) < 1 << 16
    with pytest.raises(DataError, match=r"declares 33554432 bytes in \d+; write it again"):
        read_npz(path)


@given(data=st.data())
def test_a_damaged_archive_is_read_or_refused(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    np.savez(path, x=np.ones((2, 3), np.float32), mask=np.ones(2, bool))
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    try:
        read_npz(path)
    except DataError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017


def test_a_shape_that_no_array_can_have(tmp_path):
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 1" + b"0" * 99 + b"), }"
    size = len(header).to_bytes(2, "little")
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + size + header)
    with pytest.raises(DataError, match=r"x\.npy: has shape \(0, 1000.*; write it again"):
        read_npy(tmp_path / "x.npy")
