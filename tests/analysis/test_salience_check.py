import math

import pytest
import torch

from deadpan.analysis.salience_check import randomisation_check, randomised
from deadpan.models import HCTMG
from deadpan.types import AUDIO, TEXT, VISION

from .small_models import clip, small, trained


def test_disorder_keeps_every_number_and_the_gate():
    model = small(HCTMG)
    with torch.no_grad():
        model.gate.logits.copy_(torch.tensor([0.1, 0.7, 0.3]))
    twin = randomised(model)
    for (name, mine), its in zip(model.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine.flatten().sort().values, its.flatten().sort().values)
        assert "gate" not in name or torch.equal(mine, its)
    assert not torch.equal(model.head.output.weight, twin.head.output.weight)
    assert not torch.equal(twin.head.output.weight, randomised(model, seed=1).head.output.weight)


@pytest.fixture(scope="module")
def learned():
    return trained(HCTMG)


@pytest.mark.parametrize("method", ["attention", "rollout", "gradient"])
def test_disordered_weights_destroy_the_salience_of_a_trained_model(learned, method):
    found = randomisation_check(*learned, method=method)
    assert list(found) == [TEXT, AUDIO, VISION]
    assert all(abs(value) < 0.5 for value in found.values())


def test_the_same_weights_leave_it(learned, monkeypatch):
    monkeypatch.setattr("deadpan.analysis.salience_check.randomised", lambda model, seed: model)
    assert randomisation_check(*learned, seeds=1) == pytest.approx(
        {TEXT: 1.0, AUDIO: 1.0, VISION: 1.0}
    )


def test_nothing_to_rank_is_no_number():
    found = randomisation_check(small(HCTMG), [clip(text=2, audio=0, vision=3)], seeds=1)
    assert math.isnan(found[TEXT])
    assert math.isnan(found[AUDIO])
    assert not math.isnan(found[VISION])
