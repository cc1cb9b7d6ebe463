"""benchmarks/baselines.py, on few clips: that it runs, not what it measures."""

import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def baselines(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import baselines

    return baselines


def test_an_epoch_of_a_baseline_is_timed_beside_its_peer(baselines, tmp_path, monkeypatch):
    out = tmp_path / "figures"
    few = ["x", "--only", "LMF", "--clips", "4", "--repeats", "1", "--system-memory"]
    monkeypatch.setattr("sys.argv", [*few, "--out", str(out)])
    baselines.main()
    row = json.loads(out.with_suffix(".json").read_text())["models"]["LMF"]
    assert row["padded"] > 0
    assert row["speech"] > 0
    assert "| LMF |" in out.with_suffix(".md").read_text()


def test_an_unknown_model_is_refused_before_anything_is_timed(baselines, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["x", "--only", "LMF,LFM"])
    with pytest.raises(SystemExit) as stopped:
        baselines.main()
    assert stopped.value.code == 2
    assert "no model LFM; there are LF-DNN, LMF" in capsys.readouterr().err
