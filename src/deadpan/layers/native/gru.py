"""Several GRUs at once on a CPU, forwards and backwards in one call each."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from deadpan.layers.native.library import WORKSPACE, address, library, threads

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
        ValueError: a real step stands behind padding.
    """
    return list(_Scan.apply(weight, bias, *masks, *inputs))  # pyright: ignore[reportArgumentType]


def _run(scan: Scan, *, back: bool) -> None:
    lib, it = library(), ctypes.byref(scan)
    assert lib is not None
    scan.threads = threads(scan.clips)
    scan.workspace = WORKSPACE.of(lib.gru_scan_workspace(it, back))
    if lib.gru_scan_run(it, back):
        raise ValueError(
            "a mask has a real step behind padding; padding must stand last: use front_aligned"
        )


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, *given: Tensor) -> tuple[Tensor, ...]:  # noqa: ANN401
        count = len(given) // 2
        masks, inputs = ([x.contiguous() for x in part] for part in (given[:count], given[count:]))
        clips, hidden = len(inputs[0]), weight.shape[2]
        weight, bias = weight.contiguous(), bias.contiguous()
        states = [x.new_empty(*x.shape[:2], hidden) for x in inputs]
        gates: list[Tensor] = []
        scan = Scan(count, clips, hidden, weight=address(weight), bias=address(bias))
        if any(ctx.needs_input_grad):
            gates = [x.new_empty(*x.shape[:2], 4 * hidden) for x in inputs]
            ctx.save_for_backward(weight, bias, *masks, *states, *gates)
            ctx.scan = scan
        for i, x in enumerate(inputs):
            scan.steps[i] = x.shape[1]
        for name, tensors in (
            ("inputs", inputs),
            ("masks", masks),
            ("states", states),
            ("gates", gates),
        ):
            _point(getattr(scan, name), tensors)
        _run(scan, back=False)
        return tuple(states)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        *gradients: Tensor,
    ) -> tuple[Tensor | None, ...]:
        weight, bias, *_ = ctx.saved_tensors
        scan, received = ctx.scan, [gradient.contiguous() for gradient in gradients]
        of_inputs = [x.new_empty(*x.shape[:2], 3 * scan.hidden) for x in received]
        of_weight, of_bias = torch.empty_like(weight), torch.empty_like(bias)
        scan.of_weight, scan.of_bias = address(of_weight), address(of_bias)
        _point(scan.received, received)
        _point(scan.of_inputs, of_inputs)
        _run(scan, back=True)
        return (of_weight, of_bias, *(None,) * len(received), *of_inputs)


def _point(places: "ctypes.Array[ctypes.c_void_p]", tensors: Sequence[Tensor]) -> None:
    for i, x in enumerate(tensors):
        places[i] = address(x)
