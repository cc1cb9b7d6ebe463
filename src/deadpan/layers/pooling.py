"""Pooling of padded sequences to vectors, and moving their padding to the end."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad


def front_aligned(
    x: Float[Tensor, "clip step width"], mask: Bool[Tensor, "clip step"]
) -> tuple[Float[Tensor, "clip real width"], Bool[Tensor, "clip real"]]:
    """Move the real steps to the front, in order, and cut steps that are padding in every clip.

    At least one step remains, so that a batch without any real step keeps its shape. Padding
    becomes zeros.
    """
    if not x.shape[1]:
        x, mask = pad(x, (0, 0, 0, 1)), pad(mask, (0, 1))
    longest = max(int(mask.sum(dim=1).max()), 1)
    if not bool((mask[:, 1:] <= mask[:, :-1]).all()):
        order = mask.byte().argsort(dim=1, descending=True, stable=True)[:, :longest]
        x = x.gather(1, order[:, :, None].expand(-1, -1, x.shape[2]))
        mask = mask.gather(1, order)
    x, mask = x[:, :longest], mask[:, :longest]
    if bool(mask.all()):
        return x, mask
    return x.masked_fill(~mask[:, :, None], 0.0), mask


def last_step(
    x: Float[Tensor, "clip step width"], mask: Bool[Tensor, "clip step"]
) -> Float[Tensor, "clip width"]:
    """Last real step of each clip (padding stands last); zeros for a clip without one."""
    last = mask.sum(dim=1).clamp(min=1) - 1
    step = x.gather(1, last[:, None, None].expand(-1, 1, x.shape[2])).squeeze(1)
    return step * mask.any(dim=1)[:, None]


def mean_step(
    x: Float[Tensor, "clip step width"], mask: Bool[Tensor, "clip step"]
) -> Float[Tensor, "clip width"]:
    """Mean of each clip's real steps; zeros for a clip without one."""
    total = torch.bmm(mask[:, None].to(x.dtype), x).squeeze(1)
    return total / mask.sum(dim=1).clamp(min=1)[:, None]


POOLS = {"last": last_step, "mean": mean_step}
"""Pooling functions by the value of a model's ``pooling`` option."""
