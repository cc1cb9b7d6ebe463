"""The C library of this folder, which ``build.py`` compiled when deadpan was installed."""

import ctypes
import dataclasses
import os
import struct
import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deadpan.layers.exporting import is_exporting
from deadpan.layers.native.build import FOLDER, INSTRUCTIONS, LIBRARY, NOT_BUILT, source_hash

SWITCH = "DEADPAN_NATIVE"
"""Environment variable: 0 loads nothing; avx2 and baseline use no better instructions than that."""
MAX_THREADS = 64
"""As in ``simd.h``."""
SIZES = (
    "encoder_layer_size",
    "encoder_layer_saved",
    "encoder_layer_workspace",
    "gru_size",
    "gru_workspace",
)
"""Functions that return 64-bit sizes; the others return 0, or 1 for a mask they refuse."""
RUNS = ("encoder_layer_run", "gru_run")

_IMPORTED_BY = os.getpid()


@dataclasses.dataclass(frozen=True)
class Library:
    """The loaded library.

    Attributes:
        instructions: the set in use, of ``INSTRUCTIONS``.
        functions: those in ``SIZES`` and ``RUNS``, for these instructions.
    """

    instructions: str
    functions: Mapping[str, Callable[..., Any]]


def native(*tensors: Tensor) -> bool:
    """Whether the C kernels can be used: CPU, float32, built, neither autocast nor export."""
    return (
        all(x.is_cpu and x.dtype == torch.float32 for x in tensors)
        and not torch.is_autocast_enabled("cpu")
        and not is_exporting()
        and library() is not None
    )


def library() -> Library | None:
    """The library; None where torch computes, for the reason that ``kernels`` gives."""
    outcome = _library_or_reason()
    return outcome if isinstance(outcome, Library) else None


def kernels() -> str:
    """The instructions that the C kernels use, or why torch computes."""
    outcome = _library_or_reason()
    return outcome.instructions if isinstance(outcome, Library) else f"torch: {outcome}"


@cache
def _library_or_reason() -> Library | str:
    """Load the library from this folder, and from nowhere else, or say why it is not used.

    OpenMP comes from the library that torch has loaded already, so that both share one pool of
    threads; without one the system refuses to load ours.
    """
    switch = os.environ.get(SWITCH)
    if switch == "0":
        return f"{SWITCH}=0"
    path = FOLDER / LIBRARY
    try:
        if not path.is_file():
            reason = path.with_name(NOT_BUILT).read_text(encoding="utf-8").strip()
            return f"the C was not compiled at installation: {reason}"
        _check_complete(path)
        loaded = ctypes.CDLL(str(path))
        loaded.native_source_hash.restype = ctypes.c_char_p
        if loaded.native_source_hash().decode() != source_hash():
            return f"{LIBRARY} was compiled from other sources than these; install deadpan again"
        names = list(INSTRUCTIONS)
        best = loaded.native_best()
        chosen = names[max(best, names.index(switch) if switch in names else 0)]
        functions = {name: getattr(loaded, f"{name}_{chosen}") for name in (*SIZES, *RUNS)}
    except FileNotFoundError:
        return "the C was not compiled at installation; install deadpan again, with a C compiler"
    except (OSError, ValueError) as error:
        return f"{LIBRARY} cannot be loaded: {error}"
    except AttributeError:
        return f"{LIBRARY} lacks our functions; install deadpan again"
    for name in SIZES:
        functions[name].restype = ctypes.c_int64
    return Library(chosen, functions)


def _check_complete(path: Path) -> None:
    """Refuse a file that was cut off: using what it lacks would end the process.

    Raises:
        ValueError: the table at the end of an ELF file is not there.
    """
    content = path.read_bytes()
    if content[:5] == b"\x7fELF\x02" and len(content) >= 64:
        (table,), (size, count) = (
            struct.unpack_from(form, content, at) for form, at in (("=Q", 40), ("=HH", 58))
        )
        if table + size * count > len(content):
            raise ValueError("it was cut off; install deadpan again")


def run(name: str, arguments: ctypes.Structure, *, backward: bool) -> None:
    """Call the C function ``NAME_run`` with a workspace and at most one thread per clip.

    Raises:
        ValueError: a real step stands behind padding.
    """
    lib, pointer = library(), ctypes.byref(arguments)
    assert lib is not None
    # OpenMP's threads are not there in a forked process, which would wait for them forever.
    threads = torch.get_num_threads() if os.getpid() == _IMPORTED_BY else 1
    arguments.threads = max(1, min(threads, arguments.clips, MAX_THREADS))
    floats = lib.functions[f"{name}_workspace"](pointer, backward)
    arguments.workspace = WORKSPACE.at_least(floats)
    if lib.functions[f"{name}_run"](pointer, backward):
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
