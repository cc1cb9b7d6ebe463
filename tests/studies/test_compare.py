"""The comparison of all systems: that it names every model, and that its grid can be read."""

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
