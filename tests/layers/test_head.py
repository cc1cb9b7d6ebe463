import torch

from deadpan.layers.head import ResidualHead


def test_a_block_that_adds_nothing_leaves_a_linear_map():
    head = ResidualHead(3, 2, blocks=2)
    for _, second in head.blocks:
        torch.nn.init.zeros_(second.weight)
        torch.nn.init.zeros_(second.bias)
    z = torch.randn(4, 3)
    torch.testing.assert_close(head(z), head.output(z))


def test_one_channel_by_hand():
    head = ResidualHead(1, 1, blocks=1)
    first, second = head.blocks[0]
    for linear, weight, bias in ((first, 2.0, -1.0), (second, 3.0, 0.5), (head.output, 10.0, 1.0)):
        torch.nn.init.constant_(linear.weight, weight)
        torch.nn.init.constant_(linear.bias, bias)
    # z = 2: 2 + 3 relu(2 * 2 - 1) + 0.5 = 11.5; z = 0: relu(-1) = 0, so 0.5.
    assert head(torch.tensor([[2.0], [0.0]])).tolist() == [[116.0], [6.0]]


def test_dropout_acts_only_while_training():
    head = ResidualHead(8, 1, blocks=1, output_dropout=0.5)
    z = torch.randn(4, 8)
    assert not torch.allclose(head(z), head(z))
    head.eval()
    torch.testing.assert_close(head(z), head(z))
