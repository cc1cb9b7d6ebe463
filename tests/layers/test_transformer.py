import math

import pytest
import torch

from deadpan.layers.attention import record_attention
from deadpan.layers.pooling import Pool
from deadpan.layers.transformer import Encoder, EncoderLayer, sinusoidal_positions


def size(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("d", "heads"), [(8, 2), (30, 5), (40, 5), (80, 5)])
def test_a_layer_has_twelve_squares_and_thirteen_widths(d, heads):
    layer = EncoderLayer(d, heads, residual_dropout=0.1, relu_dropout=0.1)
    assert size(layer) == 12 * d**2 + 13 * d


@pytest.mark.parametrize(("d", "layers"), [(8, 1), (40, 2), (40, 4), (80, 3)])
def test_an_encoder_adds_only_its_last_norm(d, layers):
    assert size(Encoder(d, 2, layers)) == layers * (12 * d**2 + 13 * d) + 2 * d


def test_a_width_without_two_wavelengths_is_refused():
    with pytest.raises(ValueError, match="width must be at least 4; got 2"):
        Encoder(2, 1, 1)


def ready(**options):
    torch.manual_seed(0)
    return Encoder(8, 2, 2, **options).eval()


def test_every_layer_reads_the_same_source():
    encoder = ready()
    recorded = []
    for layer in encoder.layers:
        layer.register_forward_pre_hook(lambda _, arguments: recorded.append(arguments[2]))
    mask = torch.ones(1, 3, dtype=torch.bool)
    encoder(torch.randn(1, 3, 8), mask, torch.randn(1, 3, 8), mask)
    assert recorded[0] is recorded[1]


@pytest.mark.parametrize("crossmodal", [False, True])
def test_a_clip_without_a_real_step_is_zeros_with_finite_gradients(crossmodal):
    encoder = ready()
    x, empty = torch.randn(2, 3, 8, requires_grad=True), torch.zeros(2, 3, dtype=torch.bool)
    source = (torch.randn(2, 4, 8), torch.zeros(2, 4, dtype=torch.bool)) if crossmodal else ()
    actual = encoder(x, empty, *source)
    assert not actual.any()
    actual.sum().backward()
    assert not x.grad.any()


@pytest.mark.parametrize("rate", ["attention_dropout", "target_dropout", "source_dropout"])
def test_each_dropout_acts_only_while_training(rate):
    encoder = ready(residual_dropout=0.0, relu_dropout=0.0)
    x, source, mask = torch.randn(1, 5, 8), torch.randn(1, 5, 8), torch.ones(1, 5, dtype=torch.bool)
    quiet = encoder(x, mask, source, mask, **{rate: 0.5})
    torch.testing.assert_close(quiet, encoder.train()(x, mask, source, mask))
    assert not torch.allclose(quiet, encoder(x, mask, source, mask, **{rate: 0.5}))


@pytest.mark.parametrize("rate", ["residual_dropout", "relu_dropout"])
def test_each_inner_dropout_acts_only_while_training(rate):
    encoder = ready(**({"residual_dropout": 0.0, "relu_dropout": 0.0} | {rate: 0.5}))
    x, mask = torch.randn(1, 5, 8), torch.ones(1, 5, dtype=torch.bool)
    quiet = encoder(x, mask)
    torch.testing.assert_close(quiet, encoder(x, mask))
    assert not torch.allclose(quiet, encoder.train()(x, mask))


LAST = Pool(20, "last")


@pytest.mark.parametrize("mask_future", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "attention"])
def test_what_is_pooled_is_what_the_whole_output_would_give(pooling, mask_future):
    torch.manual_seed(0)
    pool = Pool(20, pooling)
    encoder = Encoder(20, 5, 3, mask_future=mask_future).eval()
    mask = torch.arange(6) < torch.tensor([[6], [1], [4], [0]])
    x = torch.randn(4, 6, 20, requires_grad=True)
    weights = torch.randn(4, 20)
    expected = pool(encoder(x, mask), mask)
    (of_whole,) = torch.autograd.grad((expected * weights).sum(), x)
    actual = encoder.pooled(x, mask, pool)
    (of_pooled,) = torch.autograd.grad((actual * weights).sum(), x)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(of_pooled, of_whole)
    assert not actual[3].any()


def test_someone_who_looks_on_sees_all_steps():
    encoder, mask = Encoder(20, 5, 3).eval(), torch.ones(1, 6, dtype=torch.bool)
    x, recorded = torch.randn(1, 6, 20), []
    expected = encoder.pooled(x, mask, LAST)
    with record_attention(encoder) as maps:
        torch.testing.assert_close(encoder.pooled(x, mask, LAST), expected)
    assert [weights.shape for (weights,) in maps.values()] == 3 * [(1, 5, 6, 6)]
    hook = encoder.register_forward_hook(
        lambda _module, _given, output: recorded.append(output.shape)
    )
    encoder.pooled(x, mask, LAST)
    hook.remove()
    encoder.pooled(x, mask, LAST)
    assert recorded == [(1, 6, 20)]


@pytest.mark.parametrize("rate", ["attention_dropout", "embedding_dropout"])
def test_pooling_drops_out_while_training(rate):
    encoder = Encoder(20, 5, 3, residual_dropout=0.0, relu_dropout=0.0)
    x, mask = torch.randn(2, 6, 20), torch.ones(2, 6, dtype=torch.bool)
    plain = encoder.pooled(x, mask, LAST)
    assert not torch.allclose(encoder.pooled(x, mask, LAST, **{rate: 0.5}), plain, atol=1e-3)
    encoder.eval()
    torch.testing.assert_close(encoder.pooled(x, mask, LAST, **{rate: 0.5}), plain)


def test_counts_from_one_with_sines_first():
    actual = sinusoidal_positions(2, 4, torch.zeros(1))
    expected = [
        [math.sin(1), math.sin(1e-4), math.cos(1), math.cos(1e-4)],
        [math.sin(2), math.sin(2e-4), math.cos(2), math.cos(2e-4)],
    ]
    torch.testing.assert_close(actual, torch.tensor(expected))


def test_an_odd_last_channel_is_zero():
    actual = sinusoidal_positions(3, 5, torch.zeros(1))
    torch.testing.assert_close(actual[:, :4], sinusoidal_positions(3, 4, torch.zeros(1)))
    assert not actual[:, 4].any()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_takes_the_type_it_is_added_to(dtype):
    assert sinusoidal_positions(3, 4, torch.zeros(1, dtype=dtype)).dtype == dtype
