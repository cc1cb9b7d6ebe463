"""Runs the grid of a folder in a process that is killed at a word of a run; goes on if it was.

``python -m tests.benchmarking.killed_grid FOLDER WORD``: at the first WORD, ``step`` or ``end``.
"""

import sys
from pathlib import Path

from deadpan.benchmarking.grid import read_grid
from deadpan.benchmarking.run import run_grid

from .small_grid import KilledAt

if __name__ == "__main__":
    folder, word = Path(sys.argv[1]), sys.argv[2]
    out = folder / "out"
    grid = read_grid(folder / "grid.yaml")
    run_grid(grid, out, workers=2, resume=out.exists(), watch=KilledAt(word))
