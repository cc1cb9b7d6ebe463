"""LF-DNN, late fusion of one deep network per modality."""

from collections.abc import Mapping

import torch
from torch import nn

from deadpan.layers.dropout import dropout
from deadpan.layers.mlp import MLP
from deadpan.layers.pooling import Pooling
from deadpan.layers.subnets import MeanSubnet
from deadpan.models.base import Model
from deadpan.types import Batch, Modality, Output


class LFDNN(Model):
    """Average each modality, map each mean by a network of its own, concatenate, predict by an MLP.

    Means are over the real steps, so the order of steps does not matter, in text either. MMSA's
    code reads text by an LSTM, as LFLSTM and LMF do here, and batch-normalizes the other means;
    with these two changed its outputs and gradients are ours (``studies/parity``). Any number of
    modalities. One that is missing in a clip has the vector 0.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        hidden: channels of the three layers of each modality's network.
        pooling: the "mean" of the real steps, the "last" one, or "attention" to them by a learned
            query.
        head_width: channels of the MLP's two hidden layers.
        subnet_dropout: rate for the means.
        fusion_dropout: rate for the concatenated vectors.
    """

    title = "LF-DNN"
    paper = "Cambria et al. 2017, Benchmarking Multimodal Sentiment Analysis"

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        hidden: int = 128,
        pooling: Pooling = "mean",
        head_width: int = 32,
        subnet_dropout: float = 0.2,
        fusion_dropout: float = 0.2,
    ) -> None:
        super().__init__(widths=widths, outputs=outputs)
        self.fusion_dropout = fusion_dropout
        self.subnets = nn.ModuleDict(
            {
                name: MeanSubnet(features, hidden, pooling=pooling, dropout=subnet_dropout)
                for name, features in self.widths.items()
            }
        )
        self.head = MLP(len(self.widths) * hidden, head_width, head_width, outputs)

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        vectors = [self.subnets[name](x, mask) for name, (x, mask) in self.inputs(batch).items()]
        fused = dropout(torch.cat(vectors, dim=1), self.fusion_dropout, self.training)
        return Output(prediction=self.head(fused))
