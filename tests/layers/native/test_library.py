"""The C is loaded from the package's own folder; where it is refused, torch computes."""

import ctypes
import os
import shutil
import subprocess

import numpy.random
import pytest
import torch

from deadpan.layers.native import library as module
from deadpan.layers.native.build import INSTRUCTIONS, LIBRARY, NOT_BUILT
from deadpan.layers.native.encoder_layer import EncoderLayerArguments
from deadpan.layers.native.gru import GRUArguments
from deadpan.layers.native.library import checked, kernels, library, native, run
from deadpan.layers.recurrent import MaskedGRU
from deadpan.layers.transformer import Encoder, EncoderLayer

load_anew = module._library_or_reason.__wrapped__
BUILT = module.FOLDER
needs_library = pytest.mark.skipif(library() is None, reason="the C is not compiled here")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of the package, without a library."""
    monkeypatch.delenv(module.SWITCH, raising=False)
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.skipif(os.environ.get("CI") != "true", reason="only there it is known to be compiled")
def test_it_is_there_where_a_compiler_is():
    expected = os.environ.get(module.SWITCH) != "0" and shutil.which(os.environ.get("CC", "cc"))
    assert (library() is not None) == bool(expected), kernels()


@needs_library
def test_structures_are_of_one_size_on_both_sides():
    functions = library().functions
    assert functions["encoder_layer_size"]() == ctypes.sizeof(EncoderLayerArguments)
    assert functions["gru_size"]() == ctypes.sizeof(GRUArguments)


def outcome_of_layers():
    """Outputs and gradients of layers whose widths have tails, with two threads' worth of clips."""
    torch.manual_seed(0)
    layer, gru = EncoderLayer(20, 5, residual_dropout=0.2, relu_dropout=0.2), MaskedGRU(20, 13)
    x = torch.randn(3, 70, 20, requires_grad=True)
    mask = torch.arange(70) < torch.tensor([[70], [9], [0]])
    out = layer(x, mask, None, mask, attention_dropout=0.2, mask_future=True)
    states = gru(out, mask)
    loss = (states * torch.linspace(-1, 1, states.numel()).view_as(states)).sum()
    return states, torch.autograd.grad(loss, [x, *layer.parameters(), *gru.parameters()])


@needs_library
@pytest.mark.parametrize("instructions", INSTRUCTIONS)
def test_every_set_of_instructions_computes_the_same(monkeypatch, instructions):
    expected = outcome_of_layers()
    monkeypatch.setenv(module.SWITCH, instructions)
    forced = load_anew()
    sets = list(INSTRUCTIONS)
    assert sets.index(forced.instructions) >= sets.index(instructions)
    calls = []

    def counted(name, function):
        return lambda *arguments: (calls.append(name), function(*arguments))[1]

    functions = {name: counted(name, f) for name, f in forced.functions.items()}
    counting = module.Library(forced.instructions, functions)
    monkeypatch.setattr(module, "_library_or_reason", lambda: counting)
    torch.testing.assert_close(outcome_of_layers(), expected, atol=1e-5, rtol=1e-4)
    assert {*calls} >= {"encoder_layer_run", "gru_run"}


def test_the_environment_switches_it_off(folder, monkeypatch):
    monkeypatch.setenv(module.SWITCH, "0")
    assert load_anew() == "DEADPAN_NATIVE=0"


def test_what_was_not_compiled_is_not_compiled_now_nor_searched_for(folder, tmp_path, monkeypatch):
    cache = tmp_path / "elsewhere"
    (cache / "deadpan").mkdir(parents=True)
    if (BUILT / LIBRARY).exists():
        shutil.copy(BUILT / LIBRARY, cache / "deadpan")
    for name in ("HOME", "XDG_CACHE_HOME", "LD_LIBRARY_PATH"):
        monkeypatch.setenv(name, str(cache))
    monkeypatch.chdir(cache / "deadpan")
    monkeypatch.setattr(subprocess, "Popen", None)
    assert "install deadpan again, with a C compiler" in load_anew()
    (folder / NOT_BUILT).write_text("no C compiler: cc: No such file or directory\n")
    assert load_anew() == (
        "the C was not compiled at installation: no C compiler: cc: No such file or directory"
    )


def test_what_is_no_library_is_refused(folder):
    (folder / LIBRARY).write_bytes(b"no library")
    assert load_anew().startswith("kernels.so cannot be loaded: ")


def test_a_library_that_lacks_our_functions_is_refused(folder):
    (folder / LIBRARY).symlink_to(numpy.random.bit_generator.__file__)
    assert load_anew() == "kernels.so lacks our functions; install deadpan again"


@needs_library
def test_a_library_that_was_cut_off_is_refused_before_it_ends_the_process(folder):
    content = (BUILT / LIBRARY).read_bytes()
    for length in (0, 20, len(content) // 2, len(content) - 1):
        (folder / LIBRARY).write_bytes(content[:length])
        assert load_anew().startswith("kernels.so cannot be loaded: ")


@needs_library
def test_a_library_of_other_sources_is_refused(folder, monkeypatch):
    shutil.copy(BUILT / LIBRARY, folder)
    assert isinstance(load_anew(), module.Library)
    monkeypatch.setattr(module, "source_hash", lambda: "of an edited source")
    assert load_anew() == (
        "kernels.so was compiled from other sources than these; install deadpan again"
    )


def test_where_it_is_refused_torch_computes(folder, monkeypatch):
    expected = outcome_without_dropout()
    monkeypatch.setattr(module, "_library_or_reason", load_anew)
    assert library() is None
    assert kernels().startswith("torch: the C was not compiled")
    assert not native(torch.zeros(1))
    torch.testing.assert_close(outcome_without_dropout(), expected, atol=1e-5, rtol=1e-4)


def outcome_without_dropout():
    torch.manual_seed(0)
    encoder, gru = Encoder(8, 2, 2).eval(), MaskedGRU(8, 8)
    x, mask = torch.randn(3, 6, 8), torch.arange(6) < torch.tensor([[6], [2], [0]])
    return encoder(gru(x, mask), mask)


@needs_library
def test_a_forked_process_computes_on_one_thread(monkeypatch):
    """OpenMP's threads do not follow into it, and waiting for them would never end."""
    asked = []

    def workspace(pointer, backward):
        asked.append(pointer._obj.threads)
        return 0

    functions = {"gru_workspace": workspace, "gru_run": lambda *_: 0}
    monkeypatch.setattr(module, "_library_or_reason", lambda: module.Library("avx2", functions))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    for process in (os.getpid(), os.getpid() + 1):
        monkeypatch.setattr(module, "_IMPORTED_BY", process)
        run("gru", GRUArguments(1, 5, 8), backward=False)
    assert asked == [2, 1]


def test_what_it_is_for():
    x = torch.zeros(1)
    assert native(x) == (library() is not None)
    assert not native(x.double())
    assert not native(x, x.to("meta"))
    with torch.autocast("cpu"):
        assert not native(x)


@pytest.mark.parametrize(
    "x", [torch.zeros(2, 3), torch.zeros(3, 2, 1), torch.zeros(3, 2).double()], ids=str
)
def test_what_does_not_fit_is_refused_with_what_was_wanted(x):
    with pytest.raises(ValueError, match=r"wanted torch.float32 \[3, 2\] on cpu"):
        checked(x, 3, 2)
    turned = torch.zeros(2, 3).t()
    assert checked(turned, 3, 2).is_contiguous()
