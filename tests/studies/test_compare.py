"""The comparison of all systems: that it names every model, and that its grid can be read."""

from pathlib import Path

from deadpan.benchmarking.grid import read_grid
from deadpan.models import MODELS

COMPARE = Path(__file__).parents[2] / "studies/compare/compare.yaml"


def test_the_comparison_names_every_model():
    for full in (False, True):
        grid = read_grid(COMPARE, full=full)
        used = {
            grid.settings_of(data, system, seed=1, fold=None).model
            for data in grid.data
            for system in grid.systems_of(data)
        }
        assert used == set(MODELS)
