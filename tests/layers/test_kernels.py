"""An encoder layer in few kernels is the layer written out, forwards and backwards."""

import pytest
import torch

from deadpan.layers import attention_kernel, attention_weights, feedforward_kernel
from deadpan.layers.attention import Attention
from deadpan.layers.recording import record_attention
from deadpan.layers.transformer import Encoder, EncoderLayer

close = {"atol": 2e-5, "rtol": 2e-4}
STEPS = (5, 7)


def case(*, scale=1.0):
    torch.manual_seed(0)
    layer = EncoderLayer(8, 2, residual_dropout=0.3, relu_dropout=0.4)
    for parameter in layer.parameters():  # norms are no identities, biases no zeros
        parameter.data += 0.3 * torch.randn_like(parameter)
    layer.attention.query.weight.data *= scale
    x, source = (torch.randn(3, n, 8, requires_grad=True) for n in STEPS)
    masks = [torch.arange(n) < torch.tensor([n, n - 2, 0])[:, None] for n in STEPS]
    return layer, x, source, masks


def outcome(call, layer, *inputs):
    """Output and gradients, of a loss that treats no number like another."""
    for leaf in (*layer.parameters(), *inputs):
        leaf.grad = None
    out = call()
    (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    return out, [leaf.grad for leaf in (*layer.parameters(), *inputs) if leaf.grad is not None]


def run(layer, x, source, masks, **options):
    own = {"attention_dropout": 0.0, "mask_future": False} | options
    if source is None:
        return layer(x, masks[0], None, masks[0], **own)
    return layer(x, masks[0], source, masks[1], **own)


def both(layer, x, source, masks, **options):
    inputs = [x] if source is None else [x, source]
    fused = outcome(lambda: run(layer, x, source, masks, **options), layer, *inputs)
    with record_attention(layer):  # recording takes the long way
        plain = outcome(lambda: run(layer, x, source, masks, **options), layer, *inputs)
    assert len(fused[1]) == len(plain[1]) == len([*layer.parameters()]) + len(inputs)
    return fused, plain


@pytest.mark.parametrize("mask_future", [False, True])
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("scale", [1.0, 300.0])
@pytest.mark.parametrize("kept", [1 << 22, 0])
def test_equals_the_layer_written_out(monkeypatch, mask_future, alone, scale, kept):
    monkeypatch.setattr(attention_weights, "KEPT", kept)
    monkeypatch.setattr(attention_weights, "BLOCK", 2 * 5 * 7)  # a block of one clip
    layer, x, source, masks = case(scale=scale)
    layer.eval()
    fused, plain = both(layer, x, None if alone else source, masks, mask_future=mask_future)
    torch.testing.assert_close(fused, plain, **close)


def test_scores_beyond_the_range_of_powers_are_shifted_and_others_are_not(monkeypatch):
    shifts = []
    inner = attention_weights._weights
    monkeypatch.setattr(
        attention_weights,
        "_weights",
        lambda *a, shifted: shifts.append(shifted) or inner(*a, shifted=shifted),
    )
    for scale, wanted in ((1.0, {False}), (300.0, {False, True})):
        shifts.clear()
        layer, x, source, masks = case(scale=scale)
        assert run(layer.eval(), x, source, masks).isfinite().all()
        assert set(shifts) == wanted


def test_dropout_has_the_gradient_of_what_it_left(monkeypatch):
    """With masks that are known, against the same arithmetic left to autograd."""

    def places(x, rate):
        kept = (torch.arange(x.numel()) % 3 > 0).float().view(x.shape)
        return kept, 1 / (1 - rate)

    def mask(x, rate):
        kept, scale = places(x, rate)
        return kept * scale

    for module in (attention_kernel, attention_weights, feedforward_kernel):
        monkeypatch.setattr(module, "keep_mask", mask)
    monkeypatch.setattr(feedforward_kernel, "kept_places", places)
    layer, x, source, masks = case()
    part = 4

    def plain():
        attention = layer.attention
        normed, answers = layer.attention_norm(x), layer.attention_norm(source)
        q = attention.query(normed).unflatten(2, (2, part)).transpose(1, 2)
        k, v = (
            y.unflatten(2, (2, part)).transpose(1, 2)
            for y in attention.key_value(answers).chunk(2, dim=2)
        )
        bias = torch.where(masks[1][:, None, None], 0.0, -1e9)
        weights = (q @ k.transpose(2, 3) / part**0.5 + bias).softmax(dim=3)
        weights = weights * mask(weights.flatten(0, 1), 0.2).view_as(weights)
        mixed = (weights @ v * masks[1].any(dim=1)[:, None, None, None]).transpose(1, 2).flatten(2)
        out = attention.output(mixed)
        h = x + out * mask(out, 0.3)
        hidden = layer.expand(layer.feedforward_norm(h)).relu()
        out = layer.contract(hidden * mask(hidden, 0.4))
        return h + out * mask(out, 0.3)

    fused = outcome(
        lambda: run(layer.train(), x, source, masks, attention_dropout=0.2), layer, x, source
    )
    torch.testing.assert_close(fused, outcome(plain, layer, x, source), **close)


@pytest.mark.parametrize("longer", [0, 1])
def test_a_few_clips_without_gradients_go_by_torchs_own_kernels(longer):
    layer, x, source, masks = case()
    masks[1] = masks[1] | (longer == 0)  # all real: nothing is to be hidden
    layer.eval()
    wanted = run(layer, x, source, masks)
    with torch.no_grad():
        torch.testing.assert_close(run(layer, x, source, masks), wanted, **close)


def test_no_gradient_is_asked_for_and_none_is_kept():
    encoder = Encoder(8, 2, 2).eval()
    with torch.no_grad():
        out = encoder(torch.randn(2, 4, 8), torch.ones(2, 4, dtype=torch.bool))
    assert not out.requires_grad


def test_parts_stand_in_the_order_of_the_layer():
    # A part taken for another of the same shape would only show in scores.
    names = [name for name, _ in Attention(8, 2).named_parameters()]
    flat = [name.replace(".", "_") for name in names]
    assert list(attention_kernel.Parts._fields) == ["norm_weight", "norm_bias", *flat]
