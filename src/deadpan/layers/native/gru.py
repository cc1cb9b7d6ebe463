"""Several GRUs at once on a CPU in C, their forward and their backward pass in one call each."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from deadpan.layers.native.library import address, checked, run

MAX_SEQUENCES = 8
"""Most sequences of one call."""


class GRUArguments(ctypes.Structure):
    """``struct gru`` of ``gru.c``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("sequences", "clips", "hidden", "threads")),
        ("steps", ctypes.c_int64 * MAX_SEQUENCES),
        *((name, ctypes.c_void_p * MAX_SEQUENCES) for name in ("inputs", "masks")),
        *((name, ctypes.c_void_p) for name in ("weight", "bias")),
        *(
            (name, ctypes.c_void_p * MAX_SEQUENCES)
            for name in ("states", "gates", "dstates", "dinputs")
        ),
        *((name, ctypes.c_void_p) for name in ("dweight", "dbias", "workspace")),
    )


def gru_scan(
    inputs: Sequence[Float[Tensor, "clip _ gates"]],
    masks: Sequence[Bool[Tensor, "clip _"]],
    weight: Float[Tensor, "sequence gates hidden"],
    bias: Float[Tensor, "sequence gates"],
) -> list[Float[Tensor, "clip _ hidden"]]:
    """Hidden states of one GRU per sequence, over sequences of the same clips; zeros in padding.

    Torch's GRU runs some 40 small kernels per step and sequence, forward and backward, and computes
    on padding. Gradients of gradients are not available.

    Args:
        inputs: input part of the gates (reset, update, new: torch's order) of at most
            ``MAX_SEQUENCES`` sequences, input bias included.
        masks: True = real step; padding last.
        weight: from hidden state to gates, for each sequence.
        bias: bias of the same map.

    Raises:
        ValueError: a real step stands behind padding, or shapes or types do not match.
    """
    return list(_GRUScan.apply(weight, bias, *masks, *inputs))  # pyright: ignore[reportArgumentType]


class _GRUScan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, *sequences: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401
        count, hidden = len(sequences) // 2, weight.shape[2]
        masks, inputs = sequences[:count], sequences[count:]
        clips, steps = len(inputs[0]), [x.shape[1] for x in inputs]
        weight = checked(weight, count, 3 * hidden, hidden)
        bias = checked(bias, count, 3 * hidden)
        masks = [checked(x, clips, n, dtype=torch.bool) for x, n in zip(masks, steps, strict=True)]
        inputs = [checked(x, clips, n, 3 * hidden) for x, n in zip(inputs, steps, strict=True)]
        states = [weight.new_empty(clips, n, hidden) for n in steps]
        gates: list[Tensor] = []
        gru = GRUArguments(count, clips, hidden)
        gru.steps[:count] = steps
        if any(ctx.needs_input_grad):
            gates = [weight.new_empty(clips, n, 4 * hidden) for n in steps]
            ctx.save_for_backward(weight, bias, *masks, *states, *gates)
            ctx.gru = gru
        _set_addresses(gru, weight, bias, *masks, *states, *gates)
        gru.inputs[:count] = [address(x) for x in inputs]
        run("gru", gru, backward=False)
        return tuple(states)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        *gradients: Tensor,
    ) -> tuple[Tensor | None, ...]:
        # A copy with new addresses: saved tensors may have moved, or two threads may be here.
        gru, tensors = GRUArguments.from_buffer_copy(ctx.gru), ctx.saved_tensors
        _set_addresses(gru, *tensors)
        count, (weight, bias, *_) = len(gradients), tensors
        dstates = [gradient.contiguous() for gradient in gradients]
        dinputs = [x.new_empty(*x.shape[:2], 3 * gru.hidden) for x in dstates]
        dweight, dbias = torch.empty_like(weight), torch.empty_like(bias)
        gru.dweight, gru.dbias = address(dweight), address(dbias)
        gru.dstates[:count] = [address(x) for x in dstates]
        gru.dinputs[:count] = [address(x) for x in dinputs]
        run("gru", gru, backward=True)
        return (dweight, dbias, *(None,) * count, *dinputs)


def _set_addresses(gru: GRUArguments, weight: Tensor, bias: Tensor, *tensors: Tensor) -> None:
    """Fill in the addresses of masks, states and, where gradients are needed, gates."""
    gru.weight, gru.bias = address(weight), address(bias)
    count = gru.sequences
    for i, field in enumerate((gru.masks, gru.states, gru.gates)):
        group = tensors[i * count : (i + 1) * count]
        field[: len(group)] = [address(x) for x in group]
