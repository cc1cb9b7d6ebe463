"""studies/accuracy: the cases of each data set, and its tables from one small run."""

import csv
import importlib.util
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from deadpan.cli import main

SCRIPT = Path(__file__).parents[2] / "studies/accuracy/run.py"
TINY = ("--data", "controlled", "--data_options.clips=24", "--epochs", "1", "--model.width", "8",
        "--model.heads", "2", "--model.layers", "1")  # fmt: skip


@pytest.fixture
def accuracy():
    spec = importlib.util.spec_from_file_location("accuracy_run", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("name", "count"), [("mosi_text", 5), ("controlled", 12), ("gate", 60)])
def test_a_study_has_a_run_per_system_and_seed(accuracy, name, count):
    cases = list(accuracy.STUDIES[name]())
    assert len({(system, seed) for system, seed, _ in cases}) == len(cases) == count


def test_one_run_becomes_the_rows_and_the_summary(accuracy, tmp_path, monkeypatch):
    def small():
        """Three parts."""
        yield "HCTMG", 1, TINY

    monkeypatch.setattr(accuracy, "STUDIES", {"small": small})
    monkeypatch.setattr(accuracy, "HERE", tmp_path)
    monkeypatch.setattr(accuracy, "RUNS", tmp_path / "runs")
    # In this process: two fewer imports of torch.
    done = lambda step, **_: subprocess.CompletedProcess(step, main(step[1:]), "", "")  # noqa: E731
    monkeypatch.setattr(accuracy, "subprocess", SimpleNamespace(run=done))
    monkeypatch.setattr("sys.argv", ["run.py", "small"])
    accuracy.main()
    rows = list(csv.DictReader((tmp_path / "small.csv").read_text().splitlines()))
    baselines = ["train mean", "ridge", "ridge on deviations"]
    assert [row["system"] for row in rows] == [*baselines, "HCTMG"]
    ours = rows[-1]
    assert ours["command"].startswith("deadpan train --data controlled")
    weights = [float(ours[f"weight_{name}"]) for name in ("text", "audio", "vision")]
    assert sum(weights) == pytest.approx(1, abs=1e-3)
    assert ours["commit"] and float(ours["mae"]) > 0
    page = (tmp_path / "small.md").read_text()
    assert page.startswith("# small: Three parts.\n")
    assert f"| HCTMG | 1 | {ours['primary']} 1 | {float(ours['mae']):.3f} ± 0.000 |" in page
