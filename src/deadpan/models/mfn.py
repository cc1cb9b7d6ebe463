"""MFN, the memory fusion network."""

from collections.abc import Mapping
from typing import Any

import torch

from deadpan.layers.cells import GatedMemory, LSTMCells
from deadpan.layers.mlp import MLP
from deadpan.models.aligned import AlignedModel
from deadpan.types import Batch, Modality, Output


class MFN(AlignedModel):
    """Attend to changes in the memories of one LSTM per modality and store them in a shared memory.

    At each step the memories c of all cells, before and after, are weighted by
    ``a = softmax(MLP [c(t-1); c(t)])``, and the gated memory u reads the weighted memories. An MLP
    predicts from the last hidden states of all cells and u.

    Any number of modalities; one that a clip lacks is read as zeros. With the same weights outputs
    and gradients are those of MMSA's copy of the authors' code (``studies/parity``).

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        hidden: channels of each LSTM.
        memory: channels of the shared memory.
        net_width: channels of the hidden layer of attention, memory and head.
        output_dropout: rate inside the head, after the ReLU.
    """

    paper = "Zadeh et al. 2018, Memory Fusion Network for Multi-view Sequential Learning"

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        hidden: int = 64,
        memory: int = 64,
        net_width: int = 64,
        output_dropout: float = 0.0,
        **alignment: Any,  # noqa: ANN401 - of AlignedModel
    ) -> None:
        super().__init__(widths=widths, outputs=outputs, **alignment)
        total = hidden * len(self.modalities)
        self.cells = LSTMCells(list(self.widths.values()), hidden)
        self.attention = MLP(2 * total, net_width, 2 * total)
        self.memory = GatedMemory(2 * total, net_width, memory)
        self.head = MLP(total + memory, net_width, outputs, dropout=output_dropout)

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        steps = self.aligned(batch)
        last, memories = self.cells.run(list(steps.sequences.values()), steps.mask)
        # Attention does not feed back into the cells, so all steps are computed at once.
        memories = memories.permute(1, 2, 0, 3).flatten(2)
        weighted = self.attention(memories).softmax(dim=2) * memories
        u = self.memory(weighted, steps.mask)
        return Output(prediction=self.head(torch.cat([last, u], dim=1)), losses=steps.losses)
