"""What every test stands on: one thread, no display, one seed, and the clips in ../shared."""

import functools
import gc
import inspect
import os
import random
import sys
import tempfile
from importlib.machinery import SourceFileLoader
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import ForwardRef, Literal, NoReturn, get_args, get_origin
from unittest import mock

# Before anything imports torch or matplotlib. Whatever the environment says: sums round otherwise
# with another number of threads, and workers share the cores.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "agg"

# Processes that tests start find the package compiled; else each would compile it for itself.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import hypothesis
import jaxtyping
import pytest
from jaxtyping import config
from jaxtyping._import_hook import _JaxtypingLoader, _optimized_cache_from_source
from jaxtyping._storage import pop_shape_memo, push_shape_memo

IN_CI = os.environ.get("CI") == "true"

# Tests write 20,000 small files, have many of them synced, and delete them all: in memory, where
# that has room and compiled code may stand there, none of it waits for a disk.
MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and MEMORY.is_dir():
    space = os.statvfs(MEMORY)
    if space.f_bavail * space.f_frsize > 2**32 and not space.f_flag & os.ST_NOEXEC:
        tempfile.tempdir = os.environ["TMPDIR"] = str(MEMORY)

# The first example pays for imports, and the machine may be busy: time says nothing here, neither
# of one example nor of how fast examples are drawn. Every run draws the same ones.
hypothesis.settings.register_profile(
    "house",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("house")


def get_code(loader, name):
    """The bytecode of a module of ours, in a file that bears jaxtyping's name for it.

    jaxtyping's loader looks under such a name for whatever is imported while a module of ours is
    executed, and so would compile torch and sympy anew in every process, which takes seconds.
    """
    of_ours = functools.partial(_optimized_cache_from_source, loader._typechecker.get_hash())
    with mock.patch("importlib._bootstrap_external.cache_from_source", of_ours):
        return SourceFileLoader.get_code(loader, name)


_JaxtypingLoader.get_code = get_code
_JaxtypingLoader.exec_module = SourceFileLoader.exec_module

jaxtyped = jaxtyping.jaxtyped


def is_quoted(hint):
    """Whether a type is in quotes, or holds one that is: ``"Clip"``, ``list["Clip"]``."""
    if isinstance(hint, str | ForwardRef):
        return True
    return get_origin(hint) is not Literal and any(map(is_quoted, get_args(hint)))


def jaxtyped_once(fn=None, *, typechecker):
    """``jaxtyping.jaxtyped``, which checks as much of a call, arguments once instead of twice.

    jaxtyping binds the arguments of every call to the signature, for messages and for axes named
    ``{argument}``, which we have none of; it then has arguments checked before the call, and again
    with what it returns. Two kinds of functions stay jaxtyping's: generators, since beartype by
    itself would check what they yield, and those with types in quotes, which it would insist on.
    """
    if fn is None:
        return functools.partial(jaxtyped_once, typechecker=typechecker)
    if (
        not inspect.isfunction(fn)
        or inspect.isgeneratorfunction(fn)
        or any(map(is_quoted, fn.__annotations__.values()))
    ):
        return jaxtyped(fn, typechecker=typechecker)
    checked = typechecker(fn)

    @functools.wraps(fn)
    def call(*args, **kwargs):
        if config.jaxtyping_disable:
            return fn(*args, **kwargs)
        push_shape_memo({})  # an axis has one size in one call
        try:
            return checked(*args, **kwargs)
        finally:
            pop_shape_memo()

    return call


jaxtyping.jaxtyped = jaxtyping._decorator.jaxtyped = jaxtyped_once

# Processes of all tests come from one server, which imports what the first test asks it to. Where
# that test only measured recordings, every run of a later grid would import torch for itself.
IN_PROCESSES = [
    "deadpan.benchmarking.runner",
    "deadpan.extraction.measuring",
    "deadpan.studio.work",
    "sklearn.linear_model",
    "sklearn.metrics",
]
set_forkserver_preload = BaseContext.set_forkserver_preload
BaseContext.set_forkserver_preload = lambda self, _: set_forkserver_preload(self, IN_PROCESSES)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Import and collect without a search for garbage, and leave all that out of later ones."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ../shared with its real clips; skips where it is absent, but fails in CI."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "data").is_dir():
        skip_or_fail(f"needs the real clips in {folder / 'data'}, which is not there")
    return folder


@pytest.fixture(scope="session")
def component():
    """The folder of a component, by name; skips where it was not fetched, but fails in CI."""
    from deadpan.data.components import find_component

    folder = Path(__file__).resolve().parents[1] / "data" / "components"

    def folder_of(name: str) -> Path:
        path = find_component(name).path(folder)
        return path or skip_or_fail(f"needs {folder / name}; run: deadpan components fetch {name}")

    return folder_of


def skip_or_fail(reason: str) -> NoReturn:
    """Skip a test that lacks what it reads; in CI, fail."""
    if IN_CI or os.environ.get("DEADPAN_REQUIRE_SHARED") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(params=["as it is", "without an LSTM in bfloat16"])
def processor(request, monkeypatch):
    """Processors that a test of half precision must hold on: this one, and one without AVX-512."""
    if request.param == "as it is":
        return
    import torch

    from deadpan.layers.recurrent import processor_has_lstm

    computed = torch._VF.lstm

    def refused_in_half_precision(*arguments):
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("could not create a primitive descriptor for the LSTM")
        return computed(*arguments)

    monkeypatch.setattr(torch._VF, "lstm", refused_in_half_precision)
    processor_has_lstm.cache_clear()
    request.addfinalizer(processor_has_lstm.cache_clear)


@pytest.fixture(autouse=True)
def one_seed():
    """What a test draws without a seed of its own depends on no test that ran before it."""
    random.seed(0)
    if torch := sys.modules.get("torch"):
        # torch.manual_seed would note the stack three times, for devices that are not there.
        torch.default_generator.manual_seed(0)


@pytest.fixture(autouse=True)
def one_thread():
    """With another number of threads sums round otherwise, and some test behind would fail."""
    yield
    if torch := sys.modules.get("torch"):
        assert torch.get_num_threads() == 1, "undo torch.set_num_threads"
