"""LMF, low-rank multimodal fusion."""

from collections.abc import Mapping
from typing import Literal

from deadpan.layers.subnets import subnets
from deadpan.layers.tensor_fusion import LowRankFusion
from deadpan.models.base import Model
from deadpan.types import TEXT, Batch, Modality, Output


class LMF(Model):
    """Encode each modality as a vector and fuse the vectors by a weight tensor of low rank.

    Text is read by an LSTM whose hidden state at the last real step is mapped linearly; any other
    modality is averaged over its real steps and mapped by three layers with ReLU. With a 1 in front
    of every vector the prediction is a linear map of the outer product of all of them, computed
    from the factors of its weight tensor: ``z = sum_r w_r prod_m ([1; h_m] F_m^r) + b``.

    Any number of modalities; with fewer than three the product has fewer factors. A modality
    missing in a clip has the vector 0, so that the products of the other vectors remain. There is
    no batch normalization: the authors' code has it, but it would make a prediction depend on the
    other clips of the batch. Without it outputs and gradients are those of MMSA's copy of the code
    with the same weights (``studies/parity``), whose optimizer is not given w and b.

    Args:
        widths: features per step of each modality.
        outputs: numbers predicted per clip.
        hidden: channels of the vector of each modality but text, and of the layers before it.
        text_hidden: channels of the LSTM.
        text_width: channels of the vector of text.
        rank: number of terms whose sum is the weight tensor.
        pooling: "paper" takes the last state of text and the mean of every other modality; or all
            take the "last" real step, the "mean" of all, or "attention" to them by a learned query.
        subnet_dropout: rate for the means and for the LSTM's last state.
    """

    paper = "Liu et al. 2018, Efficient Low-rank Multimodal Fusion with Modality-Specific Factors"

    def __init__(
        self,
        *,
        widths: Mapping[Modality, int],
        outputs: int,
        hidden: int = 32,
        text_hidden: int = 128,
        text_width: int = 64,
        rank: int = 4,
        pooling: Literal["paper", "last", "mean", "attention"] = "paper",
        subnet_dropout: float = 0.2,
    ) -> None:
        super().__init__(widths=widths, outputs=outputs)
        self.subnets = subnets(
            self.widths,
            hidden=hidden,
            text_hidden=text_hidden,
            text_width=text_width,
            pooling=pooling,
            dropout=subnet_dropout,
        )
        vectors = [text_width if name == TEXT else hidden for name in self.modalities]
        self.fusion = LowRankFusion(vectors, outputs, rank)

    def forward(self, batch: Batch) -> Output:
        """Predict."""
        vectors = [self.subnets[name](x, mask) for name, (x, mask) in self.inputs(batch).items()]
        return Output(prediction=self.fusion(vectors))
