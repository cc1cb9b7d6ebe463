"""HCT-MG, the hierarchical crossmodal transformer with modality gating."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deadpan.errors import DeadpanError, unknown_name
from deadpan.layers.dropout import dropout
from deadpan.layers.mlp import ResidualHead
from deadpan.layers.pooling import Pool, Pooling, mean_step
from deadpan.layers.recurrent import Reader, Readers
from deadpan.layers.transformer import Encoder
from deadpan.models.base import AttentionPath, Model
from deadpan.types import TEXT, Batch, Modality, Output

PaddedSequence = tuple[Tensor, Tensor]
"""Features [clip, step, width] and mask [clip, step] (True = real step), padding last."""


class HCTMG(Model):
    """Fuse the auxiliary modalities first, then each with the primary modality that a gate selects.

    1. Each modality is projected to ``width`` and read by a GRU.
    2. The two auxiliaries A1 and A2 attend to each other (eq. 1-2).
    3. All three are multiplied by the gate's weights.
    4. The primary attends to each auxiliary, which gives two views of it (eq. 3-4).
    5. The views are concatenated and encoded by self-attention (eq. 5).
    6. Z concatenates the last real steps of A1, A2 and the encoded primary (eq. 6); a residual head
       predicts from it.

    With two modalities there is one auxiliary: step 2 and the second view fall away. With one
    modality only its self-attention is left. A modality missing in a clip has no real step: nothing
    attends to it (a learned bias takes its place), and its part of Z is zero. One that is missing
    in the data set is left out of ``widths``; one that only later data lacks counts as missing in
    every clip.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        width: channels d of every stream.
        heads: attention heads.
        layers: depth of each crossmodal transformer; self-attention has max(layers, 3).
        head_blocks: residual blocks of the head; two give the paper's sizes, MulT has one.
        primary: fix the primary modality and set all weights to 1: the paper's HCT (table 4).
        gate: multiply by the weights after eq. 1-2 ("post") or before ("pre"); or after, by weights
            times the number of modalities ("even"), so that equal weights give HCT.
        gate_per: one set of weights and one primary for every clip of a "batch", as in the paper;
            or, in each "clip", weights that a linear map of its own streams gives, by which the
            predictions under each primary are mixed: the most telling modality differs from clip to
            clip (MODS, Yang et al. 2026, arXiv 2511.06328). Costs as many fusions as modalities.
        sharing: crossmodal transformers tied to the "roles" of the modalities (four) or to each
            ordered "pairs" of them (six).
        reader: what reads each modality's steps before any fusion: a "gru", as in the paper, or
            "none", which leaves their order to attention, as in MulT.
        bidirectional: use bidirectional GRUs of the same output width.
        mask_future: MulT's offset mask in the crossmodal transformers and self-attention.
        pooling: the "last" real step of each stream, the "mean" of its real steps, or "attention"
            to them by a learned query.
        attention_dropout: rate for attention weights whose source is text, and for self-attention;
            0 for other sources.
        embedding_dropout: rate for the input features and for each embedding (MulT's code).
        embedding_dropout_on: drop in the "text" modality only, as in the paper's settings, or in
            "all", so that the gate does not avoid text for its noise alone.
        modality_dropout: rate at which a clip in training loses each of its modalities, but never
            all of them, so that one model serves every subset.
        residual_dropout: rate after each attention and feed-forward part.
        relu_dropout: rate inside each feed-forward part.
        output_dropout: rate inside the head.
    """

    most_modalities = 3
    title = "HCT-MG"
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
        gate_per: Literal["batch", "clip"] = "batch",
        sharing: Literal["roles", "pairs"] = "roles",
        reader: Reader = "gru",
        bidirectional: bool = False,
        mask_future: bool = False,
        pooling: Pooling = "last",
        attention_dropout: float = 0.1,
        embedding_dropout: float = 0.25,
        embedding_dropout_on: Literal["text", "all"] = "all",
        modality_dropout: float = 0.0,
        residual_dropout: float = 0.1,
        relu_dropout: float = 0.1,
        output_dropout: float = 0.0,
    ) -> None:
        super().__init__(widths=widths, outputs=outputs)
        if primary is not None and primary not in self.modalities:
            raise DeadpanError(unknown_name("primary modality", primary, self.modalities))
        if primary is not None and gate_per == "clip":
            raise DeadpanError(
                f"gate_per clip mixes the primary modalities in each clip; got primary {primary}: "
                "leave one of the two out"
            )
        if bidirectional and reader == "none":
            raise DeadpanError(
                "bidirectional is of the GRUs, which reader none leaves out; leave one of them out"
            )
        self.primary = primary
        count = len(self.modalities)
        self.gate_first = gate == "pre"
        self.gain = count if gate == "even" else 1
        self.pairs = sharing == "pairs"
        self.attention_dropout = attention_dropout
        self.embedding_dropout = embedding_dropout
        self.embedding_dropout_on = embedding_dropout_on
        self.modality_dropout = modality_dropout
        self.pooling = pooling

        def encoder(channels: int, depth: int) -> Encoder:
            return Encoder(
                channels,
                heads,
                depth,
                residual_dropout=residual_dropout,
                relu_dropout=relu_dropout,
                mask_future=mask_future,
            )

        # The paper's convolution of kernel 1 is a linear map of each step.
        self.projections = nn.ModuleDict(
            {name: nn.Linear(features, width, bias=False) for name, features in self.widths.items()}
        )
        self.recurrent = Readers(reader, self.modalities, width, bidirectional=bidirectional)
        self.gate: ModalityGate | ClipGate | None = None
        if primary is None:
            self.gate = ClipGate(count, width) if gate_per == "clip" else ModalityGate(count)
        self.crossmodal = nn.ModuleDict(
            {key: encoder(width, layers) for key in self._encoder_names()}
        )
        views = max(count - 1, 1)
        self.self_attention = encoder(views * width, max(layers, 3))
        self.pool = Pool(views * width, pooling)
        self.auxiliary_pools = nn.ModuleList(Pool(width, pooling) for _ in range(count - 1))
        self.auxiliary_maps = nn.ModuleList(
            nn.Linear(width, width, bias=False) for _ in range(count - 1)
        )
        self.head = ResidualHead(
            (count - 1 + views) * width, outputs, blocks=head_blocks, output_dropout=output_dropout
        )

    def _encoder_names(self) -> list[str]:
        if self.pairs:
            return [f"{source}_to_{target}" for source, target in permutations(self.modalities, 2)]
        return self._roles()

    def _roles(self) -> list[str]:
        """Names of the crossmodal steps in use, in the order of their computation."""
        count = len(self.modalities)
        between = ["auxiliary2_to_auxiliary1", "auxiliary1_to_auxiliary2"] if count == 3 else []
        return between + [f"auxiliary{i}_to_primary" for i in range(1, count)]

    def forward(self, batch: Batch) -> Output:
        """Predict; ``Output.gate`` holds the weights of ``modalities`` (None for HCT).

        Of a gate per clip they are the mean over the clips.
        """
        inputs = self.inputs(batch)
        if self.training and self.modality_dropout:
            inputs = self._drop_modalities(inputs)
        streams = self.recurrent(
            {name: self._project(name, x, mask) for name, (x, mask) in inputs.items()}
        )
        if isinstance(self.gate, ClipGate):
            shares = self.gate([*streams.values()])
            return Output(prediction=self._mix(streams, shares), gate=shares.mean(dim=0))
        weights, primary = self._select(streams)
        prediction = self._fuse(streams, weights, primary)
        if self.gate is None:
            return Output(prediction=prediction)
        return Output(prediction=prediction, gate=torch.stack([*weights.values()]) / self.gain)

    def _mix(
        self,
        streams: Mapping[Modality, PaddedSequence],
        shares: Float[Tensor, "clip modality"],
    ) -> Float[Tensor, "clip output"]:
        """Predict each clip under every primary modality, and mix the predictions by its shares.

        The loss reaches the choice itself. Where each clip was predicted under its largest share
        alone, as in the paper's gate, the errors on ``controlled`` were larger than with one
        primary for all.
        """
        weights = shares
        if self.gain > 1:  # "even": by the number of modalities that the clip has
            present = torch.stack([mask.any(dim=1) for _, mask in streams.values()], dim=1)
            weights = weights * present.sum(dim=1, keepdim=True).clamp(min=1)
        scales = {
            name: weights[:, i, None, None].to(x.dtype)
            for i, (name, (x, _)) in enumerate(streams.items())
        }
        predictions = [self._fuse(dict(streams), scales, primary) for primary in self.modalities]
        mixed = torch.stack(predictions, dim=2)
        return (mixed * shares[:, None].to(mixed.dtype)).sum(dim=2)

    def _fuse(
        self,
        streams: dict[Modality, PaddedSequence],
        weights: Mapping[Modality, Tensor],
        primary: Modality,
    ) -> Float[Tensor, "clip output"]:
        """Predict clips of one primary modality from their streams and the weights of these."""
        auxiliaries = [name for name in self.modalities if name != primary]

        def weighted(streams: dict[Modality, PaddedSequence]) -> dict[Modality, PaddedSequence]:
            return {name: (weights[name] * x, mask) for name, (x, mask) in streams.items()}

        if self.gate_first:
            streams = weighted(streams)
        if len(auxiliaries) == 2:  # eq. 1-2
            first, second = auxiliaries
            enhanced = {
                first: self._attend(streams, second, first, "auxiliary2_to_auxiliary1"),
                second: self._attend(streams, first, second, "auxiliary1_to_auxiliary2"),
            }
            streams = streams | enhanced
        if not self.gate_first:
            streams = weighted(streams)

        views = [  # eq. 3-4
            self._attend(streams, name, primary, f"auxiliary{i}_to_primary")[0]
            for i, name in enumerate(auxiliaries, start=1)
        ] or [streams[primary][0]]
        encoded = self.self_attention.pooled(  # eq. 5
            torch.cat(views, dim=2),
            streams[primary][1],
            self.pool,
            attention_dropout=self.attention_dropout,
            embedding_dropout=self._embedding_rate(primary),
        )
        parts = [  # eq. 6
            linear(pool(*streams[name]))
            for linear, pool, name in zip(
                self.auxiliary_maps, self.auxiliary_pools, auxiliaries, strict=True
            )
        ]
        return self.head(torch.cat([*parts, encoded], dim=1))

    def attention_paths(self) -> tuple[AttentionPath, ...]:
        """Paths under the current primary: between auxiliaries, to the primary, self-attention.

        Raises:
            DeadpanError: each clip has a primary of its own.
        """
        primary, *others = self._in_roles()
        modality = {"primary": primary}
        modality |= {f"auxiliary{i}": name for i, name in enumerate(others, start=1)}
        paths: list[AttentionPath] = []
        for role in self._roles():
            source, target = (modality[end] for end in role.split("_to_"))
            module = f"crossmodal.{f'{source}_to_{target}' if self.pairs else role}"
            paths += [AttentionPath(module, source, target, "crossmodal", 1 + (target == primary))]
        return (*paths, AttentionPath("self_attention", primary, primary, "self", order=3))

    def final_pools(self) -> Mapping[Modality, Pool]:
        """Pools of the primary's self-attention and of the auxiliaries."""
        pools = (self.pool, *self.auxiliary_pools)
        return dict(zip(self._in_roles(), pools, strict=True))  # pyright: ignore[reportReturnType]

    def _in_roles(self) -> list[Modality]:
        """The current primary modality, then the auxiliary ones."""
        if isinstance(self.gate, ClipGate):
            raise DeadpanError(
                "HCTMG with gate_per clip mixes all primary modalities in each clip, so its "
                "attention has no one path to explain; give a run with gate_per batch"
            )
        primary = str(self.primary) if self.gate is None else self.modalities[self.gate()[1]]
        return [primary, *(name for name in self.modalities if name != primary)]

    def _drop_modalities(
        self, streams: Mapping[Modality, PaddedSequence]
    ) -> dict[Modality, PaddedSequence]:
        """Take modalities from clips at random; a clip that would lose all it has keeps them."""
        present = torch.stack([mask.any(dim=1) for _, mask in streams.values()], dim=1)
        remains = torch.rand(present.shape, device=present.device) >= self.modality_dropout
        remains |= ~(remains & present).any(dim=1, keepdim=True)
        dropped: dict[Modality, PaddedSequence] = {}
        for (name, (x, mask)), keep in zip(streams.items(), remains.unbind(dim=1), strict=True):
            dropped[name] = x * keep[:, None, None], mask & keep[:, None]
        return dropped

    def _project(self, name: Modality, x: Tensor, mask: Tensor) -> PaddedSequence:
        if name == TEXT or self.embedding_dropout_on == "all":
            x = dropout(x, self.embedding_dropout, self.training)
        return self.projections[name](x), mask

    def _select(
        self, streams: Mapping[Modality, PaddedSequence]
    ) -> tuple[dict[Modality, Tensor], Modality]:
        """The gate's weights and the primary modality, of every clip."""
        if not isinstance(self.gate, ModalityGate):
            one = streams[self.modalities[0]][0].new_ones(())
            weights, primary = dict.fromkeys(self.modalities, one), str(self.primary)
        else:
            values, index = self.gate()
            weights = dict(zip(self.modalities, self.gain * values, strict=True))
            primary = self.modalities[index]
        return weights, primary

    def _attend(
        self,
        streams: Mapping[Modality, PaddedSequence],
        source: Modality,
        target: Modality,
        role: str,
    ) -> PaddedSequence:
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
        """Logits of the gate, or the map that gives them."""
        return iter(()) if self.gate is None else self.gate.parameters()

    def end_epoch(self, gate_means: Float[Tensor, "epoch modality"]) -> None:
        """Freeze the gate once its selection has converged (section 5 of the paper).

        One per clip never freezes: its choices may move while their mean stays.
        """
        if isinstance(self.gate, ModalityGate) and converged(gate_means):
            self.gate.freeze()

    @property
    def frozen(self) -> bool:
        """Whether the gate has stopped learning."""
        return isinstance(self.gate, ModalityGate) and bool(self.gate.frozen)


class ModalityGate(nn.Module):
    """One trainable weight per modality; the modality of the largest weight is the primary.

    The weights are the softmax of logits that start at 0, so they sum to 1. The choice of the
    primary has no gradient and nothing is sampled: the task loss reaches the logits only through
    the features that are multiplied by the weights (section 4, "Modality Gating").

    Args:
        modalities: number of modalities.
    """

    frozen: Tensor

    def __init__(self, modalities: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(modalities))
        self.register_buffer("frozen", torch.tensor(False))

    def forward(self) -> tuple[Float[Tensor, "modality"], int]:
        """Weights, and the index of the primary modality (ties: the lowest index)."""
        logits = self.logits.detach() if self.frozen else self.logits
        return logits.softmax(dim=0), int(logits.argmax())

    def freeze(self) -> None:
        """Stop learning: the logits receive no gradient from now on."""
        self.frozen.fill_(True)


class ClipGate(nn.Module):
    """Weights of the modalities in each clip, by which the predictions under each are mixed.

    The weights are the softmax of a linear map of the means of the clip's streams. The map starts
    at 0, where all weights are equal. They are shared by the modalities that the clip has: one that
    it lacks weighs 0 where another is there.

    Args:
        modalities: number of modalities.
        width: channels of each stream.
    """

    def __init__(self, modalities: int, width: int) -> None:
        super().__init__()
        self.map = nn.Linear(modalities * width, modalities)
        nn.init.zeros_(self.map.weight)
        nn.init.zeros_(self.map.bias)

    def forward(self, streams: Sequence[PaddedSequence]) -> Float[Tensor, "clip modality"]:
        """Weights of the streams in each clip; they sum to 1, also where a clip has none."""
        logits = self.map(torch.cat([mean_step(x, mask) for x, mask in streams], dim=1))
        present = torch.stack([mask.any(dim=1) for _, mask in streams], dim=1)
        lacking = ~present & present.any(dim=1, keepdim=True)
        return logits.masked_fill(lacking, -torch.inf).softmax(dim=1)


def converged(
    means: Float[Tensor, "epoch modality"], *, patience: int = 5, tolerance: float = 0.01
) -> bool:
    """Whether the gate has converged, judged by its mean weights in each epoch so far.

    True if the last epoch has the same primary as the ``patience`` epochs before it and no mean
    weight moved by ``tolerance`` or more since the previous epoch. The rule and its two numbers are
    deadpan's: the paper freezes "once the selection converges" and says no more.
    """
    if len(means) <= patience:
        return False
    recent = means[-patience - 1 :].argmax(dim=1)
    same_primary = bool((recent == recent[-1]).all())
    return same_primary and bool((means[-1] - means[-2]).abs().max() < tolerance)
