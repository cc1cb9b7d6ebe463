"""studies/accuracy/factors: its grid, its effects, its tables and figure from small runs."""

import csv
import dataclasses
import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest
import yaml

from deadpan.benchmarking.evidence import Evidence, MeasuredRun
from deadpan.benchmarking.grid import read_grid
from deadpan.training.predictions import Predictions

SCRIPT = Path(__file__).parents[2] / "studies/accuracy/factors.py"
SIZES = {"width": 4, "heads": 1, "layers": 1}
GRID = {
    "seeds": [1, 2],
    "against": "flat: none",
    "settings": {"epochs": 1},
    "data": {"controlled": {"data": "controlled", "data_options": {"clips": 20}}},
    "systems": {
        "flat: none": {"model": "MulT", "model_options": SIZES},
        "flat: GRU": {"model": "MulT", "model_options": {**SIZES, "reader": "gru"}},
        "gate per corpus: GRU": {"model": "HCTMG", "model_options": SIZES},
    },
}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("factors_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_grid_has_every_cell_of_the_design(script):
    grid = read_grid(SCRIPT.with_suffix(".yaml"), only=["controlled"])
    cells = {f"{s}: {r}" for s, r in itertools.product(script.STRUCTURES, script.READERS)}
    assert set(grid.systems) == cells
    made = {name: grid.settings_of("controlled", name, seed=1, fold=None) for name in cells}
    for name, settings in made.items():
        assert settings.model_options["reader"] == name.split(": ")[1].lower()
        sizes = settings.model_options["width"], settings.model_options["layers"]
        assert (*sizes, settings.patience) == (40, 2, 12)


def test_runs_become_tables_and_a_figure(script, tmp_path, monkeypatch):
    config = tmp_path / "grid.yaml"
    config.write_text(yaml.safe_dump(GRID))
    arguments = ["--config", config, "--out", tmp_path, "--runs", tmp_path / "runs"]
    monkeypatch.setattr("sys.argv", ["factors.py", *map(str, arguments), "--workers", "1"])
    script.main()
    rows = list(csv.DictReader((tmp_path / "factors.csv").read_text().splitlines()))
    assert len(rows) == 6
    own = [float(row["mae"]) for row in rows if row["structure"] == "gate per corpus"]
    page = (tmp_path / "factors.md").read_text()
    assert f"| gate per corpus |  | {np.mean(own):.3f} ± {np.std(own, ddof=1):.3f} |" in page
    assert "| reader: flat: GRU instead of flat: none |" in page
    assert (tmp_path / "factors.png").read_bytes()[:4] == b"\x89PNG"


def test_systems_that_get_signs_wrong_are_seen(script, tmp_path):
    predictions = Predictions(
        ids=("a", "b", "c"),
        words=("",) * 3,
        kinds=("congruent", "majority", "majority"),
        labels=("sentiment",),
        truth=np.array([[1.0], [-2.0], [0.0]]),
        predicted=np.array([[0.5], [1.0], [1.0]]),
    )
    columns = script._columns(predictions)
    assert list(columns["kind"]) == ["congruent", "majority", "majority"]
    assert columns["error"] == pytest.approx([0.5, 3.0, 1.0])
    assert columns["flip"] == pytest.approx([0, 1, np.nan], nan_ok=True)
    real = dataclasses.replace(predictions, kinds=("",) * 3)
    assert set(script._columns(real)) == {"error"}


def made_up(errors):
    """Runs of four seeds whose clips have about these errors, by system."""
    random = np.random.default_rng(0)
    return Evidence(
        runs={
            ("d", system): {
                seed: MeasuredRun(
                    seed=seed,
                    columns={"error": error + random.uniform(0, 0.01, 30)},
                    valid_loss=error,
                    constant_error=2.0,
                )
                for seed in range(4)
            }
            for system, error in errors.items()
        }
    )


def test_each_effect_changes_one_factor(script):
    errors = {f"{s}: {r}": 1.0 for s, r in itertools.product(script.STRUCTURES, script.READERS)}
    errors |= {"flat: GRU": 0.8, "audio first: none": 0.9, "gate per clip: GRU": 0.5}
    found = {x.test: x.interval.estimate for x in script.effects(made_up(errors), "d")}
    assert len(found) == 6 + 2 * 3
    assert found["reader: flat: GRU instead of flat: none"] == pytest.approx(0.2, abs=0.01)
    # The fixed primary is the best on validation.
    assert found["hierarchy: audio first: none instead of flat: none"] == pytest.approx(
        0.1, abs=0.01
    )
    key = "gate: gate per clip: GRU instead of gate per corpus: GRU"
    assert found[key] == pytest.approx(0.5, abs=0.01)


def test_a_system_that_learned_nothing_is_named(script):
    evidence = made_up({"flat: GRU": 0.8, "flat: none": 1.99})
    (finding,) = script.effects(evidence, "d")
    assert "flat: none has learned nothing here" in finding.missing
    assert finding.missing in script.table(evidence, "d", [finding])
