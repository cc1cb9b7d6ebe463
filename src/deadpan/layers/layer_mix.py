"""A learned sum of the layers of an encoder that stand side by side in a sequence of features."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class LayerMix(nn.Module):
    """Sum of the layers of each step, weighted by the softmax of one learned number a layer.

    The scalar mix of ELMo (Peters et al. 2018) without its scale, which a linear map that follows
    has anyway. The numbers start at 0, where the sum is the mean.

    Args:
        layers: how many stand side by side, in blocks of equal width.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(layers))

    def forward(
        self, x: Float[Tensor, "clip step layers_and_width"]
    ) -> Float[Tensor, "clip step width"]:
        """Sum the blocks of each step."""
        return self.logits.softmax(dim=0).to(x.dtype) @ x.unflatten(2, (len(self.logits), -1))
