"""TFN, the tensor fusion network."""

from collections.abc import Mapping
from typing import Literal

from deadpan.layers.dropout import dropout
from deadpan.layers.mlp import MLP
from deadpan.layers.subnets import subnets
from deadpan.layers.tensor_fusion import outer_product
from deadpan.models.base import Model
from deadpan.types import TEXT, Batch, Modality, Output


class TFN(Model):
    """Encode each modality as a vector and predict from the outer product of all vectors.

    Text is read by an LSTM whose hidden state at the last real step is mapped linearly; any other
    modality is averaged over its real steps and mapped by three layers with ReLU. With a 1 in front
    of every vector their outer product holds each vector, each product of two, and that of all
    three; an MLP predicts from it. The output is linear, because the range depends on the task; in
    the authors' code one number is a sigmoid scaled to [-3, 3], and the means are batch-normalized.
    Without these outputs and gradients are MMSA's with the same weights (``studies/parity``).

    One to three modalities; with two or one the tensor has as many indices. A modality missing in a
    clip has the vector 0, so that the products of the other vectors remain.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        hidden: channels of the vector of each modality but text, and of the layers before it.
        text_hidden: channels of the LSTM.
        text_width: channels of the vector of text.
        pooling: "paper" takes the last state of text and the mean of every other modality; or all
            take the "last" real step, the "mean" of all, or "attention" to them by a learned query.
        head_width: channels of the MLP's two hidden layers. Most parameters are in the first map,
            from the tensor to this width.
        subnet_dropout: rate for the means and for the LSTM's last state.
        fusion_dropout: rate for the tensor.
    """

    most_modalities = 3
    paper = "Zadeh et al. 2017, Tensor Fusion Network for Multimodal Sentiment Analysis"

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        hidden: int = 32,
        text_hidden: int = 128,
        text_width: int = 128,
        pooling: Literal["paper", "last", "mean", "attention"] = "paper",
        head_width: int = 128,
        subnet_dropout: float = 0.15,
        fusion_dropout: float = 0.15,
    ) -> None:
        super().__init__(widths=widths, outputs=outputs)
        self.fusion_dropout = fusion_dropout
        self.subnets = subnets(
            self.widths,
            hidden=hidden,
            text_hidden=text_hidden,
            text_width=text_width,
            pooling=pooling,
            dropout=subnet_dropout,
        )
        product = 1
        for name in self.modalities:
            product *= (text_width if name == TEXT else hidden) + 1
        self.head = MLP(product, head_width, head_width, outputs)

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        vectors = [self.subnets[name](x, mask) for name, (x, mask) in self.inputs(batch).items()]
        tensor = dropout(outer_product(vectors), self.fusion_dropout, self.training)
        return Output(prediction=self.head(tensor))
