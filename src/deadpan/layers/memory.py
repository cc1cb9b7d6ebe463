"""The gated memory of MFN and Graph-MFN: what is proposed at each step, let in as gates allow."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from deadpan.layers.mlp import MLP


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
