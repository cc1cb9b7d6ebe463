"""Tensor fusion: the outer product of vectors (TFN) and its low-rank linear map (LMF)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad


def prepend_one(h: Float[Tensor, "clip width"]) -> Float[Tensor, "clip width+1"]:
    """[1; h]; the 1 makes products of fewer vectors part of the product of all."""
    return pad(h, (1, 0), value=1.0)


def outer_product(vectors: Sequence[Float[Tensor, "clip _"]]) -> Float[Tensor, "clip product"]:
    """Outer product of [1; h] over all vectors, flattened; the last vector's index runs fastest.

    Zadeh et al. 2017, section 4.2. Each clip has the product of all (width + 1) numbers.
    """
    product, *factors = (prepend_one(h) for h in vectors)
    for factor in factors:
        product = (product[:, :, None] * factor[:, None, :]).flatten(1)
    return product


class LowRankFusion(nn.Module):
    """Linear map of the outer product of [1; h], its weight tensor a sum of ``rank`` products.

    The outer product is never formed: ``z = sum_r w_r prod_m ([1; h_m] F_m^r) + b``, with
    an elementwise product over modalities (Liu et al. 2018, section 3.2).

    Args:
        widths: channels of each vector.
        outputs: output channels.
        rank: number of terms in the sum.
    """

    def __init__(self, widths: Sequence[int], outputs: int, rank: int) -> None:
        super().__init__()
        self.factors = nn.ParameterList(
            nn.Parameter(torch.empty(rank, width + 1, outputs)) for width in widths
        )
        self.weights = nn.Parameter(torch.empty(rank))
        self.bias = nn.Parameter(torch.zeros(outputs))
        for term in (matrix for factor in self.factors for matrix in factor):
            nn.init.xavier_normal_(term)
        nn.init.xavier_normal_(self.weights[None])

    def forward(self, vectors: Sequence[Float[Tensor, "clip _"]]) -> Float[Tensor, "clip output"]:
        """Fuse the vectors, which must stand in the order of ``widths``."""
        product = self.weights[:, None]
        for h, factor in zip(vectors, self.factors, strict=True):
            product = product * torch.einsum("ch,rho->cro", prepend_one(h), factor)
        return product.sum(dim=1) + self.bias
