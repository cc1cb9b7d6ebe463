"""studies/accuracy/kernels: its table, from small runs with the C kernels and by torch."""

import csv
import os
import statistics
import subprocess
import sys
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


@pytest.mark.skipif(library() is None, reason="the C kernels are not used here")
def test_both_ways_to_compute_become_rows_and_their_difference(tmp_path):
    config = tmp_path / "grid.yaml"
    config.write_text(yaml.safe_dump(GRID))
    options = ["--config", config, "--out", tmp_path, "--runs", tmp_path / "runs" / "kernels"]
    environment = {name: value for name, value in os.environ.items() if name != SWITCH}
    subprocess.run(
        [sys.executable, SCRIPT, *options, "--workers", "1"], env=environment, check=True
    )
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


def test_without_kernels_there_is_nothing_to_compare(tmp_path):
    code = (
        f"import runpy, sys; sys.path.insert(0, {str(SCRIPT.parent)!r}); "
        "import deadpan.layers.native.library as native; native.library = lambda: None; "
        f"sys.argv = ['kernels.py', '--runs', {str(tmp_path / 'runs')!r}]; "
        f"runpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    )
    environment = {name: value for name, value in os.environ.items() if name != SWITCH}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "no C kernels to compare with" in done.stderr
    assert not (tmp_path / "runs").exists()
