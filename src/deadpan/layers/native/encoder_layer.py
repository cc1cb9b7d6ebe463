"""An encoder layer on a CPU in C, its forward and its backward pass in one call each."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from deadpan.layers.dropout import dropout_threshold
from deadpan.layers.native.library import address, checked, library, run

PARTS = 14
"""Number of parameters. Their order is that of ``EncoderLayer``: norm, query, keys and values,
output; norm, expand, contract; each weight before its bias."""
NUMBERS = (
    "clips steps source_steps width heads hidden threads self_attention mask_future seed "
    "attention_dropout residual_dropout relu_dropout"
).split()
INPUTS = "x source mask source_mask".split()
BUFFERS = "out saved workspace dout dx dsource dparameters".split()


class EncoderLayerArguments(ctypes.Structure):
    """``struct layer`` of ``encoder_layer.c``."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in NUMBERS),
        *((name, ctypes.c_void_p) for name in INPUTS),
        ("parameters", ctypes.c_void_p * PARTS),
        *((name, ctypes.c_void_p) for name in BUFFERS),
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
    """Compute what ``EncoderLayer`` defines; padded steps come out as zeros.

    Each clip is computed by itself, at its real steps only. Attention weights are not kept for the
    backward pass, which computes them again. Gradients of gradients are not available.

    Args:
        x: target sequence, which gives the queries.
        source: source sequence, which gives keys and values; None = the target itself.
        mask: True = real step; padding last.
        source_mask: True = real step; padding last.
        parameters: the layer's, in the order of ``PARTS``.
        heads: must divide the width.
        attention_dropout: rate for attention weights.
        residual_dropout: rate after attention and after the feed-forward part.
        relu_dropout: rate inside the feed-forward part.
        mask_future: MulT's offset mask.

    Raises:
        ValueError: a real step stands behind padding, or shapes or types do not match.
    """
    if source is None and source_mask is not mask:
        source = x
    rates = (attention_dropout, residual_dropout, relu_dropout)
    arguments = (x, source, mask, source_mask, heads, rates, mask_future, *parameters)
    if torch.is_grad_enabled():
        return _EncoderLayer.apply(*arguments)  # pyright: ignore[reportReturnType]
    return _forward(*arguments, save=False)[0]


def _forward(
    x: Tensor,
    source: Tensor | None,
    mask: Tensor,
    source_mask: Tensor,
    heads: int,
    rates: tuple[float, float, float],
    mask_future: bool,
    *parameters: Tensor,
    save: bool,
) -> tuple[Tensor, EncoderLayerArguments, tuple[Tensor | None, ...]]:
    """Run the forward pass.

    Returns:
        The output, the arguments of the call, and the tensors that the backward pass needs:
        activations (None unless ``save``), inputs and parameters.
    """
    clips, steps, width = x.shape
    source_steps = steps if source is None else source.shape[1]
    norm, *others = parameters
    # Only the types of the others: an EncoderLayer fixes their shapes, and each check costs time.
    if invalid := [part for part in others if part.dtype != torch.float32 or not part.is_cpu]:
        checked(invalid[0], *invalid[0].shape)
    inputs = (
        checked(x, clips, steps, width),
        None if source is None else checked(source, clips, source_steps, width),
        checked(mask, clips, steps, dtype=torch.bool),
        checked(source_mask, clips, source_steps, dtype=torch.bool),
        checked(norm, width),
        *(part.contiguous() for part in others),
    )
    layer = EncoderLayerArguments(
        *(clips, steps, source_steps, width, heads, len(parameters[-4])),
        self_attention=source is None,
        mask_future=mask_future,
    )
    if any(rates):
        layer.seed = int(torch.empty((), dtype=torch.int64, device="cpu").random_())
        layer.attention_dropout, layer.residual_dropout, layer.relu_dropout = (
            dropout_threshold(rate) for rate in rates
        )
    out, saved = torch.empty_like(inputs[0]), None
    if save:
        lib = library()
        assert lib is not None
        saved = out.new_empty(lib.functions["encoder_layer_saved"](ctypes.byref(layer)))
    _set_addresses(layer, saved, *inputs)
    layer.out = address(out)
    run("encoder_layer", layer, backward=False)
    return out, layer, (saved, *inputs)


def _set_addresses(
    layer: EncoderLayerArguments,
    saved: Tensor | None,
    x: Tensor,
    source: Tensor | None,
    mask: Tensor,
    source_mask: Tensor,
    *parameters: Tensor,
) -> None:
    layer.saved, layer.x = address(saved), address(x)
    layer.source = address(x if source is None else source)
    layer.mask, layer.source_mask = address(mask), address(source_mask)
    layer.parameters = (ctypes.c_void_p * PARTS)(*map(address, parameters))


class _EncoderLayer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> Tensor:  # noqa: ANN401 - torch gives it no type
        out, ctx.layer, tensors = _forward(*arguments, save=any(ctx.needs_input_grad))
        ctx.save_for_backward(*tensors)
        return out

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,  # noqa: ANN401
        dout: Tensor,
    ) -> tuple[Tensor | None, ...]:
        # A copy with new addresses: saved tensors may have moved, or two threads may be here.
        layer, tensors = EncoderLayerArguments.from_buffer_copy(ctx.layer), ctx.saved_tensors
        _set_addresses(layer, *tensors)
        _, x, source, _, _, *parameters = tensors
        dout, dx = dout.contiguous(), torch.empty_like(x)
        dsource = None if source is None else torch.empty_like(source)
        sizes = [part.numel() for part in parameters]
        dparameters = x.new_empty(sum(sizes))
        layer.dout, layer.dx = address(dout), address(dx)
        layer.dsource, layer.dparameters = address(dsource), address(dparameters)
        run("encoder_layer", layer, backward=True)
        parts = zip(dparameters.split(sizes), parameters, strict=True)
        return (dx, dsource, *(None,) * 5, *(gradient.view_as(part) for gradient, part in parts))
