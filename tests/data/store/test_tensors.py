import os
import resource
import shutil
import signal

import numpy as np
import pytest
from safetensors.numpy import load_file

from deadpan.data.readers.store_file import LARGEST_HEADER
from deadpan.data.store.tensors import Tensor, refuse_taken, write_tensors
from deadpan.errors import DataError


def tensor(values, dtype="F32", parts=None):
    return Tensor(dtype=dtype, shape=values.shape, parts=parts or (lambda: iter(values[:, None])))


def parts_of(count):
    values = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    return values, tensor(values)


def refusal(call, *arguments):
    with pytest.raises(DataError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_parts_make_a_file_that_the_library_reads(tmp_path):
    values, parts = parts_of(5)
    odd = np.array([[1], [0], [1]], np.uint8)
    empty = Tensor(dtype="F64", shape=(0, 3), parts=lambda: [np.zeros((0, 3))])
    path = tmp_path / "file"
    write_tensors(path, {"odd": tensor(odd, "U8"), "x": parts, "empty": empty}, {"é": "ü\n"})
    read = load_file(path)
    assert (read["x"] == values).all()
    assert (read["odd"] == odd).all()
    assert read["empty"].shape == (0, 3)
    assert list(tmp_path.iterdir()) == [path]
    head = int.from_bytes(path.read_bytes()[:8], "little")
    assert head % 8 == 0  # and the larger types come first: every tensor is aligned
    assert path.read_bytes()[8 + head :].startswith(values.tobytes())


def test_parts_in_any_order_and_stride_are_written_as_they_look(tmp_path):
    values = np.arange(6, dtype=np.float32).reshape(2, 3).T
    write_tensors(tmp_path / "file", {"x": tensor(values, parts=lambda: [values])}, {})
    assert (load_file(tmp_path / "file")["x"] == values).all()


def test_what_fails_on_the_way_leaves_what_was_there(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def broken():
        yield np.zeros((1, 2), np.float32)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tensors(path, {"x": tensor(np.zeros((2, 2)), parts=broken)}, {})
    short = tensor(np.zeros((2, 2)), parts=lambda: [np.zeros((1, 2))])
    assert "'x' changed while it was written" in refusal(write_tensors, path, {"x": short}, {})
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_gets_full_is_told_in_one_line(tmp_path):
    path = tmp_path / "file"
    _, parts = parts_of(200_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        text = refusal(write_tensors, path, {"x": parts}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert text.startswith(f"{path}: cannot be written (File too large); free some space")
    assert list(tmp_path.iterdir()) == []


def test_too_little_space_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))
    text = refusal(write_tensors, tmp_path / "file", {"x": parts_of(500_000)[1]}, {})
    assert "needs 4.0 MB, and 0.0 MB are free" in text
    assert list(tmp_path.iterdir()) == []


def test_a_header_that_could_not_be_read_again_is_not_written(tmp_path):
    long = "x" * LARGEST_HEADER
    assert "at most 1048576" in refusal(write_tensors, tmp_path / "file", {}, {"long": long})
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_nothing_but_what_the_next_one_removes(tmp_path):
    path, others = tmp_path / "f[1]", tmp_path / ".f[1].other.tmp"
    others.touch()

    hears, tells = os.pipe()

    def interrupted():
        yield np.zeros((1 << 20, 2), np.float32)
        os.write(tells, b"a part is written")
        signal.pause()

    if not (child := os.fork()):
        try:
            write_tensors(path, {"x": tensor(np.zeros((1 << 22, 2)), parts=interrupted)}, {})
        finally:
            os._exit(1)
    os.close(tells)
    assert os.read(hears, 99) == b"a part is written"
    os.close(hears)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    left = tmp_path / f".f[1].{child}.tmp"
    assert set(tmp_path.iterdir()) == {left, others}
    assert left.stat().st_size
    assert not path.exists()
    write_tensors(path, {"x": parts_of(1)[1]}, {})
    assert set(tmp_path.iterdir()) == {path, others}


def test_a_path_where_no_file_can_be_made_is_refused(tmp_path, monkeypatch):
    taken, dangling = tmp_path / "taken", tmp_path / "dangling"
    taken.touch()
    dangling.symlink_to("nowhere")
    for path in (taken, tmp_path, dangling):
        assert refusal(refuse_taken, path).startswith(f"{path}: exists already")
    assert "no directory" in refusal(refuse_taken, tmp_path / "none" / "file")
    assert "no directory" in refusal(refuse_taken, taken / "file")
    assert "File name too long" in refusal(refuse_taken, tmp_path / ("x" * 300))
    refuse_taken(tmp_path / "free")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "no permission" in refusal(refuse_taken, tmp_path / "free")
