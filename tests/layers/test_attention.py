import math

import pytest
import torch

from deadpan.errors import DeadpanError
from deadpan.layers.attention import Attention, record_attention
from deadpan.layers.transformer import Encoder


def masks(*lengths, steps):
    return torch.arange(steps) < torch.tensor(lengths)[:, None]


def ready(width=4, heads=2, seed=0):
    torch.manual_seed(seed)
    layer = Attention(width, heads)
    torch.nn.init.normal_(layer.output.bias)
    return layer.eval()


def test_without_a_preference_every_real_step_counts_the_same():
    layer = ready()
    torch.nn.init.zeros_(layer.query.weight)
    layer.key_value.weight.data[4:] = torch.eye(4)
    layer.output.weight.data.copy_(torch.eye(4))
    torch.nn.init.zeros_(layer.output.bias)
    source = torch.tensor([[[1.0, 2, 3, 4], [3, 4, 5, 6], [100, 100, 100, 100]]])
    actual = layer(torch.randn(1, 2, 4), masks(2, steps=2), source, masks(2, steps=3))
    torch.testing.assert_close(actual, torch.tensor([[[2.0, 3, 4, 5], [2, 3, 4, 5]]]))


def test_weights_of_one_head_by_hand():
    layer = Attention(1, 1)
    for linear in (layer.query, layer.key_value, layer.output):
        torch.nn.init.ones_(linear.weight)
    source = torch.tensor([[[0.0], [math.log(3)]]])
    actual = layer(torch.ones(1, 1, 1), masks(1, steps=1), source, masks(2, steps=2))
    # Scores 0 and log 3: weights 1/4 and 3/4.
    torch.testing.assert_close(actual, torch.tensor([[[0.75 * math.log(3)]]]))


@pytest.mark.parametrize("mask_future", [False, True])
def test_a_clip_without_source_gets_the_output_bias_and_finite_gradients(mask_future):
    layer = ready()
    target, source = torch.randn(2, 3, 4), torch.randn(2, 5, 4, requires_grad=True)
    actual = layer(
        target, masks(3, 3, steps=3), source, masks(0, 4, steps=5), mask_future=mask_future
    )
    torch.testing.assert_close(actual[0], layer.output.bias.expand(3, 4))
    assert not torch.allclose(actual[1], layer.output.bias.expand(3, 4))
    actual.sum().backward()
    assert not source.grad[0].any()
    assert source.grad[1, :4].all()
    assert not source.grad[1, 4].any()


def test_the_future_is_counted_in_real_steps():
    layer = ready()
    source = torch.randn(1, 6, 4, requires_grad=True)
    # 2 real target steps in a batch padded to 5; 3 real source steps padded to 6: offset 1.
    actual = layer(
        torch.randn(1, 5, 4), masks(2, steps=5), source, masks(3, steps=6), mask_future=True
    )
    (first,) = torch.autograd.grad(actual[0, 0].sum(), source, retain_graph=True)
    (second,) = torch.autograd.grad(actual[0, 1].sum(), source)
    assert first.any(dim=2).tolist() == [[True, True, False, False, False, False]]
    assert second.any(dim=2).tolist() == [[True, True, True, False, False, False]]


def test_dropout_of_weights_only_while_training():
    layer = ready(8, 2)
    x, mask = torch.randn(2, 6, 8), masks(6, 6, steps=6)
    quiet = layer(x, mask, x, mask, dropout=0.5)
    torch.testing.assert_close(quiet, layer(x, mask, x, mask))
    assert not torch.allclose(quiet, layer.train()(x, mask, x, mask, dropout=0.5))


def test_projections_start_xavier_uniform_with_zero_bias():
    torch.manual_seed(0)
    layer = Attention(40, 5)
    bound = math.sqrt(6 / 80)
    for weight in (layer.query.weight, *layer.key_value.weight.chunk(2), layer.output.weight):
        assert 0.95 * bound < weight.abs().max() <= bound
    assert not any(x.bias.any() for x in (layer.query, layer.key_value, layer.output))


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="heads must divide the width; got width 8 and heads 3"):
        Attention(8, 3)


def crossmodal(seed=0):
    torch.manual_seed(seed)
    return Encoder(8, 2, 2).eval()


def run(encoder, *, seed=0, **options):
    torch.manual_seed(1)
    target, source = torch.randn(3, 4, 8), torch.randn(3, 6, 8)
    torch.manual_seed(seed)
    lengths = masks(4, 2, 3, steps=4), masks(6, 5, 0, steps=6)
    return encoder(target, lengths[0], source, lengths[1], **options)


def test_weights_of_a_head_by_hand():
    attention = Attention(1, 1)
    for linear in (attention.query, attention.key_value, attention.output):
        torch.nn.init.ones_(linear.weight)
    source = torch.tensor([[[0.0], [torch.tensor(3.0).log()], [7.0]]])
    with record_attention(attention) as maps:
        attention(torch.ones(1, 1, 1), masks(1, steps=1), source, masks(2, steps=3))
    torch.testing.assert_close(maps[""][0], torch.tensor([[[[0.25, 0.75, 0.0]]]]))


@pytest.mark.parametrize("mask_future", [False, True])
def test_recording_changes_no_output_and_no_gradient(mask_future):
    encoder = crossmodal()
    encoder.mask_future = mask_future
    plain = run(encoder)
    plain.square().sum().backward()
    gradients = {name: p.grad.clone() for name, p in encoder.named_parameters()}
    encoder.zero_grad()
    with record_attention(encoder):
        recorded = run(encoder)
    recorded.square().sum().backward()
    torch.testing.assert_close(recorded, plain)
    for name, p in encoder.named_parameters():
        torch.testing.assert_close(p.grad, gradients[name], atol=2e-5, rtol=1e-4)


def test_an_entry_per_call_of_each_attention():
    encoder = crossmodal()
    with record_attention(encoder) as maps:
        run(encoder)
        run(encoder)
    assert list(maps) == ["layers.0.attention", "layers.1.attention"]
    for calls in maps.values():
        assert [x.shape for x in calls] == [(3, 2, 4, 6)] * 2


def test_rows_sum_to_one_over_real_steps_and_to_nothing_without_source():
    encoder = crossmodal()
    with record_attention(encoder) as maps:
        run(encoder)
    for (weights,) in maps.values():
        torch.testing.assert_close(weights[:2].sum(dim=3), torch.ones(2, 2, 4))
        assert not weights[1, :, :, 5:].any()
        assert not weights[2].any()


def test_the_output_is_computed_from_the_very_weights():
    encoder = crossmodal()
    with record_attention(encoder) as maps:
        output = run(encoder)
    output[0].sum().backward()
    for (weights,) in maps.values():
        assert weights.grad[0].any()
        assert not weights.grad[1].any()


def test_without_gradients_none_are_kept():
    encoder = crossmodal()
    with torch.no_grad(), record_attention(encoder) as maps:
        run(encoder)
    assert not any(weights.requires_grad for (weights,) in maps.values())


def test_dropout_acts_after_the_weights_were_kept():
    encoder = crossmodal().train()
    encoder.layers[0].residual_dropout = encoder.layers[0].relu_dropout = 0.0
    with record_attention(encoder) as maps:
        first, second = (run(encoder, seed=seed, attention_dropout=0.9) for seed in (0, 5))
    kept = maps["layers.0.attention"]
    torch.testing.assert_close(kept[0], kept[1])
    assert not torch.allclose(first, second)


def test_contexts_nest_and_each_has_its_own_maps():
    encoder = crossmodal()
    with record_attention(encoder) as outer:
        run(encoder)
        with record_attention(encoder.layers[0]) as inner:
            run(encoder)
        run(encoder)
    assert list(map(len, outer.values())) == [3, 3]
    assert list(map(len, inner.values())) == [1]
    assert inner["attention"][0] is outer["layers.0.attention"][1]


def test_an_error_inside_leaves_nothing_behind():
    encoder = crossmodal()
    with pytest.raises(RuntimeError, match="inside"), record_attention(encoder):
        raise RuntimeError("inside")
    assert not any(part.recorders for part in encoder.modules() if isinstance(part, Attention))


def test_a_model_without_attention_is_refused():
    with (
        pytest.raises(DeadpanError, match="Linear has no attention to record"),
        record_attention(torch.nn.Linear(2, 2)),
    ):
        pass
