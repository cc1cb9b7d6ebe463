import pytest
import torch

from deadpan.layers.recurrent import MaskedGRU, MaskedLSTM


def ready(**options):
    torch.manual_seed(0)
    return MaskedGRU(3, 4, **options)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_never_reaches_a_real_step(bidirectional):
    gru = ready(bidirectional=bidirectional)
    mask = torch.tensor([[True, True, False, False], [True, True, True, True]])
    x = torch.randn(2, 4, 3)
    other = torch.where(mask[:, :, None], x, torch.full_like(x, 1e3))
    torch.testing.assert_close(gru(x, mask), gru(other, mask))
    torch.testing.assert_close(gru(x, mask)[0, :2], gru(x[:1, :2], mask[:1, :2])[0])


@pytest.mark.parametrize("clips", [1, 3])
def test_gradients_are_those_of_torchs_gru(clips):
    gru, mask = ready(), torch.ones(clips, 5, dtype=torch.bool)
    x, weights = torch.randn(clips, 5, 3, requires_grad=True), torch.randn(clips, 5, 4)
    leaves = (x, *gru.parameters())
    ours = torch.autograd.grad((gru(x, mask) * weights).sum(), leaves)
    torchs = torch.autograd.grad((gru.gru(x)[0] * weights).sum(), leaves)
    torch.testing.assert_close(ours, torchs)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_clip_without_a_real_step_is_zeros_with_finite_gradients(bidirectional):
    gru, x = ready(bidirectional=bidirectional), torch.randn(2, 3, 3, requires_grad=True)
    actual = gru(x, torch.tensor([[False] * 3, [True] * 3]))
    assert actual.shape == (2, 3, 4)
    assert not actual[0].any()
    actual.sum().backward()
    assert not x.grad[0].any()
    assert x.grad[1].all()


@pytest.mark.parametrize("bidirectional", [False, True])
def test_both_directions_share_the_width(bidirectional):
    hidden = 2 if bidirectional else 4
    assert ready(bidirectional=bidirectional).gru.hidden_size == hidden


def test_an_odd_width_cannot_be_split_in_two():
    with pytest.raises(ValueError, match="even width; got 5"):
        MaskedGRU(3, 5, bidirectional=True)


def test_paper_size_with_both_biases():
    assert sum(p.numel() for p in MaskedGRU(40, 40).parameters()) == 3 * (2 * 40 * 40 + 2 * 40)


def test_an_lstm_never_reads_padding():
    torch.manual_seed(0)
    lstm, x = MaskedLSTM(3, 4), torch.randn(2, 4, 3, requires_grad=True)
    mask = torch.tensor([[True, True, False, False], [False] * 4])
    other = torch.where(mask[:, :, None], x, torch.full_like(x, 1e3))
    actual = lstm(x, mask)
    torch.testing.assert_close(actual, lstm(other, mask))
    torch.testing.assert_close(actual[0, :2], lstm(x[:1, :2], mask[:1, :2])[0])
    assert not actual[0, 2:].any()
    assert not actual[1].any()
    actual.sum().backward()
    assert not x.grad[~mask].any()
    assert x.grad[mask].all()


def test_an_lstm_has_four_gates_with_both_biases():
    assert sum(p.numel() for p in MaskedLSTM(5, 3).parameters()) == 4 * 3 * (5 + 3 + 2)
