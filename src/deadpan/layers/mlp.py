"""Multi-layer perceptrons."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from deadpan.layers.dropout import dropout


class MLP(nn.Module):
    """Linear maps with ReLU and dropout between them, none after the last.

    Args:
        sizes: channels in, of each hidden layer, and out.
        dropout: after each ReLU.
    """

    def __init__(self, *sizes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.layers = nn.ModuleList(
            nn.Linear(size, following)
            for size, following in zip(sizes[:-1], sizes[1:], strict=True)
        )

    def forward(self, x: Float[Tensor, "*item width"]) -> Float[Tensor, "*item output"]:
        """Map each vector."""
        *hidden, last = self.layers
        for linear in hidden:
            x = dropout(relu(linear(x)), self.dropout, self.training)
        return last(x)
