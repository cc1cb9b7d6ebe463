"""What this machine can do: products, exponentials and copies, as many a second as it ever did."""

import time
from collections.abc import Callable

import torch

CPU = torch.device("cpu")
LARGE = 1024
COPIED = 1 << 26
"""Floats, 256 MB: no cache holds them."""


def wait(device: torch.device) -> None:
    """Until what was asked of a GPU is done; a CPU is asked for nothing in advance."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def best(call: Callable[[], object], seconds: float, device: torch.device = CPU) -> float:
    """The least seconds of a call, of as many as fit in a time; at least three."""
    call()
    wait(device)
    found: list[float] = []
    end = time.perf_counter() + seconds
    while len(found) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        wait(device)
        found.append(time.perf_counter() - start)
    return min(found)


def product(
    shape: tuple[int, ...],
    other: tuple[int, ...],
    seconds: float,
    *,
    device: torch.device = CPU,
    dtype: torch.dtype = torch.float32,
) -> float:
    """Operations a second of a (batched) product."""
    x, y = (torch.randn(size, device=device, dtype=dtype) for size in (shape, other))
    out = torch.matmul(x, y)
    operations = 2.0 * out.numel() * shape[-1]
    return operations / best(lambda: torch.matmul(x, y, out=out), seconds, device)


def weights(shape: tuple[int, ...], seconds: float) -> float:
    """Attention weights a second: scores to softmax, and its gradient."""
    scores = torch.randn(shape, requires_grad=True)
    gradient = torch.randn(shape)

    def both() -> None:
        scores.softmax(-1).backward(gradient)
        scores.grad = None

    return scores.numel() / best(both, seconds)


def copied(floats: int, seconds: float, device: torch.device = CPU) -> float:
    """Bytes a second, those read and those written."""
    source, target = torch.ones(floats, device=device), torch.empty(floats, device=device)
    return 2 * 4 * floats / best(lambda: target.copy_(source), seconds, device)


def rates(threads: int, batch: int, steps: int, *, seconds: float = 0.5) -> dict[str, float]:
    """Of large products and copies, and at the shapes that HCT-MG of width 40 has.

    Args:
        threads: of torch.
        batch: clips.
        steps: of the longest modality, on average.
        seconds: for each figure.
    """
    torch.set_num_threads(threads)
    rows, heads = batch * steps, batch * 5
    return {
        "large": product((LARGE, LARGE), (LARGE, LARGE), seconds),
        "memory": copied(COPIED, seconds),
        "products": product((rows, 40), (40, 160), seconds),
        "attention": product((heads, steps, 8), (heads, 8, steps), seconds),
        "scan": product((3, 120, 40), (3, 40, batch), seconds),
        "weights": weights((heads, steps, steps), seconds),
    }
