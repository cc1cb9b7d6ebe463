"""The C of this folder, compiled for this machine on first use and kept in the user's cache."""

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

SWITCH = "DEADPAN_NATIVE"
"""0 in the environment: nothing is compiled or loaded."""
MOST_THREADS = 64
SOURCES = ("encoder_layer.c", "gru.c")
FLAGS = "-std=gnu11 -O3 -march=native -fno-math-errno -fno-trapping-math -fopenmp -fPIC".split()
SIZES = (
    "encoder_layer_size",
    "encoder_layer_saved",
    "encoder_layer_workspace",
    "gru_scan_size",
    "gru_scan_workspace",
)
"""Functions that return counts; the others return 0, or 1 where they refuse."""


def native(*tensors: Tensor) -> bool:
    """Whether the C computes these: on a CPU, in float32; no autocast, no graph to be exported."""
    return (
        all(x.is_cpu and x.dtype == torch.float32 for x in tensors)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_exporting()
        and library() is not None
    )


@cache
def library() -> ctypes.CDLL | None:
    """The loaded library; None without a C compiler, or where the environment forbids it.

    Compiling takes some seconds, once for each machine and version. The functions of OpenMP are
    those of the library that torch has loaded already, so that both share one set of threads.
    """
    compiler = shlex.split(os.environ.get("CC", "cc"))
    openmp = hasattr(ctypes.CDLL(None), "GOMP_parallel")
    if os.environ.get(SWITCH) == "0" or not (compiler and shutil.which(compiler[0]) and openmp):
        return None
    here = Path(__file__).parent
    texts = [path.read_bytes() for path in sorted(here.glob("*.[ch]"))]
    key = hashlib.sha256(repr([texts, FLAGS, compiler, _processor()]).encode()).hexdigest()[:16]
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        loaded = _loaded(compiler, here, Path(base) / "deadpan" / f"native-{key}.so")
    except (OSError, RuntimeError, subprocess.CalledProcessError):  # no home, no room, no OpenMP
        return None
    for name in SIZES:
        getattr(loaded, name).restype = ctypes.c_int64
    return loaded


def _loaded(compiler: Sequence[str], here: Path, kept: Path) -> ctypes.CDLL:
    """What is kept, or, where there is nothing or it is damaged, what is compiled now."""
    try:
        return ctypes.CDLL(str(kept))
    except OSError:
        if kept.with_suffix(".unusable").exists():
            raise
    return _compiled(compiler, here, kept)


def _processor() -> list[str]:
    """What ``-march=native`` depends on: machines may share a home folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = ("flags", "Features", "CPU")  # of x86, of ARM
    return [platform.machine(), *sorted({line for line in lines if line.startswith(told)})]


def _compiled(compiler: Sequence[str], here: Path, kept: Path) -> ctypes.CDLL:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent, prefix="compiling-") as folder:
        fresh = Path(folder) / kept.name
        objects = [str(Path(folder) / f"{name}.o") for name in SOURCES]
        commands = [
            [*FLAGS, "-c", str(here / name), "-o", made]
            for name, made in zip(SOURCES, objects, strict=True)
        ]
        # Linked without -fopenmp: a second OpenMP beside torch's would fight it for the cores.
        for arguments in (*commands, ["-shared", *objects, "-o", str(fresh), "-lm"]):
            subprocess.run([*compiler, *arguments], check=True, capture_output=True)
        try:
            loaded = ctypes.CDLL(str(fresh))
        except OSError:  # another OpenMP, a folder whose files may not run: so it would stay
            kept.with_suffix(".unusable").touch()
            raise
        fresh.replace(kept)  # whole or not at all, whoever else compiles it now
    return loaded


def run(name: str, given: ctypes.Structure, *, back: bool) -> None:
    """Call ``NAME_run`` with as many of torch's threads as there are clips, and its workspace.

    Raises:
        ValueError: a real step stands behind padding.
    """
    lib, it = library(), ctypes.byref(given)
    assert lib is not None
    given.threads = max(1, min(torch.get_num_threads(), given.clips, MOST_THREADS))
    given.workspace = WORKSPACE.of(getattr(lib, f"{name}_workspace")(it, back))
    if getattr(lib, f"{name}_run")(it, back):
        raise ValueError(
            "a mask has a real step behind padding; padding must stand last: use front_aligned"
        )


def checked(x: Tensor, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The tensor, its numbers one behind the other; C would read whatever it is given.

    Raises:
        ValueError: it is of another shape or type, or not on the CPU.
    """
    if x.shape != shape or x.dtype != dtype or not x.is_cpu:
        raise ValueError(
            f"got {x.dtype} {list(x.shape)} on {x.device}, wanted {dtype} {list(shape)} on cpu"
        )
    return x.contiguous()


def address(x: Tensor | None) -> int | None:
    """Of a contiguous tensor's first number."""
    return None if x is None else x.data_ptr()


class Workspace(threading.local):
    """Memory of a thread, kept between calls: to get it anew would cost more than to use it."""

    memory: Tensor | None = None

    def of(self, floats: int) -> int:
        """The address of at least so many floats, good until this thread asks again."""
        if self.memory is None or self.memory.numel() < floats:
            self.memory = torch.empty(floats, dtype=torch.float32, device="cpu")
        return self.memory.data_ptr()


WORKSPACE = Workspace()
