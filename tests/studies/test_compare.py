"""The comparison of all systems: that it names every model, and that its grid can be read."""

import json
import runpy
from pathlib import Path

import pytest

from deadpan.benchmarking.grid import read_grid
from deadpan.models import MODELS

COMPARE = Path(__file__).parents[2] / "studies/compare/compare.yaml"


@pytest.mark.parametrize("full", [False, True])
def test_the_comparison_names_every_model(full):
    assert models_of(read_grid(COMPARE, only=["controlled"], full=full)) == set(MODELS)


@pytest.mark.parametrize("full", [False, True])
def test_all_of_the_comparison_can_be_read(full, shared):
    grid = read_grid(COMPARE, full=full)
    assert len(grid.data) == 4
    assert models_of(grid) == set(MODELS)


def models_of(grid):
    return {
        grid.settings_of(data, system, seed=1, fold=None).model
        for data in grid.data
        for system in grid.systems_of(data)
    }


def test_costs_are_of_all_seeds_and_stand_between_their_marks():
    def row(system, seeds, seconds):
        return {"system": system, "seeds": seeds, "seconds": seconds}

    tables = [
        {"data": "a", "rows": [row("ridge", 0, None), row("MulT", 5, 60.0), row("LMF", 5, 12.0)]},
        {"data": "b", "rows": [row("MulT", 3, 30.0)]},
    ]
    script = runpy.run_path(str(COMPARE.with_name("run.py")))
    text = script["with_costs"]("before\n<!-- costs -->\nold\n<!-- end -->\nafter\n", tables)
    assert text == (
        "before\n<!-- costs -->\n| system | a | b |\n|---|---:|---:|\n| MulT | 5.0 | 1.5 |\n"
        "| LMF | 1.0 |  |\n| **all** | **6** | **2** |\n<!-- end -->\nafter\n"
    )


def test_the_readme_shows_the_costs_of_the_tables():
    script = runpy.run_path(str(COMPARE.with_name("run.py")))
    text = COMPARE.with_name("README.md").read_text(encoding="utf-8")
    tables = json.loads(COMPARE.with_name("tables.json").read_text(encoding="utf-8"))
    assert text == script["with_costs"](text, tables)
