"""The C of this folder, compiled for this machine on first use and kept in the user's cache."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import threading
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
    """Whether the C computes these: on a CPU, in float32, not while torch exports a graph."""
    return (
        all(x.device.type == "cpu" and x.dtype == torch.float32 for x in tensors)
        and not torch.compiler.is_exporting()
        and library() is not None
    )


@cache
def library() -> ctypes.CDLL | None:
    """The loaded library; None without a C compiler, or where the environment forbids it.

    Compiling takes some seconds, once for each machine and version. The functions of OpenMP are
    those of the library that torch has loaded already, so that both share one set of threads.
    """
    compiler = shutil.which(os.environ.get("CC", "cc"))
    openmp = hasattr(ctypes.CDLL(None), "GOMP_parallel")
    if os.environ.get(SWITCH) == "0" or compiler is None or not openmp:
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


def _loaded(compiler: str, here: Path, kept: Path) -> ctypes.CDLL:
    """What is kept, or, where there is nothing or it is damaged, what is compiled now."""
    try:
        return ctypes.CDLL(str(kept))
    except OSError:
        _compile(compiler, here, kept)
        return ctypes.CDLL(str(kept))


def _processor() -> list[str]:
    """What ``-march=native`` depends on: machines may share a home folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return [platform.machine(), *sorted({line for line in lines if line.startswith("flags")})]


def _compile(compiler: str, here: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        fresh = Path(folder) / kept.name
        objects = [str(Path(folder) / f"{name}.o") for name in SOURCES]
        commands = [
            [compiler, *FLAGS, "-c", str(here / name), "-o", made]
            for name, made in zip(SOURCES, objects, strict=True)
        ]
        # Linked without -fopenmp: a second OpenMP beside torch's would fight it for the cores.
        for command in (*commands, [compiler, "-shared", *objects, "-o", str(fresh), "-lm"]):
            subprocess.run(command, check=True, capture_output=True)
        fresh.replace(kept)  # whole or not at all, whoever else compiles it now


def threads(clips: int) -> int:
    """Torch's, but none without a clip."""
    return max(1, min(torch.get_num_threads(), clips, MOST_THREADS))


def address(x: Tensor | None) -> int | None:
    """Of a contiguous tensor's first element."""
    return None if x is None else x.data_ptr()


class Workspace(threading.local):
    """Memory of a thread, kept between calls: to get it anew would cost more than to use it."""

    memory: Tensor | None = None

    def of(self, floats: int) -> int:
        """The address of at least so many floats, good until this thread asks again."""
        if self.memory is None or self.memory.numel() < floats:
            self.memory = torch.empty(floats)
        return self.memory.data_ptr()


WORKSPACE = Workspace()
