"""Recurrent cells of several modalities, stepped together, and the gated memory of MFN."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from deadpan.layers.mlp import MLP
from deadpan.layers.steps import States, fold

CellStates = tuple[Float[Tensor, "modality clip hidden"], Float[Tensor, "modality clip hidden"]]
"""Hidden states h and cell memories c of all modalities."""


class LSTMCells(nn.Module):
    """One LSTM cell per modality, all of one width, stepped together by one batched product.

    With ``context`` they are LSTHM cells (Zadeh et al. 2018, Multi-attention Recurrent Network):
    every gate also reads a vector z that all modalities share, as ``V z``.

    Args:
        widths: input channels of each modality.
        hidden: channels of each cell.
        context: channels of the shared vector z; 0 = no shared vector.
    """

    def __init__(self, widths: Sequence[int], hidden: int, *, context: int = 0) -> None:
        super().__init__()
        self.hidden, self.context_width = hidden, context
        self.inputs = nn.ModuleList(nn.Linear(width, 4 * hidden) for width in widths)
        self.recurrent = nn.Parameter(torch.empty(len(widths), hidden, 4 * hidden))
        nn.init.uniform_(self.recurrent, -(hidden**-0.5), hidden**-0.5)
        self.context = nn.Linear(context, len(widths) * 4 * hidden, bias=False) if context else None

    def project(
        self, sequences: Sequence[Float[Tensor, "clip step _"]]
    ) -> Float[Tensor, "step modality clip gate"]:
        """Input part of every gate at every step, in one product per modality."""
        parts = [linear(x) for linear, x in zip(self.inputs, sequences, strict=True)]
        return torch.stack(parts).permute(2, 0, 1, 3).contiguous()

    def start(self, like: Float[Tensor, "step modality clip gate"]) -> CellStates:
        """Initial states: zeros."""
        zeros = like.new_zeros(like.shape[1], like.shape[2], self.hidden)
        return zeros, zeros

    def forward(
        self,
        gates: Float[Tensor, "modality clip gate"],
        states: CellStates,
        z: Float[Tensor, "clip context"] | None = None,
    ) -> CellStates:
        """Advance every cell by one step."""
        h, c = states
        gates = torch.baddbmm(gates, h, self.recurrent)
        if self.context is not None and z is not None:
            shared = self.context(z)
            gates = gates + shared.view(len(z), len(h), -1).transpose(0, 1)
        input_gate, forget_gate, new, output_gate = gates.chunk(4, dim=2)
        c = forget_gate.sigmoid() * c + input_gate.sigmoid() * new.tanh()
        return output_gate.sigmoid() * c.tanh(), c

    def run(
        self,
        sequences: Sequence[Float[Tensor, "clip step _"]],
        mask: Bool[Tensor, "clip step"],
    ) -> tuple[Float[Tensor, "clip states"], Float[Tensor, "modality clip step memories"]]:
        """Read whole sequences.

        Args:
            sequences: one for each modality, in the order of ``widths``.
            mask: True = real step of all sequences; padding last.

        Returns:
            The hidden states after each clip's last real step, of all modalities side by side, and
            the memories [c(t-1); c(t)] at every step.
        """
        gates = self.project(sequences)

        def step(states: States, values: States) -> tuple[States, Tensor]:
            (h, before, last), (gate, real) = states, values
            h, c = self(gate, (h, before))
            last = torch.where(real[:, None], concatenate_states(h), last)
            return (h, c, last), torch.cat([before, c], dim=2)

        h, c = self.start(gates)
        start = (h, c, concatenate_states(h))
        (_, _, last), memories = fold(step, start, (gates, mask.transpose(0, 1)), dim=2)
        return last, memories

    def run_with_context(
        self,
        sequences: Sequence[Float[Tensor, "clip step _"]],
        mask: Bool[Tensor, "clip step"],
        fuse: Callable[[Tensor], Tensor],
    ) -> Float[Tensor, "clip state"]:
        """Read whole sequences, fusing all cells at each step for the gates of the next step.

        Args:
            sequences: one for each modality, in the order of ``widths``.
            mask: True = real step of all sequences; padding last.
            fuse: maps hidden states of all cells [clip, modality * hidden] to z [clip, context].

        Returns:
            [h; z] after each clip's last real step.
        """
        gates = self.project(sequences)

        def step(states: States, values: States) -> tuple[States, Tensor]:
            (h, c, z, last), (gate, real) = states, values
            h, c = self(gate, (h, c), z)
            z = fuse(concatenate_states(h))
            both = torch.cat([concatenate_states(h), z], dim=1)
            last = torch.where(real[:, None], both, last)
            return (h, c, z, last), last

        h, c = self.start(gates)
        z = gates.new_zeros(gates.shape[2], self.context_width)
        start = (h, c, z, torch.cat([concatenate_states(h), z], dim=1))
        (*_, last), _ = fold(step, start, (gates, mask.transpose(0, 1)))
        return last


def concatenate_states(
    states: Float[Tensor, "modality clip hidden"],
) -> Float[Tensor, "clip states"]:
    """Put the states of all modalities side by side."""
    return states.transpose(0, 1).flatten(1)


class GatedMemory(nn.Module):
    """Gated memory ``u(t) = g1 u(t-1) + g2 u~(t)`` over the real steps of a sequence.

    The proposal u~ is tanh(MLP(x)); the gates g1 and g2 are sigmoids of MLPs of [x; u(t-1)] (Zadeh
    et al. 2018, Memory Fusion Network, eq. 5-9).

    Args:
        width: input channels.
        hidden: channels of each MLP's hidden layer.
        memory: channels of the memory.
    """

    def __init__(self, width: int, hidden: int, memory: int) -> None:
        super().__init__()
        self.memory = memory
        self.proposal = MLP(width, hidden, memory)
        # Two MLPs: one for both gates would share its hidden layer between them.
        self.keep = MLP(width + memory, hidden, memory)
        self.admit = MLP(width + memory, hidden, memory)

    def forward(
        self, x: Float[Tensor, "clip step width"], mask: Bool[Tensor, "clip step"]
    ) -> Float[Tensor, "clip memory"]:
        """Memory after the last real step; zeros for a clip without one."""

        def step(states: States, values: States) -> tuple[States, Tensor]:
            (u,), (features, proposal, real) = states, values
            inputs = torch.cat([features, u], dim=1)
            new = self.keep(inputs).sigmoid() * u + self.admit(inputs).sigmoid() * proposal
            u = torch.where(real[:, None], new, u)
            return (u,), u

        sequences = [y.transpose(0, 1) for y in (x, self.proposal(x).tanh(), mask)]
        (u,), _ = fold(step, (x.new_zeros(x.shape[0], self.memory),), sequences)
        return u
