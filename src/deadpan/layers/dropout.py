"""Dropout with cheap random numbers on a CPU."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

LEVELS = 1 << 16
"""Rates are rounded to multiples of 1 / LEVELS; the scale is that of the rounded rate."""


def dropout(x: Float[Tensor, "*shape"], rate: float, training: bool) -> Float[Tensor, "*shape"]:
    """Zero each number with probability ``rate`` and scale the others by ``1 / (1 - rate)``.

    On a CPU torch draws a 64-bit number for each element, on one core, which takes a fifth of a
    training step here. 16 bits are enough.

    Args:
        x: tensor of any shape.
        rate: probability in [0, 1).
        training: False returns ``x`` unchanged.
    """
    if not training or rate == 0.0:
        return x
    if x.device.type != "cpu":
        return functional.dropout(x, rate)
    threshold = dropout_threshold(rate)
    draws = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None)
    parts = draws.view(torch.int16)[: x.numel()].view(x.shape)
    # Written as floats directly: a bool mask first would take five times as long.
    mask = torch.ge(parts, threshold - LEVELS // 2, out=torch.empty(x.shape, dtype=x.dtype))
    return x * mask.mul_(LEVELS / (LEVELS - threshold))


def dropout_threshold(rate: float) -> int:
    """Number of the ``LEVELS`` equally likely draws that mean dropped, at most all but one."""
    return min(round(rate * LEVELS), LEVELS - 1)
