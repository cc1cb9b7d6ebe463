import pytest
import torch

from deadpan.layers.mlp import MLP, ResidualHead


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
    expected = sum(a * b + b for a, b in zip(sizes[:-1], sizes[1:], strict=True))
    assert sum(p.numel() for p in mlp.parameters()) == expected


def test_dropout_acts_only_while_training():
    mlp, x = MLP(8, 8, 1, dropout=0.5), torch.randn(4, 8)
    assert not torch.equal(mlp(x), mlp(x))
    mlp.eval()
    assert torch.equal(mlp(x), mlp(x))


def test_a_block_that_adds_nothing_leaves_a_linear_map():
    head = ResidualHead(3, 2, blocks=2)
    for _, second in head.blocks:
        torch.nn.init.zeros_(second.weight)
        torch.nn.init.zeros_(second.bias)
    z = torch.randn(4, 3)
    torch.testing.assert_close(head(z), head.output(z))


def test_one_channel_of_a_head_by_hand():
    head = ResidualHead(1, 1, blocks=1)
    first, second = head.blocks[0]
    for linear, weight, bias in ((first, 2.0, -1.0), (second, 3.0, 0.5), (head.output, 10.0, 1.0)):
        torch.nn.init.constant_(linear.weight, weight)
        torch.nn.init.constant_(linear.bias, bias)
    # z = 2: 2 + 3 relu(2 * 2 - 1) + 0.5 = 11.5; z = 0: relu(-1) = 0, so 0.5.
    assert head(torch.tensor([[2.0], [0.0]])).tolist() == [[116.0], [6.0]]


def test_dropout_of_a_head_acts_only_while_training():
    head = ResidualHead(8, 1, blocks=1, output_dropout=0.5)
    z = torch.randn(4, 8)
    assert not torch.allclose(head(z), head(z))
    head.eval()
    torch.testing.assert_close(head(z), head(z))
