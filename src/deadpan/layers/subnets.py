"""Modality subnetworks of TFN, LMF and LF-DNN: a padded sequence to one vector.

Each pools as its model's paper does unless told otherwise.
"""

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import relu

from deadpan.layers.dropout import dropout
from deadpan.layers.mlp import MLP
from deadpan.layers.pooling import Pool, Pooling
from deadpan.layers.recurrent import MaskedLSTM


class MeanSubnet(nn.Module):
    """Mean of the real steps, mapped by three linear layers with ReLU.

    Args:
        features: input channels.
        hidden: channels of each layer, also of the output.
        pooling: of the steps.
        dropout: rate for the mean.
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
        mean = dropout(self.pool(x, mask), self.dropout, self.training)
        return relu(self.mlp(mean)) * mask.any(dim=1)[:, None]


class LSTMSubnet(nn.Module):
    """Linear map of an LSTM's hidden state at the last real step (padding must stand last).

    Args:
        features: input channels.
        hidden: channels of the LSTM.
        width: output channels.
        pooling: of the hidden states.
        dropout: rate for the hidden state.
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
