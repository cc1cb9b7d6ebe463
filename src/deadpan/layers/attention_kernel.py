"""A residual attention sublayer on a CPU, forwards and backwards in few large kernels."""

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from deadpan.layers.attention_weights import weigh, weigh_back
from deadpan.layers.dropout import keep_mask
from deadpan.layers.folded_norm import folded, folded_back, plain_norm, plain_norm_back


class Parts(NamedTuple):
    """The parameters of a sublayer; their order is that of ``_Attend``'s arguments."""

    norm_weight: Float[Tensor, "width"]
    norm_bias: Float[Tensor, "width"]
    query_weight: Float[Tensor, "width width"]
    query_bias: Float[Tensor, "width"]
    key_value_weight: Float[Tensor, "two_width width"]
    key_value_bias: Float[Tensor, "two_width"]
    output_weight: Float[Tensor, "width width"]
    output_bias: Float[Tensor, "width"]


def residual_attention(
    x: Float[Tensor, "clip step width"],
    source: Float[Tensor, "clip source_step width"] | None,
    mask: Float[Tensor, "clip source_step"],
    visible: Float[Tensor, "clip step source_step"] | None,
    parts: Parts,
    *,
    heads: int,
    attention_dropout: float,
    residual_dropout: float,
) -> Float[Tensor, "clip step width"]:
    """``x + dropout(Attention(LN(x), LN(source)))``, as ``layers.attention`` defines it.

    Torch's own kernels want 64 channels per head; with 8, three things cost more than the products
    themselves, and are left out here. Channels come first everywhere, by the products that make
    them, so nothing is transposed. Weights are powers of 2, of scores whose scale has the factor
    log2(e), and stay undivided: values carry a channel of ones, whose product is the divisor, and
    one row's divisor belongs to its output. That same channel hides padding: it is 0 there, as are
    the values. No maximum is taken from the scores unless the divisors show that it is needed.

    Args:
        x: the target, which asks.
        source: answers; None = the target itself.
        mask: 1 = real source step, 0 = padding.
        visible: 1 = looked at; None = all real steps are.
        parts: the parameters.
        heads: must divide the width.
        attention_dropout: of attention weights.
        residual_dropout: of what is added to ``x``.
    """
    return _Attend.apply(  # pyright: ignore[reportReturnType]
        x, source, mask, visible, heads, attention_dropout, residual_dropout, *parts
    )


class _Attend(torch.autograd.Function):
    """``kv`` holds for each head its keys, its values, and the channel of ones."""

    @staticmethod
    @torch.amp.custom_fwd(  # pyright: ignore[reportUntypedFunctionDecorator]
        device_type="cpu", cast_inputs=torch.float32
    )
    def forward(
        ctx: Any,  # noqa: ANN401 - torch gives it no type
        x: Tensor,
        source: Tensor | None,
        mask: Tensor,
        visible: Tensor | None,
        heads: int,
        rate: float,
        residual_rate: float,
        *parameters: Tensor,
    ) -> Tensor:
        p = Parts(*parameters)
        clips, steps, width = x.shape
        part = width // heads
        normed = plain_norm(x)
        answering = normed if source is None else plain_norm(source)
        scale = part**-0.5 * math.log2(math.e)
        weight, bias = folded(p.query_weight, p.query_bias, p.norm_weight, p.norm_bias)
        q = _channels_first(scale * weight, scale * bias, normed[0], heads)
        weight, bias = folded(p.key_value_weight, p.key_value_bias, p.norm_weight, p.norm_bias)
        kv = _channels_first(*_by_head(weight, bias, heads), answering[0], heads)
        kv[:, part:].unflatten(0, (clips, heads)).mul_(mask[:, None, None])
        weighed = weigh(q, kv, mask, visible, heads, rate)
        divisor = weighed.sums[:, None].reciprocal()
        out = weighed.values * divisor
        y = torch.baddbmm(
            p.output_bias,
            out.view(clips, width, steps).transpose(1, 2),
            p.output_weight.t().expand(clips, width, width),
        )
        keep = keep_mask(y, residual_rate) if residual_rate else None
        ctx.save_for_backward(
            x, source, mask, visible, q, kv, divisor, out, keep, *normed, *answering, *parameters
        )
        ctx.blocks, ctx.heads = weighed.blocks, heads
        return x + y if keep is None else torch.addcmul(x, y, keep)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # pyright: ignore[reportUntypedFunctionDecorator]
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        gradient: Tensor,
    ) -> tuple[Tensor | None, ...]:
        x, source, mask, visible, q, kv, divisor, out, keep, *rest = ctx.saved_tensors
        normed, answering, p = rest[:3], rest[3:6], Parts(*rest[6:])
        clips, _, width = x.shape
        heads, part = ctx.heads, width // ctx.heads
        given = (gradient if keep is None else gradient * keep).flatten(0, 1)
        of_output = torch.mm(given.t(), _steps_first(out, clips))
        wanted = torch.bmm(
            p.output_weight.t().expand(clips, width, width), given.view_as(x).transpose(1, 2)
        )
        # The softmax's own term, minus rowsum(gradient * out), rides on the channel of ones.
        received = out.new_empty(len(out), part + 1, out.shape[2])
        torch.mul(wanted.view_as(out), divisor, out=received[:, :part])
        torch.sum(received[:, :part] * out, dim=1, out=received[:, part]).neg_()
        of_q, of_key, of_value = weigh_back(ctx.blocks, q, kv, mask, visible, received, heads)
        of_value.unflatten(0, (clips, heads)).mul_(mask[:, None, None])
        # Scores are in powers of 2: a step of theirs is worth ln 2 of one in powers of e.
        asked = _steps_first(of_q, clips).mul_(part**-0.5)
        told = torch.cat(
            [_steps_first(of_key, clips).mul_(math.log(2)), _steps_first(of_value, clips)], dim=1
        )
        of_normed, *of_query, of_norm_weight, of_norm_bias = _map_back(
            asked, normed[0], p.query_weight, p
        )
        of_answering, *of_key_value, more_weight, more_bias = _map_back(
            told, answering[0], p.key_value_weight, p
        )
        of_source = None
        if source is None:
            of_normed += of_answering
        else:
            of_source = plain_norm_back(of_answering.view_as(source), source, tuple(answering))
        return (
            plain_norm_back(of_normed.view_as(x), x, tuple(normed)).add_(gradient),
            of_source,
            *(None,) * 5,
            of_norm_weight.add_(more_weight),
            of_norm_bias.add_(more_bias),
            *of_query,
            *of_key_value,
            of_output,
            given.sum(dim=0),
        )


def _channels_first(
    weight: Float[Tensor, "channel width"],
    bias: Float[Tensor, "channel"],
    x: Float[Tensor, "clip step width"],
    heads: int,
) -> Float[Tensor, "clip_head part step"]:
    weight = weight.expand(len(x), *weight.shape)
    return torch.baddbmm(bias[:, None], weight, x.transpose(1, 2)).view(
        len(x) * heads, -1, x.shape[1]
    )


def _steps_first(
    x: Float[Tensor, "clip_head part step"], clips: int
) -> Float[Tensor, "clip_step width"]:
    """A copy: products over all steps at once gain more than it costs."""
    return x.view(clips, -1, x.shape[2]).transpose(1, 2).reshape(clips * x.shape[2], -1)


def _by_head(
    weight: Float[Tensor, "two_width width"], bias: Float[Tensor, "two_width"], heads: int
) -> tuple[Tensor, Tensor]:
    """What gives each head its keys, its values and its channel of ones."""
    keys, values = weight.view(2, heads, -1, weight.shape[1])
    of_keys, of_values = bias.view(2, heads, -1)
    return (
        torch.cat([keys, values, weight.new_zeros(heads, 1, weight.shape[1])], dim=1).flatten(0, 1),
        torch.cat([of_keys, of_values, bias.new_ones(heads, 1)], dim=1).flatten(),
    )


def _map_back(
    gradient: Float[Tensor, "clip_step channel"],
    normed: Float[Tensor, "clip step width"],
    weight: Float[Tensor, "channel width"],
    p: Parts,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gradients of what a folded map read, its weight, bias, and of the norm's weight and bias."""
    of_bias = gradient.sum(dim=0)
    of_weight, of_norm_weight, of_norm_bias = folded_back(
        torch.mm(gradient.t(), normed.flatten(0, 1)), of_bias, weight, p.norm_weight, p.norm_bias
    )
    of_normed = torch.mm(gradient, weight * p.norm_weight)
    return of_normed, of_weight, of_bias, of_norm_weight, of_norm_bias
