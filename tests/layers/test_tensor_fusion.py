import pytest
import torch

from deadpan.layers.tensor_fusion import LowRankFusion, outer_product, prepend_one


def test_a_one_stands_in_front():
    assert prepend_one(torch.tensor([[2.0, 3.0], [0.0, 0.0]])).tolist() == [[1, 2, 3], [1, 0, 0]]


def test_outer_product_by_hand():
    vectors = [torch.tensor([[2.0]]), torch.tensor([[3.0, 5.0]])]
    assert outer_product(vectors).tolist() == [[1, 3, 5, 2, 6, 10]]
    assert outer_product(vectors[:1]).tolist() == [[1, 2]]


def test_a_zero_vector_leaves_the_products_of_the_others():
    a, c, zero = torch.randn(4, 2), torch.randn(4, 3), torch.zeros(4, 5)
    table = outer_product([a, zero, c]).reshape(4, 3, 6, 4)
    torch.testing.assert_close(table[:, :, 0].flatten(1), outer_product([a, c]))
    assert not table[:, :, 1:].any()


@pytest.mark.parametrize("widths", [(3,), (2, 4), (2, 3, 4)])
def test_low_rank_fusion_is_a_linear_map_of_the_outer_product(widths):
    torch.manual_seed(0)
    fusion = LowRankFusion(widths, 5, rank=3)
    torch.nn.init.normal_(fusion.bias)
    vectors = [torch.randn(4, width) for width in widths]
    weight = torch.zeros(outer_product(vectors).shape[1], 5)
    for r in range(3):
        term = torch.ones(1, 5)
        for factor in fusion.factors:
            term = (term[:, None] * factor[r][None]).flatten(0, 1)
        weight += fusion.weights[r] * term
    expected = outer_product(vectors) @ weight + fusion.bias
    torch.testing.assert_close(fusion(vectors), expected, atol=1e-5, rtol=1e-5)


def test_all_of_it_are_parameters_and_no_factor_starts_at_zero():
    fusion = LowRankFusion((2, 3), 4, rank=6)
    assert sum(p.numel() for p in fusion.parameters()) == 6 * (3 + 4) * 4 + 6 + 4
    assert all(p.all() for name, p in fusion.named_parameters() if name != "bias")
    assert not fusion.bias.any()
