"""LMF-MulT, low-rank fusion of the sequences and crossmodal attention to the fused sequence."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from deadpan.layers.dropout import dropout
from deadpan.layers.mlp import ResidualHead
from deadpan.layers.pooling import Pool, Pooling
from deadpan.layers.recurrent import Reader, Readers
from deadpan.layers.tensor_fusion import LowRankFusion
from deadpan.layers.transformer import Encoder
from deadpan.models.base import FUSED, AttentionPath, Model
from deadpan.types import TEXT, Batch, Modality, Output


class LMFMulT(Model):
    """Fuse the sequences step by step into one stream, to which each modality then attends.

    Each modality is projected to one width. LMF fuses steps at the same fraction of the clip: the
    fused stream is as long as the longest modality, and each of its steps fuses the steps of the
    other modalities at the same relative time, so nothing needs alignment and nothing is cut. Each
    modality attends to the fused stream in one crossmodal transformer, then to itself; a head of
    one residual block predicts from the last real steps of all.

    Any number of modalities. One missing in a clip enters the fusion as zeros ([1; 0]), and its
    part of the head's input is zero. The defaults are MulT's. They give 373,475 parameters at
    MOSI's widths where the HCT-MG paper prints 0.84M; neither paper defines the difference, and no
    code of its authors is known. ``width`` 45 and ``rank`` 6 give that size: 835,882 at MOSI's
    widths, 839,662 at MOSEI's and 840,614 with IEMOCAP's eight outputs, for which 0.86M is printed.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        width: channels d of every stream.
        heads: attention heads.
        layers: depth of each crossmodal transformer; self-attention has max(layers, 3).
        rank: number of terms of the low-rank fusion.
        reader: what reads each modality's steps before any fusion: "none", as in the paper, or a
            "gru" of the same width, as in HCT-MG.
        pooling: the "last" real step of each modality's self-attention, the "mean" of its real
            steps, or "attention" to them by a learned query.
        attention_dropout: rate for all attention weights.
        embedding_dropout: rate for the text features and for each embedding.
        residual_dropout: rate after each attention and feed-forward part.
        relu_dropout: rate inside each feed-forward part.
        output_dropout: rate inside the head.
    """

    title = "LMF-MulT"
    paper = "Sahay et al. 2020, Low Rank Fusion based Transformers for Multimodal Sequences"

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        width: int = 30,
        heads: int = 5,
        layers: int = 5,
        rank: int = 4,
        reader: Reader = "none",
        pooling: Pooling = "last",
        attention_dropout: float = 0.1,
        embedding_dropout: float = 0.25,
        residual_dropout: float = 0.1,
        relu_dropout: float = 0.1,
        output_dropout: float = 0.0,
    ) -> None:
        super().__init__(widths=widths, outputs=outputs)
        self.attention_dropout, self.embedding_dropout = attention_dropout, embedding_dropout
        rates = {"residual_dropout": residual_dropout, "relu_dropout": relu_dropout}
        names = self.modalities
        self.projections = nn.ModuleDict(
            {name: nn.Linear(features, width, bias=False) for name, features in self.widths.items()}
        )
        self.recurrent = Readers(reader, names, width)
        self.fusion = LowRankFusion([width] * len(names), width, rank)
        self.crossmodal = _encoders(names, width, heads, layers, rates)
        self.self_attention = _encoders(names, width, heads, max(layers, 3), rates)
        self.pooling = pooling
        self.pools = nn.ModuleDict({name: Pool(width, pooling) for name in names})
        self.head = ResidualHead(
            len(names) * width, outputs, blocks=1, output_dropout=output_dropout
        )

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        streams = self.recurrent(
            {name: (self._project(name, x), mask) for name, (x, mask) in self.inputs(batch).items()}
        )
        fused, fused_mask = self._fuse(list(streams.values()))
        attention, embedding = self.attention_dropout, self.embedding_dropout
        vectors: list[Tensor] = []
        for name, (x, mask) in streams.items():
            x = self.crossmodal[name](
                x,
                mask,
                fused,
                fused_mask,
                attention_dropout=attention,
                target_dropout=embedding,
                source_dropout=embedding,
            )
            vectors.append(
                self.self_attention[name].pooled(  # pyright: ignore[reportCallIssue]
                    x,
                    mask,
                    self.pools[name],
                    attention_dropout=attention,
                    embedding_dropout=embedding,
                )
            )
        return Output(prediction=self.head(torch.cat(vectors, dim=1)))

    def attention_paths(self) -> tuple[AttentionPath, ...]:
        """Each modality to the fused stream, then the self-attention of each modality."""
        fused = [
            AttentionPath(f"crossmodal.{name}", FUSED, name, "crossmodal")
            for name in self.modalities
        ]
        self_attention = [
            AttentionPath(f"self_attention.{name}", name, name, "self", order=2)
            for name in self.modalities
        ]
        return (*fused, *self_attention)

    def final_pools(self) -> Mapping[Modality, Pool]:
        """Pools of the self-attention of each modality."""
        return dict(self.pools.items())  # pyright: ignore[reportReturnType]

    def _project(self, name: Modality, x: Tensor) -> Tensor:
        if name == TEXT:
            x = dropout(x, self.embedding_dropout, self.training)
        return self.projections[name](x)

    def _fuse(
        self,
        streams: Sequence[tuple[Float[Tensor, "clip _ width"], Bool[Tensor, "clip _"]]],
    ) -> tuple[Float[Tensor, "clip step width"], Bool[Tensor, "clip step"]]:
        """Fused stream and its mask, as long as the longest modality of each clip."""
        lengths = torch.stack([mask.sum(dim=1) for _, mask in streams])
        longest = lengths.max(dim=0).values
        step = torch.arange(max(x.shape[1] for x, _ in streams), device=longest.device)
        mask = step < longest[:, None]
        stretched = [
            _at_same_fraction(x, length, longest, step) * mask[:, :, None]
            for (x, _), length in zip(streams, lengths, strict=True)
        ]
        fused = self.fusion([x.flatten(0, 1) for x in stretched])
        return fused.view(*mask.shape, -1) * mask[:, :, None], mask


def _at_same_fraction(
    x: Float[Tensor, "clip _ width"], length: Tensor, longest: Tensor, step: Tensor
) -> Float[Tensor, "clip step width"]:
    """The step of ``x`` at the same fraction of the clip as each step of the longest modality."""
    index = step * length[:, None] // longest[:, None].clamp(min=1)
    index = torch.minimum(index, (length[:, None] - 1).clamp(min=0))
    steps = x.gather(1, index[:, :, None].expand(-1, -1, x.shape[2]))
    return steps * (length > 0)[:, None, None]


def _encoders(
    names: Sequence[Modality], width: int, heads: int, layers: int, rates: Mapping[str, Any]
) -> nn.ModuleDict:
    return nn.ModuleDict({name: Encoder(width, heads, layers, **rates) for name in names})
