"""LSTM cells of several modalities, one step of all at a time, for fusion between steps."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from deadpan.layers.mlp import MLP

State = tuple[Float[Tensor, "modality clip hidden"], Float[Tensor, "modality clip hidden"]]
"""Hidden states h and cell memories c."""


class LSTMCells(nn.Module):
    """One LSTM cell per modality, all of one width, stepped together by one batched product.

    With ``context`` they are LSTHM cells (Zadeh et al. 2018, Multi-attention Recurrent Network):
    every gate also reads a vector that all modalities share, ``V z``.

    Args:
        widths: channels in, of each modality.
        hidden: channels of each cell.
        context: channels of the shared vector; 0 = there is none.
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
        """The inputs' part of every gate at every step, in one product per modality."""
        parts = [linear(x) for linear, x in zip(self.inputs, sequences, strict=True)]
        return torch.stack(parts).permute(2, 0, 1, 3).contiguous()

    def start(self, like: Float[Tensor, "step modality clip gate"]) -> State:
        """Zeros."""
        zeros = like.new_zeros(like.shape[1], like.shape[2], self.hidden)
        return zeros, zeros

    def forward(
        self,
        gates: Float[Tensor, "modality clip gate"],
        state: State,
        z: Float[Tensor, "clip context"] | None = None,
    ) -> State:
        """One step of every cell."""
        h, c = state
        gates = torch.baddbmm(gates, h, self.recurrent)
        if self.context is not None and z is not None:
            shared = self.context(z)
            gates = gates + shared.view(len(z), len(h), -1).transpose(0, 1)
        enter, forget, new, leave = gates.chunk(4, dim=2)
        c = forget.sigmoid() * c + enter.sigmoid() * new.tanh()
        return leave.sigmoid() * c.tanh(), c

    def run(
        self,
        sequences: Sequence[Float[Tensor, "clip step _"]],
        mask: Bool[Tensor, "clip step"],
    ) -> tuple[Float[Tensor, "clip joined"], Float[Tensor, "modality clip step memories"]]:
        """All steps: the states after each clip's last, and the memories [c(t-1); c(t)] of each."""
        gates = self.project(sequences)
        state = self.start(gates)
        last, memories = joined(state[0]), list[Tensor]()
        for step, gate in enumerate(gates):
            before = state[1]
            state = self(gate, state)
            memories.append(torch.cat([before, state[1]], dim=2))
            last = torch.where(mask[:, step, None], joined(state[0]), last)
        return last, torch.stack(memories, dim=2)

    def run_with(
        self,
        sequences: Sequence[Float[Tensor, "clip step _"]],
        mask: Bool[Tensor, "clip step"],
        fuse: Callable[[Tensor], Tensor],
    ) -> Float[Tensor, "clip state"]:
        """All steps, each reading what the one before left: [h; z] after each clip's last.

        Args:
            sequences: of each modality.
            mask: of their steps; padding stands last.
            fuse: the states of all cells [clip, joined] to the shared vector z [clip, context].
        """
        gates = self.project(sequences)
        state = self.start(gates)
        z = gates.new_zeros(gates.shape[2], self.context_width)
        last = torch.cat([joined(state[0]), z], dim=1)
        for step, gate in enumerate(gates):
            state = self(gate, state, z)
            h = joined(state[0])
            z = fuse(h)
            last = torch.where(mask[:, step, None], torch.cat([h, z], dim=1), last)
        return last


def joined(states: Float[Tensor, "modality clip hidden"]) -> Float[Tensor, "clip joined"]:
    """The states of all modalities side by side."""
    return states.transpose(0, 1).flatten(1)


class GatedMemory(nn.Module):
    """u(t) = g1 u(t-1) + g2 u~(t), over the real steps of a sequence.

    u~ = tanh(MLP(x)); g1 and g2 are the sigmoids of MLPs of [x; u(t-1)] (Zadeh et al. 2018, Memory
    Fusion Network, eq. 5-9).

    Args:
        width: channels in.
        hidden: channels of each MLP's hidden layer.
        memory: channels of the memory.
    """

    def __init__(self, width: int, hidden: int, memory: int) -> None:
        super().__init__()
        self.memory = memory
        self.proposal = MLP(width, hidden, memory)
        # Both gates as one MLP with a block for each would mix their hidden layers: two MLPs.
        self.keep = MLP(width + memory, hidden, memory)
        self.admit = MLP(width + memory, hidden, memory)

    def forward(
        self, x: Float[Tensor, "clip step width"], mask: Bool[Tensor, "clip step"]
    ) -> Float[Tensor, "clip memory"]:
        """The memory after the last real step; zeros for a clip without one."""
        proposals = self.proposal(x).tanh()
        u = x.new_zeros(len(x), self.memory)
        for step in range(x.shape[1]):
            seen = torch.cat([x[:, step], u], dim=1)
            new = self.keep(seen).sigmoid() * u + self.admit(seen).sigmoid() * proposals[:, step]
            u = torch.where(mask[:, step, None], new, u)
        return u
