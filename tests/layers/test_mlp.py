import pytest
import torch

from deadpan.layers.mlp import MLP


def test_one_channel_by_hand():
    mlp = MLP(1, 1, 1)
    for linear, weight, bias in zip(mlp.layers, (2.0, 3.0), (-1.0, 0.5), strict=True):
        torch.nn.init.constant_(linear.weight, weight)
        torch.nn.init.constant_(linear.bias, bias)
    # 2: 3 relu(2 * 2 - 1) + 0.5 = 9.5; 0: relu(-1) = 0, so 0.5. Nothing follows the last map.
    assert mlp(torch.tensor([[2.0], [0.0]])).tolist() == [[9.5], [0.5]]
    torch.nn.init.constant_(mlp.layers[1].weight, -3.0)
    assert mlp(torch.tensor([[2.0]])).tolist() == [[-8.5]]


@pytest.mark.parametrize("sizes", [(4, 3), (4, 5, 3), (4, 5, 6, 3)])
def test_sizes(sizes):
    mlp = MLP(*sizes)
    assert mlp(torch.randn(2, 4)).shape == (2, 3)
    wanted = sum(a * b + b for a, b in zip(sizes[:-1], sizes[1:], strict=True))
    assert sum(p.numel() for p in mlp.parameters()) == wanted


def test_dropout_acts_only_while_training():
    mlp, x = MLP(8, 8, 1, dropout=0.5), torch.randn(4, 8)
    assert not torch.equal(mlp(x), mlp(x))
    mlp.eval()
    assert torch.equal(mlp(x), mlp(x))
