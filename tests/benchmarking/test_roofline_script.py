import json

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from deadpan.data.batching import collate
from deadpan.layers import recurrent, transformer
from deadpan.layers.transformer import Encoder
from deadpan.models import HCTMG

from .scripts import run, script

WIDTHS = {"text": 7, "audio": 5, "vision": 6}


@pytest.fixture
def roofline(monkeypatch):
    for module in (transformer, recurrent):
        monkeypatch.setattr(module, "native", lambda *_: False)
    return script("roofline", monkeypatch)


def operations(call):
    """What torch itself counts; of attention in one kernel, and of C, it would count nothing."""
    products = sdpa_kernel(SDPBackend.MATH)
    with products, FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return counter.get_total_flops()


@pytest.mark.parametrize(("target", "source"), [(3, 5), (4, None)])
def test_the_formula_of_an_encoder_is_what_torch_counts(target, source, roofline):
    from workloads.work import encoder

    model = Encoder(8, 2, 3).eval()
    x = (torch.zeros(1, target, 8), torch.ones(1, target, dtype=torch.bool))
    y = () if source is None else (torch.zeros(1, source, 8), torch.ones(1, source).bool())
    assert encoder(target, source, 8, 2, 3).forward == operations(lambda: model(*x, *y))


@pytest.mark.parametrize("primary", ["text", "vision"])
def test_the_formula_of_the_model_is_what_torch_counts(primary, roofline):
    from workloads.epochs import make_clips
    from workloads.work import parts

    steps = {"text": 3, "audio": 5, "vision": 4}
    model = HCTMG(widths=WIDTHS, outputs=1, width=8, heads=2, layers=1, primary=primary).eval()
    batch = collate(make_clips(1, steps, WIDTHS), WIDTHS)
    counted = operations(lambda: model(batch))
    found = parts(model, steps, primary)
    assert found["GRU"].scan == 12 * 2 * 8 * 24  # 12 steps, from 8 hidden channels to 24 gates
    assert sum(work.forward for work in found.values()) == counted


def test_backward_costs_twice_but_at_the_features(roofline):
    from workloads.work import Work

    work = Work(products=10, attention=4, scan=2, leaf=6, kept=5, features=3)
    assert (work.forward, work.training) == (16, 3 * 16 - 6)
    assert work.bytes == 4 * (2 * 5 + 3)
    assert (work + work).products == 20


def test_an_epoch_is_counted_timed_and_taken_apart(roofline, tmp_path, monkeypatch):
    from workloads import rates

    monkeypatch.setattr(rates, "LARGE", 16)
    monkeypatch.setattr(rates, "COPIED", 64)
    monkeypatch.setattr(rates, "best", lambda call, *_: call() is None or 0.5)
    out = tmp_path / "out"
    run(roofline, monkeypatch, "--clips", 4, "--repeats", 1, "--threads", "1", "--out", out)
    told = json.loads(out.with_suffix(".json").read_text())
    assert told["epoch_operations"] <= told["epoch_operations_as_padded"]
    shares = told["threads"]["1"]["shares"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["crossmodal"] > shares["other"]
    assert {"GRU", "self-attention", "optimizer", "collate", "clipping"} <= shares.keys()
    assert "| crossmodal |" in out.with_suffix(".md").read_text()
