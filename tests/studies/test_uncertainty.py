"""studies/accuracy/uncertainty: its tables, from two small runs."""

import csv
import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from deadpan.benchmarking.grid import read_grid
from deadpan.training.settings import read_configuration
from tests.training.test_scoring import pickled

SCRIPT = Path(__file__).parents[2] / "studies/accuracy/uncertainty.py"
GRID = {
    "seeds": [1, 2, 3],
    "data": {"controlled": {"data": "controlled", "data_options": {"clips": 60}, "epochs": 1}},
    "systems": {"pool": {"model": "AttentionPool", "loss": "distribution"}},
}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("uncertainty_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def studied(script, grid, folder, monkeypatch):
    """The rows and the lines of a grid's files."""
    config = folder / "grid.yaml"
    config.write_text(yaml.safe_dump(grid))
    arguments = ["--config", config, "--out", folder, "--runs", folder / "runs"]
    arguments += ["--seeds", "2", "--workers", "1", "--only", ",".join(grid["data"])]
    monkeypatch.setattr("sys.argv", ["uncertainty.py", *map(str, arguments)])
    script.main()
    rows = list(csv.DictReader((folder / "uncertainty.csv").read_text().splitlines()))
    return rows, (folder / "uncertainty.md").read_text().splitlines()


def test_the_grid_has_what_is_recommended_and_the_recipe_of_options():
    file, rated = SCRIPT.with_suffix(".yaml"), "AttentionPool, rated sentences first"
    grid = read_grid(file, only=["controlled"])
    wanted = read_configuration("recommended")
    settings = grid.settings_of("controlled", "recommended", seed=0, fold=None).to_dict()
    assert {**settings, **wanted, "model_options": settings["model_options"]} == settings
    assert settings["model_options"].items() >= wanted["model_options"].items()
    mine, options = (yaml.safe_load(f.read_text()) for f in (file, SCRIPT.parent / "options.yaml"))
    theirs = options["systems"][rated]
    recipe = {key: x for key, x in theirs.items() if key not in ("only", "per_data")}
    recipe |= theirs["per_data"]["mosi_mpnet"]
    assert mine["systems"][rated] == {**recipe, "only": ["mosi_mpnet"]}
    assert "recommended" in mine["systems"]
    for name in ("mosi_mpnet", "ravdess4"):
        assert mine["data"][name] == options["data"][name]
    for system in mine["systems"].values():  # a distribution is of numbers
        assert ("ravdess4" not in system.get("only", ["ravdess4"])) == ("loss" in system)


def test_emotions_have_probabilities_and_no_intervals(script, tmp_path, monkeypatch):
    file = pickled(tmp_path / "data.pkl", emotions=True)
    grid = {
        "seeds": [1, 2],
        "data": {"some": {"data": str(file), "epochs": 1}},
        "systems": {"pool": {"model": "AttentionPool"}},
    }
    rows, page = studied(script, grid, tmp_path, monkeypatch)
    assert len(rows) == 2 * 4
    assert {row["held"] for row in rows} | {row["mae"] for row in rows} == {"nan"}
    heads = next(line for line in page if line.startswith("| Data"))
    assert heads == "| Data | System | Seeds | ECE | Acc | Acc under abstention |"
    (line,) = [line for line in page if line.startswith("| some")]
    cells = line.strip("| ").split(" | ")
    assert cells[2] == "2"
    for cell, name in zip(cells[3:], ("ece", "accuracy", "area_accuracy"), strict=True):
        mean = np.mean([100 * float(row[name]) for row in rows])
        assert float(cell.split(" ±")[0]) == pytest.approx(mean, abs=0.06)


def test_a_column_is_the_mean_of_the_labels_of_each_seed_and_leaves_out_what_is_not_known(script):
    rows = [
        {"seed": seed, "ece": ece} for seed, ece in ((1, 0.1), (1, 0.3), (2, math.nan), (2, 0.5))
    ]
    assert script.means_of_seeds(rows, "ece") == pytest.approx([0.2, 0.5])


def test_runs_become_rows_and_means(script, tmp_path, monkeypatch):
    rows, lines = studied(script, GRID, tmp_path, monkeypatch)
    assert [(row["system"], row["seed"]) for row in rows] == [("pool", "1"), ("pool", "2")]
    assert all(0 <= float(row["ece"]) <= 1 and float(row["mae"]) > 0 for row in rows)
    mean = sum(100 * float(row["ece"]) for row in rows) / 2
    (line,) = [line for line in lines if line.startswith("| controlled")]
    assert line.split(" | ")[2] == "2"
    assert float(line.split(" | ")[8].split(" ±")[0]) == pytest.approx(mean, abs=0.06)
