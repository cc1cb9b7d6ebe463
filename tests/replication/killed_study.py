"""Runs the study of a folder in a process that is killed when its first run is measured.

``python -m tests.replication.killed_study FOLDER``
"""

import sys
from pathlib import Path

from deadpan.replication.plan import read_plan
from deadpan.replication.study import run_study

from ..benchmark.small_grid import KilledAt

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    run_study(
        read_plan(folder / "claims.yaml"),
        folder / "out",
        workers=1,
        resume=False,
        command="a command",
        watch=KilledAt("end"),
    )
