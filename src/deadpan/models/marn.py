"""MARN, the multi-attention recurrent network."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deadpan.layers.cells import LSTMCells
from deadpan.layers.mlp import MLP
from deadpan.models.aligned import AlignedModel
from deadpan.types import Batch, Modality, Output


class MARN(AlignedModel):
    """LSTHM cells, one per modality, whose gates read several attentions over all hidden states.

    At each step each of K attentions weights the hidden states of all cells by its own softmax,
    ``a_k = softmax(net_k(h))``. Per modality an MLP reduces the K weighted states; concatenated
    they are z(t), which every gate of the next step reads (``V z(t-1)``). An MLP predicts from
    [h(T); z(T)].

    Any number of modalities; one that a clip lacks is read as zeros. The authors' repository holds
    no code to compare with.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        hidden: channels of each cell.
        attentions: number K of attentions.
        reduced: channels of z for each modality.
        net_width: channels of the hidden layer of the reductions and of the head.
        output_dropout: rate inside the head, after the ReLU.
    """

    paper = "Zadeh et al. 2018, Multi-attention Recurrent Network for Human Communication"

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        hidden: int = 64,
        attentions: int = 4,
        reduced: int = 32,
        net_width: int = 64,
        output_dropout: float = 0.0,
        **alignment: Any,  # noqa: ANN401 - of AlignedModel
    ) -> None:
        super().__init__(widths=widths, outputs=outputs, **alignment)
        count = len(self.modalities)
        self.attentions = attentions
        self.cells = LSTMCells(list(self.widths.values()), hidden, context=count * reduced)
        # All K networks in one linear map.
        self.attention = nn.Linear(count * hidden, attentions * count * hidden)
        self.reductions = nn.ModuleDict(
            {name: MLP(attentions * hidden, net_width, reduced) for name in self.modalities}
        )
        self.head = MLP(count * (hidden + reduced), net_width, outputs, dropout=output_dropout)

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        steps = self.aligned(batch)
        sequences = list(steps.sequences.values())
        last = self.cells.run_with_context(sequences, steps.mask, self._fuse)
        return Output(prediction=self.head(last), losses=steps.losses)

    def _fuse(self, h: Float[Tensor, "clip states"]) -> Float[Tensor, "clip z"]:
        """Compute z of one step; each attention has a softmax of its own."""
        weights = self.attention(h).view(len(h), self.attentions, -1).softmax(dim=2)
        attended = (weights * h[:, None]).view(len(h), self.attentions, len(self.modalities), -1)
        return torch.cat(
            [
                self.reductions[name](attended[:, :, index].flatten(1))
                for index, name in enumerate(self.modalities)
            ],
            dim=1,
        )
