"""Multi-layer perceptrons, plain and residual."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu

from deadpan.layers.dropout import dropout


class MLP(nn.Module):
    """Multi-layer perceptron: linear maps with ReLU and dropout between them.

    Args:
        sizes: channels of the input, of each hidden layer, and of the output.
        dropout: rate after each ReLU.
    """

    def __init__(self, *sizes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.layers = nn.ModuleList(
            nn.Linear(size, following)
            for size, following in zip(sizes[:-1], sizes[1:], strict=True)
        )

    def forward(self, x: Float[Tensor, "*item width"]) -> Float[Tensor, "*item output"]:
        """Map each vector along the last axis."""
        *hidden, last = self.layers
        for linear in hidden:
            x = dropout(relu(linear(x)), self.dropout, self.training)
        return last(x)


class ResidualHead(nn.Module):
    """Output head of MulT and HCT-MG: blocks ``z + Linear(ReLU(Linear(z)))``, then a linear map.

    Args:
        width: channels of the fused vector.
        outputs: numbers to predict.
        blocks: number of residual blocks; MulT has one, the sizes in the HCT-MG paper need two.
        output_dropout: rate inside each block, after the ReLU.
    """

    def __init__(
        self, width: int, outputs: int, *, blocks: int, output_dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.output_dropout = output_dropout
        self.blocks = nn.ModuleList(
            nn.ModuleList([nn.Linear(width, width), nn.Linear(width, width)]) for _ in range(blocks)
        )
        self.output = nn.Linear(width, outputs)

    def forward(self, z: Float[Tensor, "clip width"]) -> Float[Tensor, "clip output"]:
        """Predict from the fused vector."""
        for first, second in self.blocks:  # pyright: ignore[reportGeneralTypeIssues]
            z = z + second(dropout(relu(first(z)), self.output_dropout, self.training))
        return self.output(z)
