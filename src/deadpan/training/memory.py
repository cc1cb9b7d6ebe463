"""The memory that training wants, beside what there is: asked before anything is written."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from deadpan.errors import DeadpanError
from deadpan.threads import control_groups

COPIES = 5
"""Tensors of the size of each parameter: itself, its gradient, Adam's two moments, the best."""
AVERAGE_COPIES = 2
"""Further ones for an average of the weights: itself, and the weights while it is validated."""

CGROUP_2 = ("memory.max", "memory.current", "inactive_file")
CGROUP_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
"""Of a control group: files of its limit and its use, and the entry of copies in the latter."""


@contextmanager
def without_memory() -> Generator[None, None, None]:
    """What is built has shapes and no memory, and draws nothing from a generator."""
    with torch.device("meta"), _Unfilled():
        yield


class _Unfilled(TorchFunctionMode):
    """Leaves out a filling that torch, for want of memory, would import sympy for: a second."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - as torch has it
        """Call a function of torch."""
        return args[0] if func is torch.Tensor.normal_ else func(*args, **(kwargs or {}))


def refuse_too_large(model: nn.Module, processes: int, *, average: bool) -> None:
    """Raise DeadpanError if a model is too large to be trained in the memory of this machine.

    Args:
        model: may have been built :func:`without_memory`.
        processes: that train it at once on this machine.
        average: whether an average of its weights is computed (``Settings.ema``).
    """
    copies = COPIES + (AVERAGE_COPIES if average else 0)
    wanted = processes * copies * sum(p.numel() * p.element_size() for p in model.parameters())
    there = free_memory()
    if there is not None and wanted > there:
        raise DeadpanError(
            f"{type(model).__name__} of these sizes has "
            f"{sum(p.numel() for p in model.parameters()):,} parameters; training it wants "
            f"{wanted / 1e9:,.1f} GB of memory, and {there / 1e9:,.1f} GB are free; choose smaller "
            f"sizes (--model.NAME)"
        )


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process may still take; None where the system does not say.

    Args:
        root: where ``proc`` and ``sys`` stand.
    """
    free: list[int] = []
    with suppress(OSError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free.append(int(line.split()[1]) * 1024)
    for group in control_groups("memory", root):
        for names in (CGROUP_2, CGROUP_1):
            with suppress(OSError, ValueError):  # the other version; "max" is no limit
                limit, used = (int((group / name).read_text()) for name in names[:2])
                # Copies of files are given up for whoever wants memory.
                stat = dict(map(str.split, (group / "memory.stat").read_text().splitlines()))
                free.append(max(0, limit - used + int(stat.get(names[2], 0))))
    return min(free, default=None)


def too_much_memory(error: BaseException) -> str | None:
    """What an allocator could not give, in words; None for any other error."""
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError):
        return text.partition("\n")[0]
    for sign in ("can't allocate memory: ", "not enough memory: "):
        if isinstance(error, RuntimeError) and sign in text:
            return text.partition(sign)[2].partition("\n")[0]
    if isinstance(error, MemoryError):
        return text or "memory is full"
    return None
