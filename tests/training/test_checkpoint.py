import errno
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD, Adam

from deadpan.errors import RunError
from deadpan.files import write_atomically
from deadpan.training.checkpoint import (
    load_tensors,
    nested,
    optimizer_tensors,
    restore_optimizer,
    save_tensors,
    unnested,
)

from .tiny import StopAt, Stopped, run_contents, train


def full(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, b"old and long")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [full, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)])
@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path, monkeypatch, where, error
):
    path = tmp_path / "file"
    write_atomically(path, b"old")
    monkeypatch.setattr(*((os, "fsync") if where == "fsync" else (Path, "replace")), error)
    with pytest.raises((OSError, KeyboardInterrupt)):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_checkpoint_to_go_on_from(tmp_path, monkeypatch):
    out = tmp_path / "run"
    with pytest.raises(Stopped):
        train(out, watch=StopAt(epoch=1))
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            train(out, resume=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    train(out, resume=True)
    train(tmp_path / "whole")
    assert run_contents(out) == run_contents(tmp_path / "whole")


def test_tensors_and_values_come_back_as_they_were(tmp_path):
    path = tmp_path / "x.safetensors"
    tensors = {
        "a/b": torch.randn(3, 2),
        "transposed": torch.arange(6).reshape(2, 3).T,
        "flag": torch.tensor(True),
        "half": torch.randn(2).bfloat16(),
        "scalar": torch.tensor(0.1),
    }
    meta = {"inf": float("inf"), "rows": [{"x": 0.1, "n": 1}], "none": None}
    save_tensors(path, tensors, meta)
    loaded, values = load_tensors(path)
    assert values == meta
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)


@given(st.dictionaries(st.text("ab/", min_size=1, max_size=4), st.just(torch.zeros(1))))
def test_nesting_and_back_is_nothing(tensors):
    both = nested("model", tensors) | nested("models", {"x": torch.ones(1)})
    assert set(unnested("model", both)) == set(tensors)


def test_a_missing_or_foreign_file_is_refused(tmp_path):
    with pytest.raises(RunError, match="no such file"):
        load_tensors(tmp_path / "nothing")
    for content in (b"", b"\x80\x04K\x01.", b"\xff" * 100):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(RunError, match="damaged or not written by deadpan") as caught:
            load_tensors(tmp_path / "file")
        assert "\n" not in str(caught.value)


def test_safetensors_of_another_program_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "file")
    with pytest.raises(RunError, match="not written by deadpan"):
        load_tensors(tmp_path / "file")


@pytest.mark.parametrize("kind", [Adam, lambda p: SGD(p, lr=0.1, momentum=0.9)])
def test_a_restored_optimizer_steps_as_the_first_would_have(kind):
    def step(weights, optimizer):
        optimizer.zero_grad()
        (weights**3).sum().backward()
        optimizer.step()

    first = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    old = kind([first])
    step(first, old)
    old.param_groups[0]["lr"] = 0.007
    second = torch.nn.Parameter(first.detach().clone())
    new = kind([second])
    groups = [
        {k: v for k, v in g.items() if k != "params"} for g in old.state_dict()["param_groups"]
    ]
    restore_optimizer(new, optimizer_tensors(old), groups)
    assert new.param_groups[0]["lr"] == 0.007
    assert all(
        a.data_ptr() != b.data_ptr()
        for a, b in zip(
            optimizer_tensors(old).values(), optimizer_tensors(new).values(), strict=True
        )
    )
    step(first, old)
    step(second, new)
    assert torch.equal(first, second)
