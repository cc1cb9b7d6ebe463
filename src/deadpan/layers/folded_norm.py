"""Layer norms whose weights are taken over by the linear maps that read them.

On a CPU the gradients of a layer norm's own weights cost ten times those of its input. The maps
behind it can take them over: ``W (g * n + b) + c = (W * g) n + (W b + c)``; what is then left to do
is of the size of W, whatever the number of steps.
"""

import torch
from jaxtyping import Float
from torch import Tensor

EPSILON = 1e-5
"""Added to the variance, as ``nn.LayerNorm`` does."""

Normed = tuple[Float[Tensor, "*item width"], Tensor, Tensor]
"""Steps of mean 0 and variance 1; their mean and the inverse of their deviation before that."""


def plain_norm(x: Float[Tensor, "*item width"]) -> Normed:
    """Set each step to mean 0 and variance 1."""
    return torch.native_layer_norm(x, x.shape[-1:], None, None, EPSILON)


def plain_norm_back(
    gradient: Float[Tensor, "*item width"], x: Float[Tensor, "*item width"], normed: Normed
) -> Float[Tensor, "*item width"]:
    """The gradient of what was normed."""
    shape, (_, mean, deviation) = x.shape[-1:], normed
    return torch.ops.aten.native_layer_norm_backward(
        gradient, x, shape, mean, deviation, None, None, [True, False, False]
    )[0]


def folded(
    weight: Float[Tensor, "channel width"],
    bias: Float[Tensor, "channel"],
    norm_weight: Float[Tensor, "width"],
    norm_bias: Float[Tensor, "width"],
) -> tuple[Float[Tensor, "channel width"], Float[Tensor, "channel"]]:
    """The map of plainly normed steps that is the linear map of normed ones."""
    return weight * norm_weight, torch.addmv(bias, weight, norm_bias)


def folded_back(
    of_weight: Float[Tensor, "channel width"],
    of_bias: Float[Tensor, "channel"],
    weight: Float[Tensor, "channel width"],
    norm_weight: Float[Tensor, "width"],
    norm_bias: Float[Tensor, "width"],
) -> tuple[Float[Tensor, "channel width"], Float[Tensor, "width"], Float[Tensor, "width"]]:
    """From the gradients of the folded map to those of weight, norm's weight and norm's bias.

    The bias has the gradient of the folded one.
    """
    return (
        torch.addcmul(of_weight * norm_weight, of_bias[:, None], norm_bias),
        (of_weight * weight).sum(dim=0),
        torch.mv(weight.t(), of_bias),
    )
