import pytest
import torch

from .scripts import run, script


@pytest.fixture
def gpu(monkeypatch):
    return script("gpu", monkeypatch)


def test_without_a_gpu_it_says_so_and_does_nothing(gpu, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    run(gpu, monkeypatch)
    assert capsys.readouterr().out == "no GPU here that torch can use: nothing was measured\n"


def test_what_it_would_measure_runs_on_a_cpu(gpu, monkeypatch):
    monkeypatch.setattr(gpu, "LAYERS", 1)
    steps = {"text": 2, "audio": 3, "vision": 4}
    clips = gpu.make_clips(3, steps, gpu.MOSEI.widths, spread=0.3)
    told = gpu.measure(torch.device("cpu"), clips, [2], 1, large=16, floats=64)
    assert len(told["rows"]) == 2 * 3 * 2  # systems, precisions, feeds
    ours = [row for row in told["rows"] if row["system"] == "HCT-MG"]
    assert all(row["times_floor"] > 0 for row in ours)
    assert all(row["clips_per_s"] > 0 for row in told["rows"])
    named = {"card": "a card", "machine": "a machine", "commit": "1", "compiled": False}
    page = gpu.markdown({**told, **named, "clips": 3, "repeats": 1})
    assert "| MulT d40 L4 | 2 | bf16 | from host |" in page
