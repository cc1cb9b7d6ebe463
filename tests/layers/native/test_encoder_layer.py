"""An encoder layer in C is the layer written out in torch, forwards and backwards."""

import contextlib
import copy

import pytest
import torch

from deadpan.layers.attention import record_attention
from deadpan.layers.native.encoder_layer import encoder_layer
from deadpan.layers.native.library import library
from deadpan.layers.transformer import Encoder, EncoderLayer

pytestmark = pytest.mark.skipif(library() is None, reason="the C is not compiled here")

SHAPES = [  # width, heads, steps, source steps: heads of 4, 6 and 8 channels; beyond a tile of 64
    (8, 2, 5, 7),
    (30, 5, 6, 3),
    (40, 5, 70, 20),
    (40, 5, 12, 150),
]


def case(width=8, heads=2, steps=5, source_steps=7, *, scale=1.0, rate=0.0):
    torch.manual_seed(0)
    layer = EncoderLayer(width, heads, residual_dropout=rate, relu_dropout=rate)
    for parameter in layer.parameters():  # norms are no identities, biases no zeros
        parameter.data += 0.3 * torch.randn_like(parameter) * (8 / width) ** 0.5
    layer.attention.query.weight.data *= scale
    shapes = ((3, n, width) for n in (steps, source_steps))
    x, source = (torch.randn(shape, requires_grad=True) for shape in shapes)
    masks = [torch.arange(n) < torch.tensor([n, n - 2, 0])[:, None] for n in (steps, source_steps)]
    return layer, x, source, masks


def run(layer, x, source, masks, *, attention_dropout=0.0, mask_future=False):
    keys_mask = masks[0] if source is None else masks[1]
    options = {"attention_dropout": attention_dropout, "mask_future": mask_future}
    return layer(x, masks[0], source, keys_mask, **options)


def outcome(layer, x, source, masks, **options):
    """Output at real steps, and gradients of a loss that treats no number like another."""
    leaves = [leaf for leaf in (*layer.parameters(), x, source) if leaf is not None]
    out = run(layer, x, source, masks, **options) * masks[0][:, :, None]
    weights = torch.linspace(-1, 1, out.numel()).view_as(out)
    return out, torch.autograd.grad((out * weights).sum(), leaves)


def flat(result):
    out, gradients = result
    return [out, *gradients]


@pytest.mark.parametrize("mask_future", [False, True])
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("scale", [1.0, 300.0])  # of scores: in the thousands, most weights are 0
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_layer_written_out(mask_future, alone, scale, shape):
    """As near to the layer in double precision as torch's own kernels come, within a few times."""
    layer, x, source, masks = case(*shape, scale=scale)
    arguments = (layer, x, None if alone else source, masks)
    ours = outcome(*arguments, mask_future=mask_future)
    with record_attention(layer):  # recording takes the long way
        torchs = outcome(*arguments, mask_future=mask_future)
    exact = outcome(
        copy.deepcopy(layer).double(),
        *(None if y is None else y.detach().double().requires_grad_() for y in arguments[1:3]),
        masks,
        mask_future=mask_future,
    )
    # A score is rounded by its size times 6e-8, and its weight by as much: 3e-4 where scores are in
    # the thousands. How near torch's own kernels come there is their luck, on another processor
    # another one.
    rounding = (1e-7 if scale == 1 else 3e-4) * max(true.abs().max() for true in flat(exact))
    for our, torch_s, true in zip(*map(flat, (ours, torchs, exact)), strict=True):
        error, allowed = ((y.double() - true).abs().max() for y in (our, torch_s))
        assert error <= 8 * allowed + rounding


@pytest.mark.parametrize("alone", [False, True])
def test_dropout_has_the_gradient_of_what_it_left(alone):
    """The same draw twice: the slope along a direction is what the gradient says."""
    layer, x, source, masks = case(rate=0.3)
    source, leaf = (None, x) if alone else (source, source)

    def loss():
        torch.manual_seed(1)
        out = run(layer.train(), x, source, masks, attention_dropout=0.3) * masks[0][:, :, None]
        return (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum()

    leaves = (leaf, *layer.parameters())
    for leaf, gradient in zip(leaves, torch.autograd.grad(loss(), leaves), strict=True):
        direction = 1e-2 * gradient / gradient.norm()
        ends = []
        for sign in (1, -1):
            leaf.data += sign * direction
            ends.append(float(loss().detach()))
            leaf.data -= sign * direction
        slope = (ends[0] - ends[1]) / 2e-2
        assert slope == pytest.approx(float(gradient.norm()), rel=0.02)


def dropout_mask(which, seed=0, rate=0.25):
    """The masks of one dropout, laid bare by weights that let nothing else through."""
    layer = EncoderLayer(40, 5, residual_dropout=0.0, relu_dropout=0.0)
    for parameter in layer.parameters():
        parameter.data.zero_()
    attention_dropout = 0.0
    if which == "residual":
        layer.residual_dropout, layer.contract.bias.data[:] = rate, 1.0
    elif which == "relu":
        layer.relu_dropout, layer.expand.bias.data[:] = rate, 1.0
        layer.contract.weight.data[:, :40] = torch.eye(40)
    else:  # one source step: each head's weight is 1 or nothing
        attention_dropout, layer.attention.key_value.bias.data[:] = rate, 1.0
        layer.attention.output.weight.data[:] = torch.eye(40)
    torch.manual_seed(seed)
    x, mask = torch.zeros(8, 50, 40), torch.ones(8, 50, dtype=torch.bool)
    source = (torch.zeros(8, 1, 40), mask[:, :1]) if which == "attention" else (None, mask)
    with torch.no_grad():
        out = layer.train()(
            x, mask, *source, attention_dropout=attention_dropout, mask_future=False
        )
    return out[:, :, ::8] if which == "attention" else out


@pytest.mark.parametrize("which", ["residual", "relu", "attention"])
def test_dropout_drops_at_its_rate_anew_in_each_place(which):
    masks = dropout_mask(which)
    dropped = masks == 0
    torch.testing.assert_close(masks[~dropped].unique(), torch.tensor([1 / 0.75]))
    bound = 4 * (0.25 * 0.75 / dropped.numel()) ** 0.5
    assert dropped.float().mean() == pytest.approx(0.25, abs=bound)
    for axis in range(3):  # neighbours on every axis drop independently of each other
        pairs = dropped & dropped.roll(1, axis)
        assert pairs.float().mean() == pytest.approx(0.25**2, abs=bound)
    assert torch.equal(masks, dropout_mask(which))
    assert not torch.equal(masks, dropout_mask(which, seed=1))


def test_alone_under_a_mask_of_its_own_is_attending_to_itself():
    layer, x, _, masks = case()
    keys_mask = masks[0] & (torch.arange(5) < 2)
    options = {"attention_dropout": 0.0, "mask_future": False}
    result = []
    for source in (None, x):
        out = layer(x, masks[0], source, keys_mask, **options)
        leaves = (x, *layer.parameters())
        result.append((out, torch.autograd.grad(out.square().sum(), leaves)))
    torch.testing.assert_close(*result)


def test_tensors_may_lie_in_any_order_and_move_until_the_gradient():
    layer, x, source, masks = case(rate=0.3)
    turned = [y.detach().transpose(0, 1).contiguous().transpose(0, 1) for y in (x, source)]
    assert not any(y.is_contiguous() for y in turned)

    def gradients(x, source, wrap):
        torch.manual_seed(1)
        leaves = [y.detach().clone().requires_grad_() for y in (x, source)]
        with wrap:
            out = run(layer.train(), *leaves, masks, attention_dropout=0.3)
        grown = torch.ones(1).expand_as(out)  # no number of it lies anywhere of its own
        return torch.autograd.grad(out, (*leaves, *layer.parameters()), grown)

    moving = torch.autograd.graph.saved_tensors_hooks(torch.clone, torch.clone)
    expected = gradients(x, source, contextlib.nullcontext())
    torch.testing.assert_close(gradients(*turned, moving), expected)


def test_what_does_not_fit_is_refused_before_it_is_read():
    layer, x, source, masks = case()
    with pytest.raises(ValueError, match="got torch.float64"):
        run(layer.double(), x, source, masks)


def test_threads_change_no_draw_and_sums_only_by_rounding():
    layer, x, source, masks = case(rate=0.3)
    result = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            torch.manual_seed(1)
            result.append(outcome(layer.train(), x, source, masks, attention_dropout=0.3))
        finally:
            torch.set_num_threads(1)
    (one, of_one), (two, of_two) = result
    assert torch.equal(one, two)
    assert torch.equal(of_one[-1], of_two[-1])
    torch.testing.assert_close(of_one, of_two)


def test_padded_steps_come_out_as_zeros_and_receive_nothing():
    layer, x, source, masks = case()
    out = run(layer, x, source, masks)
    assert not out[~masks[0]].any()
    out.sum().backward()
    assert not x.grad[~masks[0]].any()
    assert not source.grad[~masks[1]].any()


def test_what_is_not_a_number_is_not_hidden():
    layer, x, source, masks = case()
    x.data[0, 1, 2] = torch.nan
    assert run(layer, x, None, masks)[0].isnan().any(dim=1).all()
    assert run(layer, source[:, :5], x, [masks[0], masks[0]])[0].isnan().all()


@pytest.mark.parametrize("which", [0, 1])
def test_padding_before_a_real_step_is_refused(which):
    layer, x, source, masks = case()
    masks[which][0, 0] = False
    with pytest.raises(ValueError, match="padding must stand last: use front_aligned"):
        run(layer, x, source, masks)


def test_no_gradient_is_asked_for_and_none_is_kept():
    encoder = Encoder(8, 2, 2).eval()
    with torch.inference_mode():
        out = encoder(torch.randn(2, 4, 8), torch.ones(2, 4, dtype=torch.bool))
    assert not out.requires_grad


def test_a_batch_without_clips_stays_one():
    layer, x, source, masks = case()
    assert run(layer, x[:0], source[:0], [mask[:0] for mask in masks]).shape == (0, 5, 8)


def test_parameters_stand_in_the_order_of_the_layer():
    # A part taken for another of the same shape would only show in scores.
    layer, x, source, masks = case()
    names = "attention_norm attention.query attention.key_value attention.output feedforward_norm"
    modules = [layer.get_submodule(name) for name in (*names.split(), "expand", "contract")]
    rates = dict.fromkeys(("attention_dropout", "residual_dropout", "relu_dropout"), 0.0)
    out = encoder_layer(
        x,
        source,
        *masks,
        [parameter for module in modules for parameter in module.parameters()],
        heads=2,
        mask_future=False,
        **rates,
    )
    assert torch.equal(out, run(layer, x, source, masks))
