"""MulT's encoder: self-attention, or crossmodal attention when it is given a source."""

import math

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import relu

from deadpan.layers.attention import Attention
from deadpan.layers.dropout import dropout
from deadpan.layers.positions import sinusoidal_positions


class EncoderLayer(nn.Module):
    """One pre-norm layer; the same norm serves target and source (Tsai et al. 2019, section 3.2).

    Holds 12 d^2 + 13 d parameters at width d.
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
        """Attend to the source (to ``x`` itself if None), then transform each step."""
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


class Encoder(nn.Module):
    """A stack of layers over scaled, positioned and dropped-out steps, closed by a norm.

    With a source it is the crossmodal transformer CMT(source -> target), whose layers all read the
    source's embedding; without, a self-attention encoder. L (12 d^2 + 13 d) + 2 d parameters.

    Args:
        width: channels d, at least 4.
        heads: attention heads; must divide ``width``.
        layers: depth L.
        residual_dropout: after attention and after the feed-forward part.
        relu_dropout: inside the feed-forward part.
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
        """Encode the target; its padded steps (which must stand last) come out as zeros.

        Args:
            target: the sequence that is enhanced.
            target_mask: True = real step.
            source: the sequence it attends to; None = itself.
            source_mask: True = real step; needed with ``source``.
            attention_dropout: of attention weights.
            target_dropout: of the target's embedding.
            source_dropout: of the source's embedding.
        """
        x = self._embed(target, target_dropout)
        if source is not None:
            source = self._embed(source, source_dropout)
        for layer in self.layers:
            x = layer(
                x,
                target_mask,
                source,
                target_mask if source_mask is None else source_mask,
                attention_dropout=attention_dropout,
                mask_future=self.mask_future,
            )
        return self.norm(x) * target_mask[:, :, None].to(x.dtype)

    def _embed(
        self, x: Float[Tensor, "clip step width"], rate: float
    ) -> Float[Tensor, "clip step width"]:
        steps, width = x.shape[1:]
        return dropout(
            math.sqrt(width) * x + sinusoidal_positions(steps, width, x), rate, self.training
        )
