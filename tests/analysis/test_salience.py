import dataclasses
import math

import numpy as np
import pytest
import torch

from deadpan.analysis.attention import attend
from deadpan.analysis.salience import (
    randomisation_check,
    salience,
    salience_given,
    saliences,
    shuffled,
)
from deadpan.data.batching import collate
from deadpan.layers.attention import record_attention
from deadpan.models import HCTMG
from deadpan.types import AUDIO, TEXT, VISION

from .small_models import CLIPS, KINDS, WIDTHS, clip, small, trained

each_kind = pytest.mark.parametrize("kind", KINDS)
each_method = pytest.mark.parametrize("method", ["attention", "rollout", "gradient"])


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
    found = salience_given(model, attend(model, CLIPS[0]), TEXT)
    assert list(found) == [(), (AUDIO,), (VISION,), (AUDIO, VISION)]
    for x in found.values():
        assert x.sum() == pytest.approx(1)
    alone = dataclasses.replace(CLIPS[0], sequences={TEXT: CLIPS[0].sequences[TEXT]})
    own = salience(attend(model, alone))
    np.testing.assert_allclose(found[()], own[TEXT], atol=1e-6)
    assert list(salience_given(model, attend(model, CLIPS[3]), TEXT)) == [(), (VISION,)]


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
