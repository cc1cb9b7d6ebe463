"""Modality subnetworks of TFN, LMF and LF-DNN: a padded sequence to one vector."""

from collections.abc import Mapping
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import relu

from deadpan.layers.dropout import dropout
from deadpan.layers.mlp import MLP
from deadpan.layers.pooling import Pool, Pooling
from deadpan.layers.recurrent import MaskedLSTM
from deadpan.types import TEXT, Modality

SubnetPooling = Pooling | Literal["paper"]
"""Pooling of the subnetworks of TFN and LMF: the "paper" takes the last state of text and the mean
of every other modality."""


class MeanSubnet(nn.Module):
    """The pooled real steps, by default their mean, mapped by three linear layers with ReLU.

    Args:
        features: input channels.
        hidden: channels of each layer, also of the output.
        pooling: of the steps.
        dropout: rate for the pooled vector.
    """

    def __init__(
        self, features: int, hidden: int, *, pooling: Pooling = "mean", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.pool = Pool(features, pooling)
        self.dropout = dropout
        self.mlp = MLP(features, hidden, hidden, hidden)

    def forward(
        self, x: Float[Tensor, "clip step width"], mask: Bool[Tensor, "clip step"]
    ) -> Float[Tensor, "clip hidden"]:
        """Vector of each clip; zeros for a clip without a real step."""
        pooled = dropout(self.pool(x, mask), self.dropout, self.training)
        return relu(self.mlp(pooled)) * mask.any(dim=1)[:, None]


class LSTMSubnet(nn.Module):
    """Linear map of an LSTM's pooled hidden states, by default the last (padding stands last).

    Args:
        features: input channels.
        hidden: channels of the LSTM.
        width: output channels.
        pooling: of the hidden states.
        dropout: rate for the pooled state.
    """

    def __init__(
        self,
        features: int,
        hidden: int,
        width: int,
        *,
        pooling: Pooling = "last",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.pool = Pool(hidden, pooling)
        self.dropout = dropout
        self.recurrent = MaskedLSTM(features, hidden)
        self.output = nn.Linear(hidden, width)

    def forward(
        self, x: Float[Tensor, "clip step features"], mask: Bool[Tensor, "clip step"]
    ) -> Float[Tensor, "clip width"]:
        """Vector of each clip; zeros for a clip without a real step."""
        state = dropout(self.pool(self.recurrent(x, mask), mask), self.dropout, self.training)
        return self.output(state) * mask.any(dim=1)[:, None]


def subnets(
    widths: Mapping[Modality, int],
    *,
    hidden: int,
    text_hidden: int,
    text_width: int,
    pooling: SubnetPooling,
    dropout: float,
) -> nn.ModuleDict:
    """The subnetworks of TFN and LMF: an LSTM for text, linear layers for every other modality.

    Args:
        widths: features per step of each modality.
        hidden: channels of the linear layers.
        text_hidden: channels of the LSTM.
        text_width: output channels for text.
        pooling: of all of them.
        dropout: rate for the pooled vectors.
    """
    text, other = ("last", "mean") if pooling == "paper" else (pooling, pooling)
    return nn.ModuleDict(
        {
            name: LSTMSubnet(features, text_hidden, text_width, pooling=text, dropout=dropout)
            if name == TEXT
            else MeanSubnet(features, hidden, pooling=other, dropout=dropout)
            for name, features in widths.items()
        }
    )
