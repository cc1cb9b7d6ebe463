import json
import os

import numpy as np
import pytest
from safetensors.numpy import save

from deadpan.data.containers.safetensors_file import (
    LARGEST_HEADER,
    looks_like_safetensors,
    map_safetensors,
)
from deadpan.errors import DataError

TENSORS = {
    "f": np.arange(6, dtype=np.float32).reshape(2, 3),
    "i": np.array([1, -(2**60)]),
    "b": np.array([True, False]),
    "none": np.zeros((0, 3), np.float64),
}


def entry(dtype="F32", shape=(2,), ends=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(ends)}


def file_of(header, data=b"\0" * 8):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.fixture
def refusal(tmp_path):
    def refuse(content):
        path = tmp_path / "store"
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            map_safetensors(path)
        text = str(caught.value)
        assert text.startswith(f"{path}: ")
        assert "\n" not in text
        assert len(text) < 400 + len(str(path))
        return text

    return refuse


def test_what_the_library_writes_is_read(tmp_path):
    path = tmp_path / "any.name"
    path.write_bytes(save(TENSORS, {"who": "me"}))
    assert looks_like_safetensors(path)
    file = map_safetensors(path)
    assert file.metadata == {"who": "me"}
    assert file.tensors.keys() == TENSORS.keys()
    for name, tensor in file.tensors.items():
        assert tensor.dtype == TENSORS[name].dtype
        assert tensor.tolist() == TENSORS[name].tolist()
        assert not tensor.flags.writeable
        assert not tensor.flags.owndata


def test_a_mapped_file_needs_no_name_any_more(tmp_path):
    path = tmp_path / "store"
    path.write_bytes(save(TENSORS))
    file = map_safetensors(path)
    path.unlink()
    assert file.tensors["f"].sum() == 15


def test_other_files_do_not_look_like_a_store(tmp_path):
    path = tmp_path / "store.safetensors"
    assert not looks_like_safetensors(path)
    assert not looks_like_safetensors(tmp_path)
    for content in (b"", b"{}", b"\x80\x04\x95", b"video_id,clip_id,text", b"\x89HDF\r\n\x1a\n{"):
        path.write_bytes(content)
        assert not looks_like_safetensors(path)


def test_paths_that_are_no_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file; give a store made by 'deadpan data conv"):
        map_safetensors(tmp_path / "nothing")
    with pytest.raises(DataError, match="is a directory"):
        map_safetensors(tmp_path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x10", "cut short, or no store (a header of 16 bytes in a file of 1)"),
        (b"\xff" * 8 + b"{", f"a header of {2**64 - 1} bytes"),
        (file_of(b" " * (LARGEST_HEADER + 1)), "a header of 1048577 bytes"),
        (file_of(b"{]"), "its header is no JSON)"),
        (file_of(b"\xff\xfe"), "its header is no JSON)"),
        (file_of(b"[" * 100_000), "its header is no JSON)"),
        (file_of(b'{"a": ' + b"9" * 5000 + b"}"), "its header is no JSON)"),
        (file_of([1]), "its header is no JSON object"),
        (file_of({"__metadata__": 1}), "its metadata is no JSON object"),
        (file_of({"x": 1}), "tensor 'x' is 1"),
        (file_of({"x": {}}), "tensor 'x' is {}"),
        (file_of({"x\n": entry(shape=(-2,))}), "tensor 'x\\n' is"),
        (file_of({"x": entry(shape=(True,))}), "tensor 'x' is"),
        (file_of({"x": entry(shape=(1, 2, 1))}), "tensor 'x' is"),
        (file_of({"x": entry(ends=(0, 8.0))}), "tensor 'x' is"),
        (file_of({"x": entry(ends=(0, 4, 8))}), "tensor 'x' is"),
        (file_of({"x": entry("BF16", (4,))}), "tensor 'x' is of type BF16"),
        (file_of({"x": entry(["F32"])}), "tensor 'x' is of type ['F32']"),
        (file_of({"x": entry(shape=(3,))}), "of shape (3,) at bytes 0 to 8 of 8"),
        (file_of({"x": entry(shape=(10**30,))}), "at bytes 0 to 8 of 8"),
        (file_of({"x": entry(shape=(10**30,), ends=(0, 4 * 10**30))}), "of 8)"),
        (file_of({"x": entry()}, b"\0" * 7), "at bytes 0 to 8 of 7"),
        (file_of({"x": entry()}, b"\0" * 9), "1 bytes after the last tensor"),
        (file_of({"x": entry(shape=(1,), ends=(4, 8))}), "at bytes 4 to 8 of 8"),
        (file_of({"x": entry(), "y": entry()}), "at bytes 0 to 8 of 8"),
        (file_of({"x": entry(shape=(0, 10**30), ends=(0, 0))}, b""), "of shape (0, 1000"),
        (file_of({"x": entry("BOOL", (8,))}, b"\2" * 8), "is neither true nor false"),
    ],
)
def test_a_damaged_header_is_refused(content, told, refusal):
    assert told in refusal(content)


def test_a_file_cut_short_anywhere_is_refused(refusal):
    content = save(TENSORS, {"who": "me"})
    for size in range(1, len(content)):
        refusal(content[:size])


def test_nothing_is_set_aside_for_a_size_that_is_only_declared(tmp_path):
    path = tmp_path / "sparse"
    path.write_bytes(file_of({"x": entry("U8", (2**36,), (0, 2**36))}, b""))
    os.truncate(path, path.stat().st_size + 2**36)  # a hole: 64 GB that take no room
    assert map_safetensors(path).tensors["x"][-1] == 0
