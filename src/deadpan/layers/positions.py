"""Sinusoidal positions."""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor


def sinusoidal_positions(
    steps: int | torch.SymInt, width: int, like: Tensor, *, scale: float = 10_000.0
) -> Float[Tensor, "step width"]:
    """Positions of steps 1, 2, ...: sines in the first half of the channels, cosines in the second.

    The layout of fairseq and MulT (Tsai et al. 2019), not the interleaved one of Vaswani et al.

    Args:
        steps: number of positions.
        width: channels, at least 4; an odd last channel is zero.
        like: a tensor whose device and type the result takes.
        scale: wavelengths run geometrically from 2 pi to 2 pi ``scale``.
    """
    if like.device.type == "cpu" and not torch.compiler.is_exporting():
        return _table(1 << int(steps).bit_length(), width, scale)[:steps].to(like.dtype)
    return _positions(steps, width, scale, like.device).to(like.dtype)


@lru_cache(maxsize=16)
def _table(steps: int, width: int, scale: float) -> Float[Tensor, "step width"]:
    """Kept: to compute them anew is a dozen small kernels for every embedding."""
    with torch.inference_mode(mode=False):
        return _positions(steps, width, scale, torch.device("cpu"))


def _positions(
    steps: int | torch.SymInt, width: int, scale: float, device: torch.device
) -> Float[Tensor, "step width"]:
    half = width // 2
    rates = torch.exp(
        torch.arange(half, device=device, dtype=torch.float32) * (-math.log(scale) / (half - 1))
    )
    index = torch.arange(  # pyright: ignore[reportCallIssue]
        1,
        steps + 1,  # pyright: ignore[reportArgumentType] - a SymInt while a program is exported
        device=device,
        dtype=torch.float32,
    )
    angles = index[:, None] * rates
    positions = torch.cat([angles.sin(), angles.cos()], dim=1)
    return torch.nn.functional.pad(positions, (0, width - 2 * half))
