"""Several GRUs at once on a CPU, forwards and backwards in one call each."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from deadpan.layers.native.library import address, checked, run

MOST = 8
"""Sequences of one call."""


class Scan(ctypes.Structure):
    """``struct scan`` of ``gru.c``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("sequences", "clips", "hidden", "threads")),
        ("steps", ctypes.c_int64 * MOST),
        *((name, ctypes.c_void_p * MOST) for name in ("inputs", "masks")),
        *((name, ctypes.c_void_p) for name in ("weight", "bias")),
        *((name, ctypes.c_void_p * MOST) for name in ("states", "gates", "received", "of_inputs")),
        *((name, ctypes.c_void_p) for name in ("of_weight", "of_bias", "workspace")),
    )


def gru_scan(
    inputs: Sequence[Float[Tensor, "clip _ gates"]],
    masks: Sequence[Bool[Tensor, "clip _"]],
    weight: Float[Tensor, "sequence gates hidden"],
    bias: Float[Tensor, "sequence gates"],
) -> list[Float[Tensor, "clip _ hidden"]]:
    """The hidden states of GRUs that read sequences of the same clips; zeros in padding.

    Torch's GRU makes some 40 small kernels per step and sequence, forwards and backwards, and
    computes on padding. No gradient but the first is to be had.

    Args:
        inputs: what each of at most ``MOST`` sequences adds to its gates (reset, update, new:
            torch's order), its bias included.
        masks: True = real step; padding last.
        weight: from hidden state to gates, for each sequence.
        bias: of the same.

    Raises:
        ValueError: a real step stands behind padding, or tensors do not fit one another.
    """
    return list(_Scan.apply(weight, bias, *masks, *inputs))  # pyright: ignore[reportArgumentType]


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, *given: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401
        count, hidden = len(given) // 2, weight.shape[2]
        masks, inputs = given[:count], given[count:]
        clips, steps = len(inputs[0]), [x.shape[1] for x in inputs]
        weight = checked(weight, count, 3 * hidden, hidden)
        bias = checked(bias, count, 3 * hidden)
        masks = [checked(x, clips, n, dtype=torch.bool) for x, n in zip(masks, steps, strict=True)]
        inputs = [checked(x, clips, n, 3 * hidden) for x, n in zip(inputs, steps, strict=True)]
        states = [weight.new_empty(clips, n, hidden) for n in steps]
        gates: list[Tensor] = []
        scan = Scan(count, clips, hidden)
        scan.steps[:count] = steps
        if any(ctx.needs_input_grad):
            gates = [weight.new_empty(clips, n, 4 * hidden) for n in steps]
            ctx.save_for_backward(weight, bias, *masks, *states, *gates)
            ctx.scan = scan
        _point(scan, weight, bias, *masks, *states, *gates)
        scan.inputs[:count] = [address(x) for x in inputs]
        run("gru_scan", scan, back=False)
        return tuple(states)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        *gradients: Tensor,
    ) -> tuple[Tensor | None, ...]:
        # A copy, pointed anew: saved tensors may have moved, and two threads may be here at once.
        scan, kept, count = Scan.from_buffer_copy(ctx.scan), ctx.saved_tensors, len(gradients)
        _point(scan, *kept)
        weight, bias, *_ = kept
        received = [gradient.contiguous() for gradient in gradients]
        of_inputs = [x.new_empty(*x.shape[:2], 3 * scan.hidden) for x in received]
        of_weight, of_bias = torch.empty_like(weight), torch.empty_like(bias)
        scan.of_weight, scan.of_bias = address(of_weight), address(of_bias)
        scan.received[:count] = [address(x) for x in received]
        scan.of_inputs[:count] = [address(x) for x in of_inputs]
        run("gru_scan", scan, back=True)
        return (of_weight, of_bias, *(None,) * count, *of_inputs)


def _point(scan: Scan, weight: Tensor, bias: Tensor, *several: Tensor) -> None:
    """Fill in where the tensors are: masks, states and, with gradients, gates."""
    scan.weight, scan.bias = address(weight), address(bias)
    count = scan.sequences
    for i, places in enumerate((scan.masks, scan.states, scan.gates)):
        found = several[i * count : (i + 1) * count]
        places[: len(found)] = [address(x) for x in found]
