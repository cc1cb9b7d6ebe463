"""LMF-MulT, low-rank fusion of the sequences, then attention between it and each of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from deadpan.layers.dropout import dropout
from deadpan.layers.mlp import ResidualHead
from deadpan.layers.tensor_fusion import LowRankFusion
from deadpan.layers.transformer import Encoder
from deadpan.models.base import FUSED, AttentionPath, Model
from deadpan.types import TEXT, Batch, Modality, Output


class LMFMulT(Model):
    """Fuse the sequences step by step into one stream; let each modality attend to that.

    Each modality is projected to one width. LMF fuses the steps that stand at the same share of the
    clip: the fused stream is as long as the longest modality, and each of its steps takes from
    the others the step at the same relative time, so that nothing need be aligned and nothing is
    cut. Each modality attends to the fused stream in one crossmodal transformer, then to itself;
    the last real steps of all are read by one residual block and a linear map.

    Any number of modalities. One missing in a clip is zeros in the fusion ([1; 0]), and its part of
    what the head reads is zero. The defaults are MulT's. They give 373,475 parameters at MOSI's
    widths where the authors report 0.84M: what else theirs holds, its definition does not say.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        width: channels d of every stream.
        heads: attention heads.
        layers: depth of each crossmodal transformer; self-attention has max(layers, 3).
        rank: terms of the low-rank fusion.
        attention_dropout: of every attention.
        embedding_dropout: of the text features that come in and of each embedding.
        residual_dropout: after each attention and feed-forward part.
        relu_dropout: inside each feed-forward part.
        output_dropout: inside the head.
    """

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
        self.fusion = LowRankFusion([width] * len(names), width, rank)
        self.crossmodal = _encoders(names, width, heads, layers, rates)
        self.self_attention = _encoders(names, width, heads, max(layers, 3), rates)
        self.head = ResidualHead(
            len(names) * width, outputs, blocks=1, output_dropout=output_dropout
        )

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        streams = {
            name: (self._project(name, x), mask) for name, (x, mask) in self.inputs(batch).items()
        }
        fused, real = self._fuse(list(streams.values()))
        attention, embedding = self.attention_dropout, self.embedding_dropout
        parts: list[Tensor] = []
        for name, (x, mask) in streams.items():
            x = self.crossmodal[name](
                x,
                mask,
                fused,
                real,
                attention_dropout=attention,
                target_dropout=embedding,
                source_dropout=embedding,
            )
            own = self.self_attention[name]
            parts.append(
                own.pooled(  # pyright: ignore[reportCallIssue]
                    x, mask, "last", attention_dropout=attention, embedding_dropout=embedding
                )
            )
        return Output(prediction=self.head(torch.cat(parts, dim=1)))

    def attention_paths(self) -> tuple[AttentionPath, ...]:
        """Each modality to the fused stream, then to itself."""
        fused = [
            AttentionPath(f"crossmodal.{name}", FUSED, name, "crossmodal")
            for name in self.modalities
        ]
        own = [
            AttentionPath(f"self_attention.{name}", name, name, "self", order=2)
            for name in self.modalities
        ]
        return (*fused, *own)

    def _project(self, name: Modality, x: Tensor) -> Tensor:
        if name == TEXT:
            x = dropout(x, self.embedding_dropout, self.training)
        return self.projections[name](x)

    def _fuse(
        self,
        streams: Sequence[tuple[Float[Tensor, "clip _ width"], Bool[Tensor, "clip _"]]],
    ) -> tuple[Float[Tensor, "clip step width"], Bool[Tensor, "clip step"]]:
        """The fused stream, as long as the longest modality of each clip."""
        lengths = torch.stack([mask.sum(dim=1) for _, mask in streams])
        longest = lengths.max(dim=0).values
        place = torch.arange(max(x.shape[1] for x, _ in streams), device=longest.device)
        real = place < longest[:, None]
        stretched = [
            _at_same_share(x, length, longest, place) * real[:, :, None]
            for (x, _), length in zip(streams, lengths, strict=True)
        ]
        fused = self.fusion([x.flatten(0, 1) for x in stretched])
        return fused.view(*real.shape, -1) * real[:, :, None], real


def _at_same_share(
    x: Float[Tensor, "clip _ width"], length: Tensor, longest: Tensor, place: Tensor
) -> Float[Tensor, "clip step width"]:
    """Each step of the longest modality takes the step of ``x`` at the same share of the clip."""
    index = place * length[:, None] // longest[:, None].clamp(min=1)
    index = torch.minimum(index, (length[:, None] - 1).clamp(min=0))
    picked = x.gather(1, index[:, :, None].expand(-1, -1, x.shape[2]))
    return picked * (length > 0)[:, None, None]


def _encoders(
    names: Sequence[Modality], width: int, heads: int, layers: int, rates: Mapping[str, Any]
) -> nn.ModuleDict:
    return nn.ModuleDict({name: Encoder(width, heads, layers, **rates) for name in names})
