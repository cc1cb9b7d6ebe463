import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.containers.numpy_values import (
    looks_like_npz,
    npz_names,
    read_npy_values,
    read_npz_values,
)
from deadpan.errors import DataError

ARRAY = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_of_numbers_texts_and_objects_are_read(tmp_path, save):
    corpus = {"clip1": {"emo": "happy", "val": np.float64(1.5)}}
    wanted = {
        "numbers": ARRAY,
        "by_column": np.asfortranarray(ARRAY),
        "booleans": ARRAY > 2,
        "texts": np.array(["a", "längeres"]),
        "bytes": np.array([b"a", b"bc"]),
        "none": np.zeros((0, 3)),
    }
    path = tmp_path / "label.npz"
    save(path, corpus=corpus, **wanted)
    assert looks_like_npz(path)
    assert npz_names(path) == ("corpus", *wanted)
    arrays = read_npz_values(path)
    assert arrays["corpus"].shape == ()
    assert arrays["corpus"][()] == corpus
    for name, array in wanted.items():
        assert arrays[name].dtype == array.dtype
        assert (arrays[name] == array).all()
        assert arrays[name].shape == array.shape


class Evil:
    def __reduce__(self):
        return eval, ("1/0",)


def test_objects_run_no_code(tmp_path):
    np.savez(tmp_path / "evil.npz", a=np.array([Evil()], dtype=object))
    with pytest.raises(DataError, match=r"'a': asks for 'builtins\.eval'"):
        read_npz_values(tmp_path / "evil.npz")


def write(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def saved(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (saved(ARRAY)[:-1], "is cut off"),
        (saved(ARRAY) + b"x", "has the wrong size: shape"),
        (b"nothing", "no array of numpy"),
        (saved(np.zeros(2, "c8")), "holds complex64"),
        (saved(np.array(["ab"])).replace(b"a\x00\x00\x00", b"\xff" * 4), "do not exist"),
        (saved(ARRAY).replace(b"(2, 3)", b"(-2,3)"), "has the wrong size|no array"),
        (saved(ARRAY).replace(b"'<f4'", b"'|O' "), "no array|not a pickle"),
    ],
)
def test_damaged_arrays_are_refused(tmp_path, content, words):
    with pytest.raises(DataError, match=words) as caught:
        read_npz_values(write(tmp_path / "x.npz", a=content))
    assert "\n" not in str(caught.value)


def test_an_archive_that_declares_more_than_it_can_hold_is_refused(tmp_path):
    path = write(tmp_path / "x.npz", a=saved(np.zeros(80 << 20, np.uint8)))
    with pytest.raises(DataError, match="stand for more than"):
        read_npz_values(path)


def test_what_is_no_archive_is_refused_or_has_no_names(tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(b"PK\x03\x04" + bytes(40))
    assert not looks_like_npz(path)
    assert npz_names(path) == npz_names(tmp_path / "missing") == ()
    with pytest.raises(DataError, match="no archive of arrays"):
        read_npz_values(path)


def test_one_array_is_read(tmp_path):
    np.save(tmp_path / "a.npy", ARRAY)
    assert (read_npy_values(tmp_path / "a.npy") == ARRAY).all()


@given(data=st.data())
def test_a_damaged_archive_is_read_or_refused(data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    np.savez(path, x=ARRAY, mask=np.ones(2, bool))
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    try:
        read_npz_values(path)
    except DataError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017
