"""LF-LSTM, late fusion of one LSTM per modality."""

from collections.abc import Mapping

import torch
from torch import nn

from deadpan.layers.mlp import MLP
from deadpan.layers.pooling import Pool, Pooling
from deadpan.layers.recurrent import MaskedLSTM
from deadpan.models.base import Model
from deadpan.types import Batch, Modality, Output


class LFLSTM(Model):
    """Read each modality by an LSTM of its own, concatenate the last states, predict by an MLP.

    The last state is that of the last real step, wherever the padding stands. Modalities need not
    be aligned. Any number of modalities; each adds ``hidden`` channels to the MLP's input.
    A modality missing in a clip has hidden state 0.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        hidden: channels of each LSTM.
        pooling: the "last" real hidden state, the "mean" of all real ones, or "attention" to them
            by a learned query.
        head_width: channels of the MLP's hidden layer.
        output_dropout: rate inside the MLP, after the ReLU.
    """

    title = "LF-LSTM"
    paper = "Tsai et al. 2019, Multimodal Transformer for Unaligned Multimodal Language Sequences"

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        hidden: int = 256,
        pooling: Pooling = "last",
        head_width: int = 32,
        output_dropout: float = 0.0,
    ) -> None:
        super().__init__(widths=widths, outputs=outputs)
        self.recurrent = nn.ModuleDict(
            {name: MaskedLSTM(features, hidden) for name, features in self.widths.items()}
        )
        self.pools = nn.ModuleDict({name: Pool(hidden, pooling) for name in self.modalities})
        self.head = MLP(len(self.widths) * hidden, head_width, outputs, dropout=output_dropout)

    def forward(self, batch: Batch) -> Output:
        """Pool the states of each modality's LSTM and predict from all of them."""
        states = [
            self.pools[name](self.recurrent[name](x, mask), mask)
            for name, (x, mask) in self.inputs(batch).items()
        ]
        return Output(prediction=self.head(torch.cat(states, dim=1)))
