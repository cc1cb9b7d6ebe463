"""The C is compiled once for a machine, and where it cannot be, torch computes."""

import ctypes
import os
import shutil
import subprocess
import sys

import pytest
import torch

from deadpan.layers.native import library as module
from deadpan.layers.native.encoder_layer import EncoderLayerArguments
from deadpan.layers.native.gru import GRUArguments
from deadpan.layers.native.library import checked, library, native

compile_anew = library.__wrapped__


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "deadpan"


def test_it_is_there_where_a_compiler_is():
    expected = os.environ.get(module.SWITCH) != "0" and shutil.which(os.environ.get("CC", "cc"))
    assert (library() is not None) == bool(expected)


@pytest.mark.skipif(library() is None, reason="needs a C compiler")
def test_structures_are_of_one_size_on_both_sides():
    assert library().encoder_layer_size() == ctypes.sizeof(EncoderLayerArguments)
    assert library().gru_size() == ctypes.sizeof(GRUArguments)


@pytest.mark.skipif(library() is None, reason="needs a C compiler")
def test_what_was_compiled_is_kept_and_found_again(cache, tmp_path, monkeypatch):
    assert compile_anew() is not None
    (cached,) = cache.iterdir()
    monkeypatch.setattr(module, "_compile", None)
    # Elsewhere: a library that is loaded already is found by its name.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(TypeError):
        compile_anew()
    (tmp_path / "elsewhere").mkdir()
    shutil.copytree(cache, tmp_path / "elsewhere" / "deadpan")
    assert compile_anew() is not None
    assert cached.is_file()


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_compiler_that_works_there_is_none_and_nothing_is_left(
    cache, monkeypatch, compiler
):
    monkeypatch.setenv("CC", compiler)
    assert compile_anew() is None
    assert not cache.exists() or not [*cache.iterdir()]


def test_where_nothing_can_be_kept_there_is_none(cache):
    cache.write_text("in the way")
    assert compile_anew() is None


@pytest.mark.skipif(library() is None, reason="needs a C compiler")
def test_a_damaged_file_is_compiled_again(cache, monkeypatch):
    name = f"native-{'0' * 16}.so"
    monkeypatch.setattr(module.hashlib, "sha256", lambda _: Named())
    cache.mkdir()
    (cache / name).write_bytes(b"cut off")
    assert compile_anew() is not None
    assert (cache / name).stat().st_size > 1000
    assert [path.name for path in cache.iterdir()] == [name]


class Named:
    """A hash that is known beforehand."""

    def hexdigest(self):
        return 64 * "0"


def test_what_compiles_and_does_not_load_is_compiled_once(cache, tmp_path, monkeypatch):
    compiler = tmp_path / "cc"  # writes, for what it is asked to make, what is no library
    compiler.write_text(
        '#!/bin/sh\nfor last; do [ "$before" = -o ] && echo x > "$last"; before=$last; done\n'
    )
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", f"{compiler} --with arguments")
    assert compile_anew() is None
    assert [path.suffix for path in cache.iterdir()] == [".unusable"]
    monkeypatch.setattr(module, "_compile", None)  # it is not tried again
    assert compile_anew() is None


def test_without_a_home_there_is_none(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(module.Path, "home", homeless)
    assert compile_anew() is None


def test_the_environment_switches_it_off(monkeypatch):
    monkeypatch.setenv(module.SWITCH, "0")
    assert compile_anew() is None


def test_what_it_is_for():
    x = torch.zeros(1)
    assert native(x) == (library() is not None)
    assert not native(x.double())
    assert not native(x, x.to("meta"))
    with torch.autocast("cpu"):
        assert not native(x)


def test_layers_compute_the_same_without_it():
    code = (
        "import torch; from deadpan.layers.transformer import Encoder;"
        "from deadpan.layers.recurrent import MaskedGRU; torch.manual_seed(0);"
        "e, g = Encoder(8, 2, 2).eval(), MaskedGRU(8, 8);"
        "x, m = torch.randn(3, 6, 8), torch.arange(6) < torch.tensor([[6], [2], [0]]);"
        "print(*e(g(x, m), m).flatten().tolist())"
    )

    def numbers(switch):
        environment = os.environ | {module.SWITCH: switch}
        call = [sys.executable, "-c", code]
        done = subprocess.run(call, env=environment, capture_output=True, text=True, check=True)
        return [float(word) for word in done.stdout.split()]

    assert len(numbers("0")) == 3 * 6 * 8
    assert numbers("0") == pytest.approx(numbers("1"), abs=1e-5)


@pytest.mark.parametrize(
    "x", [torch.zeros(2, 3), torch.zeros(3, 2, 1), torch.zeros(3, 2).double()], ids=str
)
def test_what_does_not_fit_is_refused_with_what_was_wanted(x):
    with pytest.raises(ValueError, match=r"wanted torch.float32 \[3, 2\] on cpu"):
        checked(x, 3, 2)
    turned = torch.zeros(2, 3).t()
    assert checked(turned, 3, 2).is_contiguous()
