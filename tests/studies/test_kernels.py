"""studies/accuracy/kernels: its table, from small runs with the C kernels and by torch."""

import csv
import importlib.util
import statistics
from pathlib import Path

import pytest
import yaml

from deadpan.layers.native.library import SWITCH, library

SCRIPT = Path(__file__).parents[2] / "studies/accuracy/kernels.py"
SIZES = {"width": 4, "heads": 1, "layers": 1}
GRID = {
    "seeds": [1, 2],
    "data": {"controlled": {"data": "controlled", "data_options": {"clips": 20}, "epochs": 1}},
    "systems": {"HCT-MG": {"model": "HCTMG", "model_options": SIZES}},
}


@pytest.fixture
def script(monkeypatch):
    monkeypatch.delenv(SWITCH, raising=False)
    spec = importlib.util.spec_from_file_location("kernels_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(library() is None, reason="the C kernels are not used here")
def test_both_ways_to_compute_become_rows_and_their_difference(script, tmp_path, monkeypatch):
    config = tmp_path / "kernels.yaml"
    config.write_text(yaml.safe_dump(GRID))
    options = ["--config", config, "--out", tmp_path, "--runs", tmp_path / "runs"]
    monkeypatch.setattr("sys.argv", ["kernels.py", *map(str, options), "--workers", "1"])
    script.main()
    rows = list(csv.DictReader((tmp_path / "kernels.csv").read_text().splitlines()))
    assert [(row["kernels"], row["seed"]) for row in rows] == [
        *(("torch", "1"), ("torch", "2"), ("C", "1"), ("C", "2"))
    ]
    maes = [float(row["mae"]) for row in rows]
    apart = statistics.mean((maes[2] - maes[0], maes[3] - maes[1]))
    page = (tmp_path / "kernels.md").read_text()
    (line,) = [line for line in page.splitlines() if line.startswith("| MAE")]
    assert f"| {apart:+.3f} ±" in line
    assert "| primary at the end, runs |" in page


def test_without_kernels_there_is_nothing_to_compare(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script, "library", lambda: None)
    monkeypatch.setattr("sys.argv", ["kernels.py", "--runs", str(tmp_path / "runs")])
    with pytest.raises(SystemExit, match="no C kernels to compare with"):
        script.main()
    assert not (tmp_path / "runs").exists()
