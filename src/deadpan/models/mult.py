"""MulT, the multimodal transformer with directional pairwise crossmodal attention."""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from deadpan.layers.attention import Attention
from deadpan.layers.dropout import dropout
from deadpan.layers.mlp import ResidualHead
from deadpan.layers.pooling import Pool, Pooling
from deadpan.layers.recurrent import Reader, Readers
from deadpan.layers.transformer import Encoder
from deadpan.models.base import AttentionPath, Model
from deadpan.types import TEXT, Batch, Modality, Output


class MulT(Model):
    """Let every modality attend to every other one, then encode each with its crossmodal views.

    Each modality is projected to the same width (a convolution of kernel 1, no bias). For every
    ordered pair a crossmodal transformer lets the target attend to the unaligned source. For each
    target its views, one per source, are concatenated and encoded by self-attention; the last real
    steps of all targets are concatenated, and a head of one residual block predicts from them.

    Three named modalities: six crossmodal transformers, self-attention of twice the width. Two: two
    transformers, self-attention of one width. One: self-attention over its projection. A
    modality missing in a clip has no real step: as a source it is not attended to (a learned bias
    takes its place), as a target its part of the concatenation is zero.

    The defaults are those of the authors' code; the paper's own
    settings are width 40, layers 4. With the same weights outputs and gradients are those of that
    code (``studies/parity``) where no clip is padded. It pads on the left, attends to the padding
    and counts its offset mask in padded steps, and its softmax is in float32 in any type. MMSA's
    copy has no positions.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        width: channels d of every stream.
        heads: attention heads.
        layers: depth of each crossmodal transformer; self-attention has max(layers, 3).
        mask_future: the offset mask in the crossmodal transformers and self-attention, counted in
            the real steps of each clip.
        reader: what reads each modality's steps before any fusion: "none", as in the paper, or a
            "gru" of the same width, as in HCT-MG.
        pooling: the "last" real step of each modality's self-attention, the "mean" of its real
            steps, or "attention" to them by a learned query.
        attention_dropout: rate for attention weights whose source is text, and for self-attention;
            0 for other sources.
        embedding_dropout: rate for the text features and for each embedding, as target and as
            source.
        embedding_dropout_on: drop embeddings of "all" modalities, as the code does, or of "text"
            only.
        residual_dropout: rate after each attention and feed-forward part.
        relu_dropout: rate inside each feed-forward part.
        output_dropout: rate inside the head.
        initialization: the query, key and value projections are drawn as rows of one "stacked"
            matrix, as in the authors' code, or as "square" matrices, which makes them larger by
            sqrt(2).
    """

    paper = "Tsai et al. 2019, Multimodal Transformer for Unaligned Multimodal Language Sequences"

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        width: int = 30,
        heads: int = 5,
        layers: int = 5,
        mask_future: bool = True,
        reader: Reader = "none",
        pooling: Pooling = "last",
        attention_dropout: float = 0.1,
        embedding_dropout: float = 0.25,
        embedding_dropout_on: Literal["text", "all"] = "all",
        residual_dropout: float = 0.1,
        relu_dropout: float = 0.1,
        output_dropout: float = 0.0,
        initialization: Literal["stacked", "square"] = "stacked",
    ) -> None:
        super().__init__(widths=widths, outputs=outputs)
        self.attention_dropout = attention_dropout
        self.embedding_dropout = embedding_dropout
        self.embedding_dropout_on = embedding_dropout_on

        def encoder(channels: int, depth: int) -> Encoder:
            return Encoder(
                channels,
                heads,
                depth,
                residual_dropout=residual_dropout,
                relu_dropout=relu_dropout,
                mask_future=mask_future,
            )

        # A convolution of kernel 1 is a linear map of each step, without two transpositions.
        self.projections = nn.ModuleDict(
            {name: nn.Linear(features, width, bias=False) for name, features in self.widths.items()}
        )
        names = self.modalities
        self.recurrent = Readers(reader, names, width)
        self.crossmodal = nn.ModuleDict(
            {
                f"{source}_to_{target}": encoder(width, layers)
                for target in names
                for source in names
                if source != target
            }
        )
        views_width = max(len(names) - 1, 1) * width
        self.self_attention = nn.ModuleDict(
            {name: encoder(views_width, max(layers, 3)) for name in names}
        )
        self.pooling = pooling
        self.pools = nn.ModuleDict({name: Pool(views_width, pooling) for name in names})
        self.head = ResidualHead(
            len(names) * views_width, outputs, blocks=1, output_dropout=output_dropout
        )
        if initialization == "stacked":
            for module in self.modules():
                if isinstance(module, Attention):
                    module.stack_projections()

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        streams = self.recurrent(
            {name: (self._project(name, x), mask) for name, (x, mask) in self.inputs(batch).items()}
        )
        vectors = [self._encode(streams, target) for target in streams]
        return Output(prediction=self.head(torch.cat(vectors, dim=1)))

    def attention_paths(self) -> tuple[AttentionPath, ...]:
        """Every ordered pair, then the self-attention of each modality."""
        pairs = [
            AttentionPath(f"crossmodal.{source}_to_{target}", source, target, "crossmodal")
            for target in self.modalities
            for source in self.modalities
            if source != target
        ]
        self_attention = [
            AttentionPath(f"self_attention.{name}", name, name, "self", order=2)
            for name in self.modalities
        ]
        return (*pairs, *self_attention)

    def final_pools(self) -> Mapping[Modality, Pool]:
        """Pools of the self-attention of each modality."""
        return dict(self.pools.items())  # pyright: ignore[reportReturnType]

    def _project(self, name: Modality, x: Tensor) -> Tensor:
        if name == TEXT:
            x = dropout(x, self.embedding_dropout, self.training)
        return self.projections[name](x)

    def _encode(
        self, streams: Mapping[Modality, tuple[Tensor, Tensor]], target: Modality
    ) -> Tensor:
        """Pooled steps of the target's views of all sources, encoded by self-attention."""
        x, mask = streams[target]
        views = [
            self.crossmodal[f"{source}_to_{target}"](
                x,
                mask,
                *streams[source],
                attention_dropout=self.attention_dropout if source == TEXT else 0.0,
                target_dropout=self._embedding_rate(target),
                source_dropout=self._embedding_rate(source),
            )
            for source in self.modalities
            if source != target
        ]
        return self.self_attention[target].pooled(  # pyright: ignore[reportCallIssue]
            torch.cat(views or [x], dim=2),
            mask,
            self.pools[target],
            attention_dropout=self.attention_dropout,
            embedding_dropout=self._embedding_rate(target),
        )

    def _embedding_rate(self, stream: Modality) -> float:
        return (
            self.embedding_dropout if self.embedding_dropout_on == "all" or stream == TEXT else 0.0
        )
