import torch

from deadpan.layers.subnets import LSTMSubnet, MeanSubnet

MASK = torch.tensor([[True, True, False], [False] * 3, [True] * 3])


def build(kind, *sizes, **options):
    torch.manual_seed(0)
    return kind(*sizes, **options)


def test_the_mean_of_the_real_steps_passes_three_layers():
    net, x = build(MeanSubnet, 2, 5), torch.randn(3, 3, 2)
    expected = x[0, :2].mean(dim=0)
    for linear in net.mlp.layers:
        expected = linear(expected).relu()
    actual = net(x, MASK)
    assert len(net.mlp.layers) == 3
    torch.testing.assert_close(actual[0], expected)
    assert actual.min() == 0 < actual[0].max()


def test_the_last_real_state_is_mapped():
    net, x = build(LSTMSubnet, 2, 5, 4), torch.randn(3, 3, 2)
    actual = net(x, MASK)
    torch.testing.assert_close(actual[0], net.output(net.recurrent.lstm(x[:1, :2])[0][0, -1]))
    torch.testing.assert_close(actual[2], net.output(net.recurrent.lstm(x[2:])[0][0, -1]))


def test_a_clip_without_a_real_step_is_zeros_with_finite_gradients():
    for net in (build(MeanSubnet, 2, 32), build(LSTMSubnet, 2, 5, 4)):
        x = torch.randn(3, 3, 2, requires_grad=True)
        actual = net(x, MASK)
        assert not actual[1].any()
        assert actual[0].any()
        actual.sum().backward()
        assert not x.grad[~MASK].any()
        assert x.grad[MASK].all()


def test_dropout_acts_only_while_training():
    x = torch.randn(3, 3, 8)
    for net in (build(MeanSubnet, 8, 9, dropout=0.5), build(LSTMSubnet, 8, 9, 4, dropout=0.5)):
        assert not torch.equal(net(x, MASK), net(x, MASK))
        net.eval()
        assert torch.equal(net(x, MASK), net(x, MASK))
