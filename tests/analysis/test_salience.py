import dataclasses
import math

import numpy as np
import pytest
import torch

from deadpan.analysis.attention import ClipAttention, attend
from deadpan.analysis.salience import (
    conditional_salience,
    randomisation_check,
    salience,
    saliences,
    shuffled,
)
from deadpan.data.batching import collate
from deadpan.data.dataset import Clip
from deadpan.layers.attention import record_attention
from deadpan.models import HCTMG
from deadpan.models.base import FUSED, AttentionPath
from deadpan.types import AUDIO, TEXT, VISION

from .small_models import CLIPS, KINDS, WIDTHS, clip, small, trained

each_kind = pytest.mark.parametrize("kind", KINDS)
each_method = pytest.mark.parametrize("method", ["attention", "rollout", "gradient"])


def table(*rows):
    return np.array(rows)


def attended(method, paths, layers, lengths, pooling="last", pool_weights=None):
    sequences = {name: np.zeros((n, 1), np.float32) for name, n in lengths.items()}
    return ClipAttention(
        clip=Clip(id="a", sequences=sequences, label=np.zeros(1, np.float32)),
        modalities=tuple(lengths),
        paths=paths,
        layers=layers,
        pooling=pooling,
        method=method,
        pool_weights=pool_weights or {},
    )


SELF = (AttentionPath("self", "text", "text", "self", 2),)
CROSS = (AttentionPath("cross", "audio", "text", "crossmodal"), *SELF)
FIRST, SECOND = table([0.5, 0.5], [0.2, 0.8]), table([0.9, 0.1], [0.6, 0.4])
ROWS_OF_AUDIO = table([1.0, 0.0, 0.0], [0.2, 0.3, 0.5])


def worth(found, name="text"):
    return found[name].tolist()


def test_attention_is_the_last_row_of_the_mean_layer():
    found = salience(attended("attention", SELF, {"self": [(FIRST + SECOND) / 2]}, {"text": 2}))
    assert worth(found) == pytest.approx([0.4, 0.6])


def test_attention_hands_half_of_it_through_the_crossmodal_map():
    layers = {"self": [table([1.0, 0.0], [0.4, 0.6])], "cross": [ROWS_OF_AUDIO]}
    # A modality without a path is predicted from directly: leave audio's own last step out.
    found = salience(attended("attention", CROSS, layers, {"text": 2, "audio": 3}))
    # Text's half: (0.4, 0.6) / 2, half of which stays and half goes along the rows of the map.
    assert worth(found) == pytest.approx([0.1, 0.15])
    handed = (0.1 + 0.15 * 0.2, 0.15 * 0.3, 0.15 * 0.5)
    assert worth(found, "audio") == pytest.approx([handed[0], handed[1], handed[2] + 0.5])


def test_rollout_is_the_product_of_layers_with_residuals():
    found = salience(attended("rollout", SELF, {"self": [FIRST, SECOND]}, {"text": 2}))
    first, second = (np.eye(2) / 2 + x / 2 for x in (FIRST, SECOND))
    assert worth(found) == pytest.approx((second @ first)[1].tolist())


def test_gradient_adds_what_is_attended_to_and_takes_off_the_step_itself():
    found = salience(attended("gradient", SELF, {"self": [FIRST, SECOND]}, {"text": 2}))
    first, second = (np.eye(2) + x for x in (FIRST, SECOND))
    row = (second @ first)[1] - [0, 1]
    assert worth(found) == pytest.approx((row / row.sum()).tolist())


def test_no_positive_gradient_is_no_salience():
    found = salience(attended("gradient", SELF, {"self": [np.zeros((2, 2))]}, {"text": 2}))
    assert worth(found) == [0, 0]


def test_encoders_of_one_order_do_not_read_each_other():
    paths = tuple(AttentionPath(f"{s}{t}", s, t, "crossmodal") for s, t in (("a", "b"), ("b", "a")))
    layers = {"ab": [table([0.0, 1.0], [0.0, 1.0])], "ba": [table([1.0, 0.0], [1.0, 0.0])]}
    found = salience(attended("rollout", paths, layers, {"a": 2, "b": 2}))
    # a's last step: half stays, half is b's first step; b's last step: half is a's last step.
    assert worth(found, "a") == pytest.approx([0, 0.5])
    assert worth(found, "b") == pytest.approx([0.25, 0.25])


def test_a_later_order_reads_what_an_earlier_one_left():
    paths = (
        AttentionPath("ab", "a", "b", "crossmodal", 1),
        AttentionPath("bc", "b", "c", "crossmodal", 2),
    )
    one = np.ones((1, 1))
    found = salience(
        attended("attention", paths, {"ab": [one], "bc": [one]}, dict.fromkeys("abc", 1))
    )
    # Thirds. c keeps 1/6 and hands 1/6 to b, which hands half of its 1/2 to a.
    got = [worth(found, name)[0] for name in "abc"]
    assert got == pytest.approx([1 / 3 + 1 / 4, 1 / 4, 1 / 6])


@pytest.mark.parametrize("method", ["attention", "rollout"])
def test_a_missing_source_leaves_all_to_the_target(method):
    layers = {"self": [table([1.0, 0.0], [0.4, 0.6])], "cross": [np.zeros((2, 0))]}
    found = salience(attended(method, CROSS, layers, {"text": 2, "audio": 0}))
    assert sum(worth(found)) == pytest.approx(1)
    assert worth(found, "audio") == []


def test_a_fused_step_is_shared_by_the_steps_at_its_place():
    paths = (AttentionPath("fused", FUSED, "text", "crossmodal"),)
    layers = {"fused": [table([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4])]}
    found = salience(attended("attention", paths, layers, {"text": 2, "audio": 4}))
    # Text is 1/2, half of it handed: 1/4, an eighth to each modality.
    assert worth(found) == pytest.approx([0.3 / 8, 0.7 / 8 + 1 / 4])
    assert worth(found, "audio") == pytest.approx([0.1 / 8, 0.2 / 8, 0.3 / 8, 0.4 / 8 + 1 / 2])


def test_where_the_mean_is_pooled_every_step_starts_alike():
    found = salience(attended("attention", SELF, {"self": [FIRST]}, {"text": 2}, pooling="mean"))
    assert worth(found) == pytest.approx([0.35, 0.65])


def test_where_attention_pools_every_step_starts_with_its_weight():
    weights = {"text": np.array([0.9, 0.1], np.float32)}
    layers = {"self": [FIRST]}
    found = salience(attended("attention", SELF, layers, {"text": 2}, "attention", weights))
    assert worth(found) == pytest.approx([0.9 * 0.5 + 0.1 * 0.2, 0.9 * 0.5 + 0.1 * 0.8])


@each_kind
@each_method
def test_the_weights_of_a_pool_are_those_of_its_own_modality(kind, method):
    model = small(kind, pooling="attention")
    for name, pool in model.final_pools().items():
        with torch.no_grad():  # so that it reads the first or the last step of its stream
            pool.query.copy_(torch.randn(pool.query.shape) * 3 + (name == TEXT))
    attention = attend(model, clip(), method=method)
    assert {m: len(x) for m, x in attention.pool_weights.items()} == {TEXT: 4, AUDIO: 7, VISION: 5}
    for x in attention.pool_weights.values():
        assert x.sum() == pytest.approx(1, abs=1e-5)
        assert x.max() > 1.1 / len(x)
    found = salience(attention)
    assert total(found) == pytest.approx(1, abs=1e-5)
    assert not any(pool._forward_hooks for pool in model.final_pools().values())


def total(each):
    return sum(x.sum() for x in each.values())


@each_kind
@each_method
@pytest.mark.parametrize("outputs", [1, 3])
def test_every_step_has_its_share_and_a_missing_modality_none(kind, method, outputs):
    found = saliences(small(kind, outputs=outputs), CLIPS, method=method)
    for given, each in zip(CLIPS, found, strict=True):
        assert list(each) == [TEXT, AUDIO, VISION]
        for name, x in each.items():
            assert x.shape == (len(given.sequences.get(name, ())),)
            assert (x >= 0).all()
        assert total(each) == pytest.approx(1, abs=1e-5)


@each_kind
@each_method
def test_company_changes_nothing(kind, method):
    model = small(kind)
    together = saliences(model, CLIPS, method=method)
    for given, each in zip(CLIPS, together, strict=True):
        alone = salience(attend(model, given, method=method))
        for name, x in each.items():
            np.testing.assert_allclose(x, alone[name], atol=2e-5)


@each_kind
def test_nothing_is_left_on_the_model(kind):
    model = small(kind)
    before = model(collate(CLIPS, WIDTHS)).prediction
    saliences(model, CLIPS, method="gradient")
    assert all(p.grad is None for p in model.parameters())
    torch.testing.assert_close(model(collate(CLIPS, WIDTHS)).prediction, before)


def provenance(model, given):
    """Rollout worked forwards, for HCT with text as primary: what each step is made of."""
    with torch.no_grad(), record_attention(model) as maps:
        model(collate([given], WIDTHS))

    def layers(module):
        names = [name for name in maps if name.startswith(f"{module}.")]
        return [maps[name][0][0].mean(dim=0).double().numpy() for name in names]

    def mixed(first, second):
        return {name: (first[name] + second[name]) / 2 for name in first}

    def applied(weights, of):
        return {name: weights @ x for name, x in of.items()}

    lengths = {name: len(given.sequences[name]) for name in WIDTHS}
    raw = {
        name: {m: np.eye(n) if m == name else np.zeros((n, lengths[m])) for m in WIDTHS}
        for name, n in lengths.items()
    }

    def enhanced(target, source, module):
        for weights in layers(module):
            target = mixed(target, applied(weights, source))
        return target

    audio = enhanced(raw[AUDIO], raw[VISION], "crossmodal.auxiliary2_to_auxiliary1")
    vision = enhanced(raw[VISION], raw[AUDIO], "crossmodal.auxiliary1_to_auxiliary2")
    text = mixed(
        enhanced(raw[TEXT], audio, "crossmodal.auxiliary1_to_primary"),
        enhanced(raw[TEXT], vision, "crossmodal.auxiliary2_to_primary"),
    )
    for weights in layers("self_attention"):
        text = mixed(text, applied(weights, text))
    return {name: sum(stream[name][-1] for stream in (text, audio, vision)) / 3 for name in WIDTHS}


def test_rollout_backwards_is_provenance_forwards():
    model, given = small(HCTMG, primary=TEXT), clip()
    found = salience(attend(model, given, method="rollout"))
    for name, wanted in provenance(model, given).items():
        np.testing.assert_allclose(found[name], wanted, atol=1e-6)


def test_the_gradient_is_of_the_absolute_output():
    model, given = small(HCTMG), clip()
    found = salience(attend(model, given, method="gradient"))
    last = model.head
    turned = small(HCTMG)
    with torch.no_grad():
        for mine, its in zip(last.parameters(), turned.head.parameters(), strict=True):
            its.copy_(mine)
        turned.head.output.weight.neg_()
        turned.head.output.bias.neg_()
    again = salience(attend(turned, given, method="gradient"))
    for name in WIDTHS:
        np.testing.assert_allclose(found[name], again[name], atol=1e-6)


def test_salience_given_some_of_the_others():
    model = small(HCTMG, primary=TEXT)
    found = conditional_salience(model, attend(model, CLIPS[0]), TEXT)
    assert list(found) == [(), (AUDIO,), (VISION,), (AUDIO, VISION)]
    for x in found.values():
        assert x.sum() == pytest.approx(1)
    alone = dataclasses.replace(CLIPS[0], sequences={TEXT: CLIPS[0].sequences[TEXT]})
    own = salience(attend(model, alone))
    np.testing.assert_allclose(found[()], own[TEXT], atol=1e-6)
    assert list(conditional_salience(model, attend(model, CLIPS[3]), TEXT)) == [(), (VISION,)]


def test_disorder_keeps_every_number_and_the_gate():
    model = small(HCTMG)
    with torch.no_grad():
        model.gate.logits.copy_(torch.tensor([0.1, 0.7, 0.3]))
    twin = shuffled(model)
    for (name, mine), its in zip(model.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine.flatten().sort().values, its.flatten().sort().values)
        assert "gate" not in name or torch.equal(mine, its)
    assert not torch.equal(model.head.output.weight, twin.head.output.weight)
    assert not torch.equal(twin.head.output.weight, shuffled(model, seed=1).head.output.weight)


@pytest.fixture(scope="module")
def learned():
    return trained(HCTMG)


@pytest.mark.parametrize("method", ["attention", "rollout", "gradient"])
def test_disordered_weights_destroy_the_salience_of_a_trained_model(learned, method):
    found = randomisation_check(*learned, method=method)
    assert list(found) == [TEXT, AUDIO, VISION]
    assert all(abs(value) < 0.5 for value in found.values())


def test_the_same_weights_leave_it(learned, monkeypatch):
    monkeypatch.setattr("deadpan.analysis.salience.shuffled", lambda model, seed: model)
    assert randomisation_check(*learned, seeds=1) == pytest.approx(
        {TEXT: 1.0, AUDIO: 1.0, VISION: 1.0}
    )


def test_nothing_to_rank_is_no_number():
    found = randomisation_check(small(HCTMG), [clip(text=2, audio=0, vision=3)], seeds=1)
    assert math.isnan(found[TEXT])
    assert math.isnan(found[AUDIO])
    assert not math.isnan(found[VISION])
