"""studies/accuracy/kinds.py: its grids, its table from small runs."""

import csv
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from deadpan.benchmarking.grid import read_grid
from tests.training.tiny import DATA

SCRIPT = Path(__file__).parents[2] / "studies/accuracy/kinds.py"
MIXED = DATA | {"clips": 60, "incongruity": 0.6}
TINY = {
    "seeds": [1, 2],
    "data": {"easy": {"data": "controlled", "data_options": MIXED, "epochs": 1}},
    "systems": {
        "HCT-MG": {"model": "AttentionPool"},
        "other": {"model": "AttentionPool", "learning_rate": 0.1},
    },
}


@pytest.fixture(scope="module")
def kinds():
    spec = importlib.util.spec_from_file_location("error_by_kind", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_family_reads_clips_in_which_no_modality_is_enough():
    grid = read_grid(SCRIPT.with_name("families.yaml"))
    settings = grid.settings_of("easy", "HCT-MG", seed=1, fold=None)
    assert settings.data_options["incongruity"] == 1
    assert settings.data_options["decoys"] == 0
    models = {grid.settings_of("easy", s, seed=1, fold=None).model for s in grid.systems}
    assert models == {"HCTMG", "MulT", "LFLSTM", "AttentionPool"}


def test_small_runs_become_a_table(kinds, tmp_path, monkeypatch):
    config, out = tmp_path / "families.yaml", tmp_path / "out"
    config.write_text(yaml.safe_dump(TINY), encoding="utf-8")
    out.mkdir()
    monkeypatch.setattr(kinds, "HERE", tmp_path)
    monkeypatch.setattr(kinds, "REACHED", {"easy": 100})
    arguments = ["kinds", "--grids", "families", "--runs", str(tmp_path), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", [*arguments, "--workers", "1"])
    kinds.main()
    with (out / "kinds.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["system"] for row in rows} == {"0 for every clip", "HCT-MG", "other"}

    def mae(kind, system="HCT-MG"):
        return np.array(
            [float(r["mae"]) for r in rows if (r["kind"], r["system"]) == (kind, system)]
        )

    clips = {row["kind"]: int(row["clips"]) for row in rows}
    every = ("congruent", "single", "majority", "combination")
    parts = {kind: clips.get(kind, 0) for kind in every}
    assert sum(parts.values()) == clips["all"]
    total = sum(count * mae(kind) for kind, count in parts.items() if count)
    np.testing.assert_allclose(total / clips["all"], mae("all"))
    share = 100 * np.mean(1 - mae("incongruent", "other") / mae("incongruent"))
    line, _ = [x for x in (out / "kinds.md").read_text().splitlines() if x.startswith("| other")]
    assert f"| {share:.1f} % (" in line
    assert (out / "kinds.md").read_text().count(" % | yes |") == 2
    assert (out / "kinds.png").stat().st_size > 1000


def test_an_unknown_grid_is_named(kinds, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["kinds", "--grids", "x"])
    with pytest.raises(SystemExit) as error:
        kinds.main()
    assert error.value.code == 2
    assert "no such grid: x; there are options, families" in capsys.readouterr().err


def test_a_system_reaches_the_stated_error_on_every_kind_or_does_not(kinds):
    def rows(system, seed, majority, combination):
        errors = {"majority": majority, "combination": combination}
        return [{"system": system, "seed": seed, "kind": k, "mae": x} for k, x in errors.items()]

    each = [
        *rows(kinds.ZERO, "", 2.0, 1.0),
        *(*rows("reads", 1, 1.0, 0.7), *rows("reads", 2, 1.0, 0.8)),
        *rows("reads one kind", 1, 0.2, 0.76),
    ]
    assert kinds.reached(each, 0.75).splitlines()[2:] == [
        "| system | majority | combination | reached |",
        "| --- | ---: | ---: | ---: |",
        "| reads | 50 % | 75 % | yes |",
        "| reads one kind | 10 % | 76 % | no |",
    ]


def test_the_easy_setting_has_a_stated_error_below_a_guess(kinds):
    bounds = kinds.REACHED
    assert bounds.keys() == read_grid(SCRIPT.with_name("families.yaml")).data.keys()
    assert all(0 < bound < 1 for bound in bounds.values())
