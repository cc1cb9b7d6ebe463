"""Pooling of padded sequences to vectors or to fewer steps, and moving their padding to the end."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import pad

from deadpan.layers.attention import MASKED_SCORE
from deadpan.layers.exporting import is_exporting

Pooling = Literal["last", "mean", "attention"]


def front_aligned(
    x: Float[Tensor, "clip step width"], mask: Bool[Tensor, "clip step"]
) -> tuple[Float[Tensor, "clip real width"], Bool[Tensor, "clip real"]]:
    """Move the real steps to the front, in order, and cut steps that are padding in every clip.

    At least one step remains, so that a batch without any real step keeps its shape. Padding
    becomes zeros. While torch exports, padding stands last, and no step is cut.
    """
    if is_exporting():
        return x.masked_fill(~mask[:, :, None], 0.0), mask
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


class Pool(nn.Module):
    """Pooling of a padded sequence to one vector for each clip; zeros for a clip without a step.

    Attention weighs the real steps by the softmax of their products with a learned query (Yang et
    al. 2016). The query starts at 0, where attention is the mean.

    Args:
        width: channels of a step.
        pooling: the "last" real step, the "mean" of all real steps, or "attention" to them.
    """

    def __init__(self, width: int, pooling: Pooling) -> None:
        super().__init__()
        self.pooling: Pooling = pooling
        self.query = nn.Parameter(torch.zeros(width)) if pooling == "attention" else None

    def forward(
        self, x: Float[Tensor, "clip step width"], mask: Bool[Tensor, "clip step"]
    ) -> Float[Tensor, "clip width"]:
        """Pool each clip; padding stands last and holds finite numbers."""
        if self.pooling == "last":
            return last_step(x, mask)
        if self.pooling == "mean":
            return mean_step(x, mask)
        return torch.bmm(self.weights(x, mask)[:, None].to(x.dtype), x).squeeze(1)

    def weights(
        self, x: Float[Tensor, "clip step width"], mask: Bool[Tensor, "clip step"]
    ) -> Float[Tensor, "clip step"]:
        """Weights of attention in [0, 1]: 0 in padding, sum 1 over the real steps of a clip."""
        assert self.query is not None, "only attention has weights"
        scores = x @ (self.query * x.shape[2] ** -0.5).to(x.dtype)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        # Not minus infinity, whose softmax would be NaN for a clip without a real step.
        hidden = scores.masked_fill(~mask, MASKED_SCORE)
        return hidden.softmax(dim=1) * mask
