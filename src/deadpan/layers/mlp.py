"""Multi-layer perceptrons."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import dropout, relu


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

    def forward(self, x: Float[Tensor, "clip width"]) -> Float[Tensor, "clip output"]:
        """Map each clip's vector."""
        *hidden, last = self.layers
        for linear in hidden:
            x = dropout(relu(linear(x)), self.dropout, self.training)
        return last(x)
