"""From a masked sequence to one vector: the modality subnetworks of TFN and LMF."""

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import relu

from deadpan.layers.dropout import dropout
from deadpan.layers.mlp import MLP
from deadpan.layers.pooling import last_step, mean_step
from deadpan.layers.recurrent import MaskedLSTM


class MeanSubnet(nn.Module):
    """Three linear maps, each with ReLU, of the mean of the real steps.

    Args:
        features: channels in.
        hidden: channels of each layer, also out.
        dropout: of the mean.
    """

    def __init__(self, features: int, hidden: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.mlp = MLP(features, hidden, hidden, hidden)

    def forward(
        self, x: Float[Tensor, "clip step width"], mask: Bool[Tensor, "clip step"]
    ) -> Float[Tensor, "clip hidden"]:
        """The vector of each clip; zeros for a clip without a real step."""
        mean = dropout(mean_step(x, mask), self.dropout, self.training)
        return relu(self.mlp(mean)) * mask.any(dim=1)[:, None]


class LSTMSubnet(nn.Module):
    """A linear map of an LSTM's state at the last real step (padded steps must stand last).

    Args:
        features: channels in.
        hidden: channels of the LSTM.
        width: channels out.
        dropout: of the state.
    """

    def __init__(self, features: int, hidden: int, width: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.recurrent = MaskedLSTM(features, hidden)
        self.output = nn.Linear(hidden, width)

    def forward(
        self, x: Float[Tensor, "clip step features"], mask: Bool[Tensor, "clip step"]
    ) -> Float[Tensor, "clip width"]:
        """The vector of each clip; zeros for a clip without a real step."""
        state = dropout(last_step(self.recurrent(x, mask), mask), self.dropout, self.training)
        return self.output(state) * mask.any(dim=1)[:, None]
