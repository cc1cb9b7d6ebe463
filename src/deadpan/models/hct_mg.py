"""HCT-MG, the hierarchical crossmodal transformer with modality gating."""

from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deadpan.errors import DeadpanError, unknown_name
from deadpan.layers.dropout import dropout
from deadpan.layers.mlp import ResidualHead
from deadpan.layers.pooling import POOLS
from deadpan.layers.recurrent import MaskedGRU, read_together
from deadpan.layers.transformer import Encoder
from deadpan.models.base import AttentionPath, Model
from deadpan.types import TEXT, Batch, Modality, Output

Stream = tuple[Tensor, Tensor]
"""Features [clip, step, width] and mask [clip, step], padding last."""


class HCTMG(Model):
    """Fuse the auxiliary modalities first, then fold them into the primary one that a gate picks.

    Each modality is projected and read by a GRU; the two auxiliaries enhance each other (eq. 1-2);
    all are multiplied by the gate's weights; the primary attends to each auxiliary (eq. 3-4); its
    two views are concatenated under self-attention (eq. 5); the last real steps of all three are
    concatenated (eq. 6) and read by a residual head.

    Three named modalities; also two (the auxiliary has no partner: eq. 1-2 and the second view fall
    away) or one (only its self-attention is left). A modality missing in a clip has no real step:
    nothing of it is attended to (a learned bias stands in its place), and its own part of Z is
    zero. One that is missing in the data set is left out of ``widths``; one that only later data
    lacks counts as missing in every clip.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        width: channels d of every stream.
        heads: attention heads.
        layers: depth of each crossmodal transformer; self-attention has max(layers, 3).
        head_blocks: residual blocks of the head; two give the paper's sizes, MulT has one.
        primary: fix the primary modality and set all weights to 1: the paper's HCT (table 4).
        gate: multiply by the weights after the auxiliaries meet ("post") or before ("pre"); or
            after, by weights times their number ("even"): at rest that is HCT, not a third of it.
        sharing: crossmodal transformers tied to the "roles" of the modalities (four) or to each
            ordered "pairs" of them (six).
        bidirectional: GRUs that read both ways, at the same width.
        mask_future: MulT's offset mask in the crossmodal transformers and self-attention.
        pooling: the "last" real step of each stream, or the "mean" of its real steps.
        attention_dropout: of attention weights whose source is text, and of self-attention; 0 from
            other modalities.
        embedding_dropout: of the features that come in and of each embedding (MulT's code).
        embedding_dropout_on: drop in "text" streams only, as the paper's settings have it, or in
            "all", which keeps the gate from shunning the one modality that is noisier.
        residual_dropout: after each attention and feed-forward part.
        relu_dropout: inside each feed-forward part.
        output_dropout: inside the head.
    """

    most_modalities = 3
    paper = "Wang et al. 2023, Cross-Attention is Not Enough"
    presets = {"MOSEI": {"layers": 4}}

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        width: int = 40,
        heads: int = 5,
        layers: int = 2,
        head_blocks: int = 2,
        primary: Modality | None = None,
        gate: Literal["post", "pre", "even"] = "post",
        sharing: Literal["roles", "pairs"] = "roles",
        bidirectional: bool = False,
        mask_future: bool = False,
        pooling: Literal["last", "mean"] = "last",
        attention_dropout: float = 0.1,
        embedding_dropout: float = 0.25,
        embedding_dropout_on: Literal["text", "all"] = "all",
        residual_dropout: float = 0.1,
        relu_dropout: float = 0.1,
        output_dropout: float = 0.0,
    ) -> None:
        super().__init__(widths=widths, outputs=outputs)
        if primary is not None and primary not in self.modalities:
            raise DeadpanError(unknown_name("primary modality", primary, self.modalities))
        self.primary = primary
        count = len(self.modalities)
        self.gate_first = gate == "pre"
        self.gain = count if gate == "even" else 1
        self.pairs = sharing == "pairs"
        self.attention_dropout = attention_dropout
        self.embedding_dropout = embedding_dropout
        self.embedding_dropout_on = embedding_dropout_on
        self.pooling = pooling
        self.pool = POOLS[pooling]

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
        self.recurrent = nn.ModuleDict(
            {name: MaskedGRU(width, width, bidirectional=bidirectional) for name in self.modalities}
        )
        self.gate = ModalityGate(count) if primary is None else None
        self.crossmodal = nn.ModuleDict({key: encoder(width, layers) for key in self._encoders()})
        views = max(count - 1, 1)
        self.self_attention = encoder(views * width, max(layers, 3))
        self.auxiliary_maps = nn.ModuleList(
            nn.Linear(width, width, bias=False) for _ in range(count - 1)
        )
        self.head = ResidualHead(
            (count - 1 + views) * width, outputs, blocks=head_blocks, output_dropout=output_dropout
        )

    def _encoders(self) -> list[str]:
        if self.pairs:
            return [f"{source}_to_{target}" for source, target in permutations(self.modalities, 2)]
        return self._roles()

    def _roles(self) -> list[str]:
        count = len(self.modalities)
        between = ["auxiliary2_to_auxiliary1", "auxiliary1_to_auxiliary2"] if count == 3 else []
        return between + [f"auxiliary{i}_to_primary" for i in range(1, count)]

    def forward(self, batch: Batch) -> Output:
        """Predict; ``Output.gate`` holds the weights of ``modalities`` (None for HCT)."""
        streams = self._read(
            {name: self._project(name, x, mask) for name, (x, mask) in self.inputs(batch).items()}
        )
        weights, primary, auxiliaries = self._select(streams)

        def weighed(which: dict[Modality, Stream]) -> dict[Modality, Stream]:
            return {name: (weights[name] * x, mask) for name, (x, mask) in which.items()}

        if self.gate_first:
            streams = weighed(streams)
        if len(auxiliaries) == 2:
            first, second = auxiliaries
            enhanced = {
                first: self._fuse(streams, second, first, "auxiliary2_to_auxiliary1"),
                second: self._fuse(streams, first, second, "auxiliary1_to_auxiliary2"),
            }
            streams = streams | enhanced
        if not self.gate_first:
            streams = weighed(streams)

        views = [
            self._fuse(streams, name, primary, f"auxiliary{i}_to_primary")[0]
            for i, name in enumerate(auxiliaries, start=1)
        ] or [streams[primary][0]]
        fused = self.self_attention.pooled(
            torch.cat(views, dim=2),
            streams[primary][1],
            self.pooling,
            attention_dropout=self.attention_dropout,
            embedding_dropout=self._embedding_rate(primary),
        )
        parts = [
            linear(self.pool(*streams[name]))
            for linear, name in zip(self.auxiliary_maps, auxiliaries, strict=True)
        ]
        prediction = self.head(torch.cat([*parts, fused], dim=1))
        if self.gate is None:
            return Output(prediction=prediction)
        return Output(prediction=prediction, gate=torch.stack([*weights.values()]) / self.gain)

    def attention_paths(self) -> tuple[AttentionPath, ...]:
        """Under the modality that is primary now: the auxiliaries, then it, then its own."""
        primary = str(self.primary) if self.gate is None else self.modalities[self.gate()[1]]
        others = [name for name in self.modalities if name != primary]
        who = {"primary": primary} | {f"auxiliary{i}": m for i, m in enumerate(others, start=1)}
        found: list[AttentionPath] = []
        for role in self._roles():
            source, target = (who[end] for end in role.split("_to_"))
            module = f"crossmodal.{f'{source}_to_{target}' if self.pairs else role}"
            found += [AttentionPath(module, source, target, "crossmodal", 1 + (target == primary))]
        return (*found, AttentionPath("self_attention", primary, primary, "self", order=3))

    def _project(self, name: Modality, x: Tensor, mask: Tensor) -> Stream:
        if name == TEXT or self.embedding_dropout_on == "all":
            x = dropout(x, self.embedding_dropout, self.training)
        return self.projections[name](x), mask

    def _read(self, streams: Mapping[Modality, Stream]) -> dict[Modality, Stream]:
        readers = [self.recurrent[name] for name in streams]
        read = read_together(readers, list(streams.values()))  # pyright: ignore[reportArgumentType]
        return {name: (x, mask) for x, (name, (_, mask)) in zip(read, streams.items(), strict=True)}

    def _select(
        self, streams: Mapping[Modality, Stream]
    ) -> tuple[dict[Modality, Tensor], Modality, list[Modality]]:
        if self.gate is None:
            one = streams[self.modalities[0]][0].new_ones(())
            weights, primary = dict.fromkeys(self.modalities, one), str(self.primary)
        else:
            values, index = self.gate()
            weights = dict(zip(self.modalities, self.gain * values, strict=True))
            primary = self.modalities[index]
        return weights, primary, [name for name in self.modalities if name != primary]

    def _fuse(
        self, streams: Mapping[Modality, Stream], source: Modality, target: Modality, role: str
    ) -> Stream:
        x, mask = streams[target]
        encoder = self.crossmodal[f"{source}_to_{target}" if self.pairs else role]
        enhanced = encoder(
            x,
            mask,
            *streams[source],
            attention_dropout=self.attention_dropout if source == TEXT else 0.0,
            target_dropout=self._embedding_rate(target),
            source_dropout=self._embedding_rate(source),
        )
        return enhanced, mask

    def _embedding_rate(self, stream: Modality) -> float:
        return (
            self.embedding_dropout if self.embedding_dropout_on == "all" or stream == TEXT else 0.0
        )

    def gate_parameters(self) -> Iterator[nn.Parameter]:
        """The gate's logits."""
        return iter(()) if self.gate is None else self.gate.parameters()

    def end_epoch(self, gate_means: Float[Tensor, "epoch modality"]) -> None:
        """Freeze the gate once its selection has converged (section 5)."""
        if self.gate is not None and converged(gate_means):
            self.gate.freeze()

    @property
    def frozen(self) -> bool:
        """Whether the gate has stopped learning."""
        return self.gate is not None and bool(self.gate.frozen)


class ModalityGate(nn.Module):
    """One trainable weight per modality; the heaviest modality is the primary.

    The weights are the softmax of logits that start at 0, so they sum to 1. The choice itself has
    no gradient and nothing is sampled: the task reaches the logits only through the features that
    are multiplied by the weights.

    Args:
        modalities: how many modalities to weigh.
    """

    frozen: Tensor

    def __init__(self, modalities: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(modalities))
        self.register_buffer("frozen", torch.tensor(False))

    def forward(self) -> tuple[Float[Tensor, "modality"], int]:
        """The weights, and the index of the primary modality (ties: the lowest index)."""
        logits = self.logits.detach() if self.frozen else self.logits
        return logits.softmax(dim=0), int(logits.argmax())

    def freeze(self) -> None:
        """Stop learning: from here on the logits receive no gradient and stay as they are."""
        self.frozen.fill_(True)


def converged(
    means: Float[Tensor, "epoch modality"], *, patience: int = 5, tolerance: float = 0.01
) -> bool:
    """Whether the gate has settled, judged by its mean weights in each epoch so far.

    True when the last epoch's primary is that of the ``patience`` epochs before it and no mean
    weight moved by ``tolerance`` or more since the previous epoch.
    """
    if len(means) <= patience:
        return False
    recent = means[-patience - 1 :].argmax(dim=1)
    steady = bool((recent == recent[-1]).all())
    return steady and bool((means[-1] - means[-2]).abs().max() < tolerance)
