"""A residual feed-forward sublayer on a CPU, forwards and backwards in few large kernels."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from deadpan.layers.dropout import keep_mask, kept_places
from deadpan.layers.folded_norm import folded, folded_back, plain_norm, plain_norm_back


def residual_feedforward(
    x: Float[Tensor, "clip step width"],
    norm_weight: Float[Tensor, "width"],
    norm_bias: Float[Tensor, "width"],
    expand_weight: Float[Tensor, "hidden width"],
    expand_bias: Float[Tensor, "hidden"],
    contract_weight: Float[Tensor, "width hidden"],
    contract_bias: Float[Tensor, "width"],
    *,
    relu_dropout: float,
    residual_dropout: float,
) -> Float[Tensor, "clip step width"]:
    """``x + dropout(contract(dropout(relu(expand(LN(x))))))``.

    The hidden layer is four times as wide as the rest, and nothing of it is kept but its last form:
    where that is 0, ReLU or dropout closed it.
    """
    return _FeedForward.apply(  # pyright: ignore[reportReturnType]
        x,
        norm_weight,
        norm_bias,
        expand_weight,
        expand_bias,
        contract_weight,
        contract_bias,
        relu_dropout,
        residual_dropout,
    )


class _FeedForward(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(  # pyright: ignore[reportUntypedFunctionDecorator]
        device_type="cpu", cast_inputs=torch.float32
    )
    def forward(
        ctx: Any,  # noqa: ANN401 - torch gives it no type
        x: Tensor,
        norm_weight: Tensor,
        norm_bias: Tensor,
        expand_weight: Tensor,
        expand_bias: Tensor,
        contract_weight: Tensor,
        contract_bias: Tensor,
        relu_rate: float,
        residual_rate: float,
    ) -> Tensor:
        normed = plain_norm(x)
        weight, bias = folded(expand_weight, expand_bias, norm_weight, norm_bias)
        hidden = torch.addmm(bias, normed[0].flatten(0, 1), weight.t()).relu_()
        scale = 1.0
        if relu_rate:
            mask, scale = kept_places(hidden, relu_rate)
            hidden.mul_(mask)
        y = torch.addmm(contract_bias, hidden, (scale * contract_weight).t()).view_as(x)
        keep = keep_mask(y, residual_rate) if residual_rate else None
        ctx.save_for_backward(
            x, hidden, keep, norm_weight, norm_bias, expand_weight, contract_weight, *normed
        )
        ctx.scale = scale
        return x + y if keep is None else torch.addcmul(x, y, keep)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # pyright: ignore[reportUntypedFunctionDecorator]
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        gradient: Tensor,
    ) -> tuple[Tensor | None, ...]:
        x, hidden, keep, norm_weight, norm_bias, expand_weight, contract_weight, *normed = (
            ctx.saved_tensors
        )
        given = (gradient if keep is None else gradient * keep).flatten(0, 1)
        of_contract = torch.mm(given.t(), hidden).mul_(ctx.scale)
        of_hidden = torch.mm(given, ctx.scale * contract_weight)
        of_hidden = torch.ops.aten.threshold_backward(of_hidden, hidden, 0)
        of_expand_bias = of_hidden.sum(dim=0)
        of_expand, of_norm_weight, of_norm_bias = folded_back(
            torch.mm(of_hidden.t(), normed[0].flatten(0, 1)),
            of_expand_bias,
            expand_weight,
            norm_weight,
            norm_bias,
        )
        of_normed = torch.mm(of_hidden, expand_weight * norm_weight).view_as(x)
        return (
            plain_norm_back(of_normed, x, tuple(normed)).add_(gradient),
            of_norm_weight,
            of_norm_bias,
            of_expand,
            of_expand_bias,
            of_contract,
            given.sum(dim=0),
            None,
            None,
        )
