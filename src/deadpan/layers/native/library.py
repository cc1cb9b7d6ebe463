"""The C library of this folder, compiled for this machine on first use and cached."""

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
"""Environment variable; with the value 0 nothing is compiled or loaded."""
MAX_THREADS = 64
"""As in ``simd.h``."""
SOURCES = ("encoder_layer.c", "gru.c")
FLAGS = "-std=gnu11 -O3 -march=native -fno-math-errno -fno-trapping-math -fopenmp -fPIC".split()
SIZES = (
    "encoder_layer_size",
    "encoder_layer_saved",
    "encoder_layer_workspace",
    "gru_size",
    "gru_workspace",
)
"""Functions that return 64-bit sizes; the others return 0, or 1 for a mask they refuse."""


def native(*tensors: Tensor) -> bool:
    """Whether the C kernels can be used: CPU, float32, a compiler, neither autocast nor export."""
    return (
        all(x.is_cpu and x.dtype == torch.float32 for x in tensors)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_exporting()
        and library() is not None
    )


@cache
def library() -> ctypes.CDLL | None:
    """Load the library, compiling it if need be.

    Compiling takes some seconds, once for each machine and version. OpenMP comes from the library
    that torch has loaded already, so that both share one pool of threads.

    Returns:
        None without a C compiler that works, or where the environment variable forbids it.
    """
    compiler = shlex.split(os.environ.get("CC", "cc"))
    openmp = hasattr(ctypes.CDLL(None), "GOMP_parallel")
    if os.environ.get(SWITCH) == "0" or not (compiler and shutil.which(compiler[0]) and openmp):
        return None
    folder = Path(__file__).parent
    texts = [path.read_bytes() for path in sorted(folder.glob("*.[ch]"))]
    key = hashlib.sha256(repr([texts, FLAGS, compiler, _processor()]).encode()).hexdigest()[:16]
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        loaded = _load(compiler, folder, Path(base) / "deadpan" / f"native-{key}.so")
    except (OSError, RuntimeError, subprocess.CalledProcessError):  # no home, no space, no OpenMP
        return None
    for name in SIZES:
        getattr(loaded, name).restype = ctypes.c_int64
    return loaded


def _load(compiler: Sequence[str], folder: Path, cached: Path) -> ctypes.CDLL:
    """Load the cached library; compile it where it is absent or damaged."""
    try:
        return ctypes.CDLL(str(cached))
    except OSError:
        if cached.with_suffix(".unusable").exists():
            raise
    return _compile(compiler, folder, cached)


def _processor() -> list[str]:
    """Describe the processor that ``-march=native`` means: machines may share a home folder."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    keys = ("flags", "Features", "CPU")  # of x86, of ARM
    return [platform.machine(), *sorted({line for line in lines if line.startswith(keys)})]


def _compile(compiler: Sequence[str], folder: Path, cached: Path) -> ctypes.CDLL:
    cached.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached.parent, prefix="compiling-") as temporary:
        fresh = Path(temporary) / cached.name
        objects = [str(Path(temporary) / f"{name}.o") for name in SOURCES]
        commands = [
            [*FLAGS, "-c", str(folder / name), "-o", target]
            for name, target in zip(SOURCES, objects, strict=True)
        ]
        # Linked without -fopenmp: a second OpenMP beside torch's would fight it for the cores.
        for arguments in (*commands, ["-shared", *objects, "-o", str(fresh), "-lm"]):
            subprocess.run([*compiler, *arguments], check=True, capture_output=True)
        try:
            loaded = ctypes.CDLL(str(fresh))
        except OSError:  # another OpenMP, or a folder whose files may not run: do not try again
            cached.with_suffix(".unusable").touch()
            raise
        fresh.replace(cached)  # atomic, whoever else compiles it now
    return loaded


def run(name: str, arguments: ctypes.Structure, *, backward: bool) -> None:
    """Call the C function ``NAME_run`` with a workspace and at most one thread per clip.

    Raises:
        ValueError: a real step stands behind padding.
    """
    lib, pointer = library(), ctypes.byref(arguments)
    assert lib is not None
    arguments.threads = max(1, min(torch.get_num_threads(), arguments.clips, MAX_THREADS))
    floats = getattr(lib, f"{name}_workspace")(pointer, backward)
    arguments.workspace = WORKSPACE.at_least(floats)
    if getattr(lib, f"{name}_run")(pointer, backward):
        raise ValueError(
            "a mask has a real step behind padding; padding must stand last: use front_aligned"
        )


def checked(x: Tensor, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Check shape, type and device of a tensor, since C cannot, and make it contiguous.

    Raises:
        ValueError: shape or type differ, or the tensor is not on the CPU.
    """
    if x.shape != shape or x.dtype != dtype or not x.is_cpu:
        raise ValueError(
            f"got {x.dtype} {list(x.shape)} on {x.device}, wanted {dtype} {list(shape)} on cpu"
        )
    return x.contiguous()


def address(x: Tensor | None) -> int | None:
    """Address of a contiguous tensor's first number; None for None."""
    return None if x is None else x.data_ptr()


class Workspace(threading.local):
    """Scratch memory of a thread, kept between calls: allocating it costs more than using it."""

    memory: Tensor | None = None

    def at_least(self, floats: int) -> int:
        """Address of memory for at least so many floats, valid until this thread's next call."""
        if self.memory is None or self.memory.numel() < floats:
            self.memory = torch.empty(floats, dtype=torch.float32, device="cpu")
        return self.memory.data_ptr()


WORKSPACE = Workspace()
