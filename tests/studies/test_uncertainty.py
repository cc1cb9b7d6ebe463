"""studies/accuracy/uncertainty: its tables, from two small runs."""

import csv
import importlib.util
from pathlib import Path

import pytest
import yaml

SCRIPT = Path(__file__).parents[2] / "studies/accuracy/uncertainty.py"
GRID = {
    "seeds": [1, 2, 3],
    "data": {"controlled": {"data": "controlled", "data_options": {"clips": 60}, "epochs": 1}},
    "systems": {"pool": {"model": "AttentionPool", "loss": "distribution"}},
}


def test_runs_become_rows_and_means(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("uncertainty_script", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    config = tmp_path / "grid.yaml"
    config.write_text(yaml.safe_dump(GRID))
    arguments = ["--config", config, "--out", tmp_path, "--runs", tmp_path / "runs"]
    arguments += ["--seeds", "2", "--workers", "1"]
    monkeypatch.setattr("sys.argv", ["uncertainty.py", *map(str, arguments)])
    script.main()
    rows = list(csv.DictReader((tmp_path / "uncertainty.csv").read_text().splitlines()))
    assert [(row["system"], row["seed"]) for row in rows] == [("pool", "1"), ("pool", "2")]
    assert all(0 <= float(row["ece"]) <= 1 and float(row["mae"]) > 0 for row in rows)
    mean = sum(100 * float(row["ece"]) for row in rows) / 2
    page = (tmp_path / "uncertainty.md").read_text()
    (line,) = [line for line in page.splitlines() if line.startswith("| controlled")]
    assert line.split(" | ")[2] == "2"
    assert float(line.split(" | ")[8].split(" ±")[0]) == pytest.approx(mean, abs=0.06)
