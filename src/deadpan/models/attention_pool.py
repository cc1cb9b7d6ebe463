"""AttentionPool, attention to the steps of each modality: a plain baseline."""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.functional import relu

from deadpan.layers.dropout import dropout
from deadpan.layers.mlp import MLP
from deadpan.layers.pooling import Pool
from deadpan.models.base import Model
from deadpan.types import Batch, Modality, Output


class AttentionPool(Model):
    """Map each step, pool each modality by attention, concatenate, predict by an MLP.

    Steps are mapped one by one (linear, ReLU) and weighed by the softmax of their products with a
    learned query, one for each modality: no step sees another, and no modality another before the
    MLP. What a model reads of order and of interaction is what it predicts better than this.

    Any number of modalities; each adds ``width`` channels to the MLP's input. One that is missing
    in a clip has the vector 0.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        width: channels of a mapped step.
        head_width: channels of the MLP's hidden layer.
        input_dropout: rate for the input features.
        output_dropout: rate for the concatenated vectors and inside the MLP, after the ReLU.
    """

    paper = "Yang et al. 2016, Hierarchical Attention Networks for Document Classification"

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        width: int = 128,
        head_width: int = 128,
        input_dropout: float = 0.2,
        output_dropout: float = 0.2,
    ) -> None:
        super().__init__(widths=widths, outputs=outputs)
        self.input_dropout, self.output_dropout = input_dropout, output_dropout
        self.projections = nn.ModuleDict(
            {name: nn.Linear(features, width) for name, features in self.widths.items()}
        )
        self.pools = nn.ModuleDict({name: Pool(width, "attention") for name in self.modalities})
        size = len(self.widths) * width
        self.head = MLP(size, head_width, outputs, dropout=output_dropout)

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        vectors = [
            self.pools[name](
                relu(self.projections[name](dropout(x, self.input_dropout, self.training))), mask
            )
            for name, (x, mask) in self.inputs(batch).items()
        ]
        fused = dropout(torch.cat(vectors, dim=1), self.output_dropout, self.training)
        return Output(prediction=self.head(fused))
