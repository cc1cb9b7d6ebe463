"""Attention of few channels per head on a CPU, a block of clips at a time."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from deadpan.layers.dropout import keep_mask

BLOCK = 1 << 20
"""Attention weights at once: two such arrays stay in the caches of two cores."""


def blocked_attention(
    query: Float[Tensor, "clip head part step"],
    key: Float[Tensor, "clip head part source_step"],
    value: Float[Tensor, "clip head part source_step"],
    bias: Float[Tensor, "clip #step source_step"],
    *,
    dropout: float = 0.0,
) -> Float[Tensor, "clip head part step"]:
    """``softmax(query^T key / sqrt(part) + bias)`` applied to the values, channels first.

    Torch's own kernel for the CPU is made for 64 channels per head and more; with 8, a product
    whose short side is the slow one runs at a quarter of the speed, forwards and backwards. Here
    the short side always comes first. The weights of a call of several blocks are computed again
    for the gradient, never kept: memory grows with the block.

    Args:
        query: asks.
        key: is compared.
        value: answers.
        bias: added before the softmax: 0, or very negative where a source step is hidden.
        dropout: of attention weights.
    """
    return _Blocked.apply(query, key, value, bias, dropout)  # pyright: ignore[reportReturnType]


class _Blocked(torch.autograd.Function):
    """Query and key carry one more channel, 1 and the bias: the product adds it for nothing."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(
        ctx: Any,  # noqa: ANN401 - torch gives it no type
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor,
        rate: float,
    ) -> Tensor:
        clips, heads, part, steps = query.shape
        source_steps = key.shape[3]
        asked = query.new_empty(clips, heads, part + 1, steps)
        torch.mul(query, part**-0.5, out=asked[:, :, :part])
        asked[:, :, part] = 1.0
        per_key = bias.shape[1] == 1
        known = query.new_empty(clips, heads, part + 1, source_steps)
        known[:, :, :part] = key
        known[:, :, part] = bias if per_key else 0.0
        answers = query.new_empty(clips, heads, part + 1, source_steps)
        answers[:, :, :part] = value
        answers[:, :, part] = 1.0  # for the gradient alone
        out = query.new_empty(clips, heads, part, steps)
        kept: list[Tensor] = []
        weights = None
        blocks = _blocks(clips, heads * steps * source_steps)
        for block in blocks:
            weights = _weights(asked[block], known[block], None if per_key else bias[block])
            used = weights
            if rate:
                kept.append(keep_mask(weights, rate))
                used = weights * kept[-1]
            torch.bmm(
                answers[block].flatten(0, 1)[:, :part],
                used.transpose(1, 2),
                out=out[block].flatten(0, 1),
            )
        ctx.save_for_backward(asked, known, answers, bias, out, *kept)
        ctx.blocks, ctx.per_key = blocks, per_key
        ctx.weights = weights if len(blocks) == 1 else None
        return out

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        asked, known, answers, bias, out, *kept = ctx.saved_tensors
        clips, heads, part, steps = out.shape
        # The softmax's own term, rowsum(gradient * out), rides along as one more channel.
        received = out.new_empty(clips, heads, part + 1, steps)
        received[:, :, :part] = gradient
        torch.sum(received[:, :, :part] * out, dim=2, out=received[:, :, part]).neg_()
        of_query = torch.empty_like(out)
        of_key, of_value = (out.new_empty(clips, heads, part, known.shape[3]) for _ in range(2))
        for index, block in enumerate(ctx.blocks):
            weights = ctx.weights
            if weights is None:
                weights = _weights(asked[block], known[block], None if ctx.per_key else bias[block])
            q, k, v, g = (x[block].flatten(0, 1) for x in (asked, known, answers, received))
            if kept:
                slope = torch.bmm(g[:, :part].transpose(1, 2), v[:, :part])
                slope.mul_(kept[index]).add_(g[:, part, :, None]).mul_(weights)
                weights = weights * kept[index]
            else:
                slope = torch.bmm(g.transpose(1, 2), v).mul_(weights)
            torch.bmm(g[:, :part], weights, out=of_value[block].flatten(0, 1))
            torch.bmm(k[:, :part], slope.transpose(1, 2), out=of_query[block].flatten(0, 1))
            torch.bmm(q[:, :part], slope, out=of_key[block].flatten(0, 1))
        return of_query.mul_(part**-0.5), of_key, of_value, None, None


def _blocks(clips: int, weights: int) -> list[slice]:
    size = max(1, BLOCK // max(1, weights))
    return [slice(first, first + size) for first in range(0, clips, size)]


def _weights(
    asked: Float[Tensor, "clip head part step"],
    known: Float[Tensor, "clip head part source_step"],
    bias: Float[Tensor, "clip step source_step"] | None,
) -> Float[Tensor, "clip_head step source_step"]:
    scores = torch.bmm(asked.flatten(0, 1).transpose(1, 2), known.flatten(0, 1))
    if bias is not None:
        scores.unflatten(0, asked.shape[:2]).add_(bias[:, None])
    return scores.softmax(dim=2)
