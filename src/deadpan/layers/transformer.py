"""MulT's encoder: crossmodal attention to a source sequence, or self-attention without one."""

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import pad, relu

from deadpan.layers.attention import Attention
from deadpan.layers.dropout import dropout
from deadpan.layers.exporting import is_exporting
from deadpan.layers.native.encoder_layer import encoder_layer
from deadpan.layers.native.library import native
from deadpan.layers.pooling import Pool, last_step


class EncoderLayer(nn.Module):
    """Pre-norm encoder layer whose norm serves target and source (Tsai et al. 2019, section 3.2).

    It has 12 d^2 + 13 d parameters at width d. On a CPU it is computed in C without calling its
    submodules, so hooks on them do not run; ``record_attention`` still works.

    Args:
        width: channels d.
        heads: attention heads; must divide ``width``.
        residual_dropout: rate after attention and after the feed-forward part.
        relu_dropout: rate inside the feed-forward part.
    """

    def __init__(
        self, width: int, heads: int, *, residual_dropout: float, relu_dropout: float
    ) -> None:
        super().__init__()
        self.residual_dropout = residual_dropout
        self.relu_dropout = relu_dropout
        self.attention = Attention(width, heads)
        self.attention_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)
        self.feedforward_norm = nn.LayerNorm(width)
        for linear in (self.expand, self.contract):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(
        self,
        x: Float[Tensor, "clip step width"],
        mask: Bool[Tensor, "clip step"],
        source: Float[Tensor, "clip source_step width"] | None,
        source_mask: Bool[Tensor, "clip source_step"],
        *,
        attention_dropout: float,
        mask_future: bool,
    ) -> Float[Tensor, "clip step width"]:
        """Attend to the source (to ``x`` itself if None), then apply the feed-forward part."""
        if native(x, x if source is None else source) and not self.attention.recorders:
            return self._native(x, mask, source, source_mask, attention_dropout, mask_future)
        normed = self.attention_norm(x)
        attended = self.attention(
            normed,
            mask,
            normed if source is None else self.attention_norm(source),
            source_mask,
            dropout=attention_dropout,
            mask_future=mask_future,
        )
        x = x + dropout(attended, self.residual_dropout, self.training)
        hidden = relu(self.expand(self.feedforward_norm(x)))
        hidden = self.contract(dropout(hidden, self.relu_dropout, self.training))
        return x + dropout(hidden, self.residual_dropout, self.training)

    def _native(
        self,
        x: Float[Tensor, "clip step width"],
        mask: Bool[Tensor, "clip step"],
        source: Float[Tensor, "clip source_step width"] | None,
        source_mask: Bool[Tensor, "clip source_step"],
        attention_dropout: float,
        mask_future: bool,
    ) -> Float[Tensor, "clip step width"]:
        attention, enabled = self.attention, float(self.training)
        linears = (attention.query, attention.key_value, attention.output)
        modules = (
            *(self.attention_norm, *linears),
            *(self.feedforward_norm, self.expand, self.contract),
        )
        return encoder_layer(
            x,
            source,
            mask,
            source_mask,
            [parameter for module in modules for parameter in (module.weight, module.bias)],
            heads=attention.heads,
            attention_dropout=enabled * attention_dropout,
            residual_dropout=enabled * self.residual_dropout,
            relu_dropout=enabled * self.relu_dropout,
            mask_future=mask_future,
        )


class Encoder(nn.Module):
    """Stack of encoder layers over embedded steps (scaled, positioned, dropped out), then a norm.

    With a source it is the crossmodal transformer CMT(source -> target), all of whose layers read
    the source's embedding; without one it is a self-attention encoder. It has
    L (12 d^2 + 13 d) + 2 d parameters.

    Args:
        width: channels d, at least 4.
        heads: attention heads; must divide ``width``.
        layers: depth L.
        residual_dropout: rate after attention and after the feed-forward part.
        relu_dropout: rate inside the feed-forward part.
        mask_future: MulT's offset mask.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        layers: int,
        *,
        residual_dropout: float = 0.1,
        relu_dropout: float = 0.1,
        mask_future: bool = False,
    ) -> None:
        super().__init__()
        if width < 4:  # sinusoidal positions need two wavelengths
            raise ValueError(f"width must be at least 4; got {width}")
        self.mask_future = mask_future
        self.layers = nn.ModuleList(
            EncoderLayer(width, heads, residual_dropout=residual_dropout, relu_dropout=relu_dropout)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        target: Float[Tensor, "clip step width"],
        target_mask: Bool[Tensor, "clip step"],
        source: Float[Tensor, "clip source_step width"] | None = None,
        source_mask: Bool[Tensor, "clip source_step"] | None = None,
        *,
        attention_dropout: float = 0.0,
        target_dropout: float = 0.0,
        source_dropout: float = 0.0,
    ) -> Float[Tensor, "clip step width"]:
        """Encode the target; its padded steps come out as zeros.

        Args:
            target: the sequence that is enhanced.
            target_mask: True = real step; padding last.
            source: the sequence it attends to; None = itself.
            source_mask: True = real step; padding last. Required with ``source``.
            attention_dropout: rate for attention weights.
            target_dropout: rate for the target's embedding.
            source_dropout: rate for the source's embedding.
        """
        x = self._embed(target, target_dropout)
        if source is not None:
            source = self._embed(source, source_dropout)
        keys_mask = target_mask if source_mask is None else source_mask
        x = self._apply_layers(self.layers, x, target_mask, source, keys_mask, attention_dropout)
        return self.norm(x) * target_mask[:, :, None].to(x.dtype)

    def pooled(
        self,
        x: Float[Tensor, "clip step width"],
        mask: Bool[Tensor, "clip step"],
        pool: Pool,
        *,
        attention_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
    ) -> Float[Tensor, "clip width"]:
        """Encode ``x`` by self-attention and pool it to one vector for each clip.

        Where the pool takes the last step, the last layer computes no other, unless attention is
        recorded or a hook needs the whole output.

        Args:
            x: the sequence.
            mask: True = real step; padding last.
            pool: of the encoder's width.
            attention_dropout: rate for attention weights.
            embedding_dropout: rate for the embedding.
        """
        observed = self._forward_pre_hooks or self._forward_hooks or self._is_recorded()
        if pool.pooling != "last" or observed:
            encoded = self(
                x, mask, attention_dropout=attention_dropout, target_dropout=embedding_dropout
            )
            return pool(encoded, mask)
        x = self._embed(x, embedding_dropout)
        x = self._apply_layers(self.layers[:-1], x, mask, None, mask, attention_dropout)
        last, has_step = last_step(x, mask)[:, None], mask.any(dim=1, keepdim=True)
        last = self._apply_layers(self.layers[-1:], last, has_step, x, mask, attention_dropout)
        return self.norm(last).squeeze(1) * has_step.to(x.dtype)

    def _is_recorded(self) -> bool:
        layers = cast("Iterable[EncoderLayer]", self.layers)
        return any(layer.attention.recorders for layer in layers)

    def _apply_layers(
        self,
        layers: Iterable[nn.Module],
        x: Float[Tensor, "clip step width"],
        mask: Bool[Tensor, "clip step"],
        source: Float[Tensor, "clip source_step width"] | None,
        source_mask: Bool[Tensor, "clip source_step"],
        attention_dropout: float,
    ) -> Float[Tensor, "clip step width"]:
        for layer in layers:
            x = layer(
                x,
                mask,
                source,
                source_mask,
                attention_dropout=attention_dropout,
                mask_future=self.mask_future,
            )
        return x

    def _embed(
        self, x: Float[Tensor, "clip step width"], rate: float
    ) -> Float[Tensor, "clip step width"]:
        steps, width = x.shape[1:]
        positioned = torch.add(sinusoidal_positions(steps, width, x), x, alpha=math.sqrt(width))
        return dropout(positioned, rate, self.training)


def sinusoidal_positions(
    steps: int | torch.SymInt, width: int, like: Tensor, *, scale: float = 10_000.0
) -> Float[Tensor, "step width"]:
    """Sinusoidal positions of steps 1, 2, ...: half of the channels sines, then half cosines.

    The layout of fairseq and MulT (Tsai et al. 2019), not the interleaved one of Vaswani et al.

    Args:
        steps: number of positions.
        width: channels, at least 4; an odd last channel is zero.
        like: tensor whose device and type the result takes.
        scale: wavelengths run geometrically from 2 pi to 2 pi ``scale``.
    """
    if like.device.type == "cpu" and not is_exporting():
        return _cached_positions(1 << int(steps).bit_length(), width, scale)[:steps].to(like.dtype)
    return _positions(steps, width, scale, like.device).to(like.dtype)


@lru_cache(maxsize=16)
def _cached_positions(steps: int, width: int, scale: float) -> Float[Tensor, "step width"]:
    """Positions on the CPU, cached because they take a dozen small kernels for every embedding."""
    with torch.inference_mode(mode=False):
        return _positions(steps, width, scale, torch.device("cpu"))


def _positions(
    steps: int | torch.SymInt, width: int, scale: float, device: torch.device
) -> Float[Tensor, "step width"]:
    half = width // 2
    rates = torch.exp(
        torch.arange(half, device=device, dtype=torch.float32) * (-math.log(scale) / (half - 1))
    )
    index = torch.arange(  # pyright: ignore[reportCallIssue]
        1,
        steps + 1,  # pyright: ignore[reportArgumentType] - a SymInt while a program is exported
        device=device,
        dtype=torch.float32,
    )
    angles = index[:, None] * rates
    positions = torch.cat([angles.sin(), angles.cos()], dim=1)
    return pad(positions, (0, width - 2 * half))
