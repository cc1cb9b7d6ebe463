"""An encoder layer on a CPU, forwards and backwards in one call each."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from deadpan.layers.dropout import places_dropped
from deadpan.layers.native.library import address, checked, library, run

PARTS = 14
"""Parameters, in the order of ``EncoderLayer``: norm, query, keys and values, output; norm, expand,
contract; each with weight and bias."""
NUMBERS = (
    "clips steps source_steps width heads hidden threads alone mask_future seed "
    "attention_dropped residual_dropped relu_dropped"
).split()
GIVEN = "x source mask source_mask".split()
MADE = "out saved workspace gradient of_x of_source of_parameters".split()


class Layer(ctypes.Structure):
    """``struct layer`` of ``layer.h``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in NUMBERS),
        *((name, ctypes.c_void_p) for name in GIVEN),
        ("parameters", ctypes.c_void_p * PARTS),
        *((name, ctypes.c_void_p) for name in MADE),
    )


def encoder_layer(
    x: Float[Tensor, "clip step width"],
    source: Float[Tensor, "clip source_step width"] | None,
    mask: Bool[Tensor, "clip step"],
    source_mask: Bool[Tensor, "clip source_step"],
    parameters: Sequence[Tensor],
    *,
    heads: int,
    attention_dropout: float,
    residual_dropout: float,
    relu_dropout: float,
    mask_future: bool,
) -> Float[Tensor, "clip step width"]:
    """What ``EncoderLayer`` defines; padded steps come out as zeros.

    Each clip is computed by itself, at its real steps only. Nothing of the size of the attention
    weights is kept, and no gradient but the first is to be had.

    Args:
        x: the target, which asks.
        source: answers; None = the target itself.
        mask: True = real step; padding last.
        source_mask: True = real step; padding last.
        parameters: see ``PARTS``.
        heads: must divide the width.
        attention_dropout: of attention weights.
        residual_dropout: after attention and after the feed-forward part.
        relu_dropout: inside the feed-forward part.
        mask_future: MulT's offset mask.

    Raises:
        ValueError: a real step stands behind padding, or tensors do not fit one another.
    """
    if source is None and source_mask is not mask:
        source = x
    rates = (attention_dropout, residual_dropout, relu_dropout)
    given = (x, source, mask, source_mask, heads, rates, mask_future, *parameters)
    if torch.is_grad_enabled():
        return _EncoderLayer.apply(*given)  # pyright: ignore[reportReturnType]
    return _forward(*given, keep=False)[0]


def _forward(
    x: Tensor,
    source: Tensor | None,
    mask: Tensor,
    source_mask: Tensor,
    heads: int,
    rates: tuple[float, float, float],
    mask_future: bool,
    *parameters: Tensor,
    keep: bool,
) -> tuple[Tensor, Layer, tuple[Tensor | None, ...]]:
    """The output; and, if they are to be kept, what the gradient needs."""
    clips, steps, width = x.shape
    source_steps = steps if source is None else source.shape[1]
    norm, *others = parameters
    # Of the others, which have its width in an EncoderLayer, the type alone: each look costs.
    if wrong := [part for part in others if part.dtype != torch.float32 or not part.is_cpu]:
        checked(wrong[0], *wrong[0].shape)
    kept = (
        checked(x, clips, steps, width),
        None if source is None else checked(source, clips, source_steps, width),
        checked(mask, clips, steps, dtype=torch.bool),
        checked(source_mask, clips, source_steps, dtype=torch.bool),
        checked(norm, width),
        *(part.contiguous() for part in others),
    )
    layer = Layer(
        *(clips, steps, source_steps, width, heads, len(parameters[-4])),
        alone=source is None,
        mask_future=mask_future,
    )
    if any(rates):
        layer.seed = int(torch.empty((), dtype=torch.int64, device="cpu").random_())
        layer.attention_dropped, layer.residual_dropped, layer.relu_dropped = (
            places_dropped(rate) for rate in rates
        )
    out, saved = torch.empty_like(kept[0]), None
    if keep:
        lib = library()
        assert lib is not None
        saved = out.new_empty(lib.encoder_layer_saved(ctypes.byref(layer)))
    _point(layer, saved, *kept)
    layer.out = address(out)
    run("encoder_layer", layer, back=False)
    return out, layer, (saved, *kept)


def _point(
    layer: Layer,
    saved: Tensor | None,
    x: Tensor,
    source: Tensor | None,
    mask: Tensor,
    source_mask: Tensor,
    *parameters: Tensor,
) -> None:
    """Fill in where the tensors are."""
    layer.saved, layer.x = address(saved), address(x)
    layer.source = address(x if source is None else source)
    layer.mask, layer.source_mask = address(mask), address(source_mask)
    layer.parameters = (ctypes.c_void_p * PARTS)(*map(address, parameters))


class _EncoderLayer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *given: Any) -> Tensor:  # noqa: ANN401 - torch gives it no type
        out, ctx.layer, kept = _forward(*given, keep=any(ctx.needs_input_grad))
        ctx.save_for_backward(*kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        gradient: Tensor,
    ) -> tuple[Tensor | None, ...]:
        # A copy, pointed anew: saved tensors may have moved, and two threads may be here at once.
        layer, kept = Layer.from_buffer_copy(ctx.layer), ctx.saved_tensors
        _point(layer, *kept)
        _, x, source, _, _, *parameters = kept
        gradient, of_x = gradient.contiguous(), torch.empty_like(x)
        of_source = None if source is None else torch.empty_like(source)
        sizes = [part.numel() for part in parameters]
        of_parameters = x.new_empty(sum(sizes))
        layer.gradient, layer.of_x = address(gradient), address(of_x)
        layer.of_source, layer.of_parameters = address(of_source), address(of_parameters)
        run("encoder_layer", layer, back=True)
        parts = zip(of_parameters.split(sizes), parameters, strict=True)
        return (of_x, of_source, *(None,) * 5, *(given.view_as(part) for given, part in parts))
