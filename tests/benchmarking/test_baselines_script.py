"""benchmarks/baselines.py, on few clips: that it runs, not what it measures."""

import json

import pytest

from .scripts import run, script


@pytest.fixture
def baselines(monkeypatch):
    return script("baselines", monkeypatch)


def test_an_epoch_of_a_baseline_is_timed_beside_its_peer(baselines, tmp_path, monkeypatch):
    out = tmp_path / "figures"
    few = ["--only", "LMF", "--clips", "4", "--repeats", "1", "--system-memory"]
    run(baselines, monkeypatch, *few, "--out", out)
    row = json.loads(out.with_suffix(".json").read_text())["models"]["LMF"]
    assert row["padded"] > 0
    assert row["speech"] > 0
    assert "| LMF |" in out.with_suffix(".md").read_text()


def test_an_unknown_model_is_refused_before_anything_is_timed(baselines, monkeypatch, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(baselines, monkeypatch, "--only", "LMF,LFM")
    assert stopped.value.code == 2
    assert "no model LFM; there are LF-DNN, LMF" in capsys.readouterr().err
