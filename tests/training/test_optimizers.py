import pytest
import torch

from deadpan.models import HCTMG
from deadpan.training.optimizers import GATE_FLOOR, make_optimizer, make_scheduler

SIZES = {"widths": {"text": 4, "audio": 3, "vision": 2}, "outputs": 1, "width": 4, "heads": 2}


def groups(model, **changes):
    options = {"learning_rate": 1e-5, "gate_learning_rate": None, "weight_decay": 0.1, **changes}
    return make_optimizer(model, **options).param_groups


@pytest.mark.parametrize("primary", [None, "text"])
def test_every_parameter_is_in_one_group(primary):
    model = HCTMG(**SIZES, primary=primary)
    found = [id(p) for group in groups(model) for p in group["params"]]
    assert sorted(found) == sorted(id(p) for p in model.parameters())
    assert len(groups(model)) == (2 if primary is None else 1)


@pytest.mark.parametrize(
    ("rate", "own", "wanted"),
    [(1e-5, None, GATE_FLOOR), (0.01, None, 0.01), (0.01, 1e-6, 1e-6), (0.01, 0.0, 0.0)],
)
def test_the_gate_has_a_rate_of_its_own_and_no_decay(rate, own, wanted):
    rest, gate = groups(HCTMG(**SIZES), learning_rate=rate, gate_learning_rate=own)
    assert (rest["lr"], rest["weight_decay"]) == (rate, 0.1)
    assert (gate["lr"], gate["weight_decay"]) == (wanted, 0.0)


def test_the_scheduler_waits_and_divides_every_rate_by_ten():
    optimizer = make_optimizer(
        HCTMG(**SIZES), learning_rate=0.01, gate_learning_rate=0.1, weight_decay=0.0
    )
    scheduler = make_scheduler(optimizer, patience=2)
    rates = []
    for loss in (1.0, 0.5, 0.6, 0.6, 0.6, 0.6):
        scheduler.step(loss)
        rates.append([group["lr"] for group in optimizer.param_groups])
    assert rates[:4] == [[0.01, 0.1]] * 4
    assert torch.allclose(torch.tensor(rates[4:]), torch.tensor([[0.001, 0.01]] * 2))
