"""Train the grid of ``kernels.yaml`` with the C kernels and by torch alone, and compare both.

    python studies/accuracy/kernels.py [--workers N]

Writes kernels.csv, a row a run with its seed and commit, and kernels.md, means over the seeds with
their difference. A grid that is there goes on; finished runs are skipped.
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from grid_study import StudyRuns, arguments_of, finished_runs, write_files

from deadpan.cli.output import run_script
from deadpan.errors import DeadpanError
from deadpan.layers.native.library import SWITCH, kernels, library
from deadpan.training.opened import RunDirectory

C, TORCH = "C", "torch"
METRICS = {
    "mae": ("MAE", 1, 3),
    "corr": ("Corr", 1, 3),
    "acc7": ("Acc-7, %", 100, 1),
    "acc2_non0": ("Acc-2 non0, %", 100, 1),
    "seconds": ("training, s, one thread", 1, 0),
}
"""Columns that are compared: title, scale and digits."""

Row = dict[str, Any]


def rows_of(runs: StudyRuns, computed_by: str) -> list[Row]:
    """A row for each run."""
    rows: list[Row] = []
    for case in runs.cases:
        run = RunDirectory(runs.places / case.directory)
        facts, gate, scores = run.environment(), run.gate(), run.scores().rows[-1]
        if facts.native != (computed_by == C):
            raise DeadpanError(
                f"{run.path}: was not computed by {computed_by}; remove {runs.folder}"
            )
        primary = gate.primary if gate else ""
        row = {"kernels": computed_by, "seed": case.settings.seed, "primary": primary}
        row |= {name: scores.metrics[name] for name in METRICS if name != "seconds"}
        seconds = float(sum(run.epochs().seconds))
        rows.append(row | {"seconds": seconds, "commit": facts.commit_name})
    return rows


def with_runs(arguments: argparse.Namespace, computed_by: str) -> argparse.Namespace:
    """The options of one of the two grids, whose runs stand beside those of other studies."""
    runs = arguments.runs.with_name(f"{arguments.runs.name}_{computed_by}")
    return argparse.Namespace(**vars(arguments) | {"runs": runs})


def by_torch(arguments: argparse.Namespace) -> StudyRuns:
    """The runs of torch alone: in a process of its own, as the library is loaded once."""
    command = [sys.executable, __file__, *sys.argv[1:]]
    if subprocess.run(command, env=os.environ | {SWITCH: "0"}).returncode:
        raise DeadpanError("runs by torch gave no result, see above; there is nothing to compare")
    return finished_runs(with_runs(arguments, TORCH))


def compared(rows: Sequence[Row]) -> str:
    """The table of kernels.md."""
    of = {name: [row for row in rows if row["kernels"] == name] for name in (TORCH, C)}
    seeds = sorted({row["seed"] for row in of[C]} & {row["seed"] for row in of[TORCH]})
    lines = ["|  | torch | C | difference |", "|---|---:|---:|---:|"]
    for name, (title, scale, digits) in METRICS.items():
        value = {key: {r["seed"]: scale * r[name] for r in own} for key, own in of.items()}
        apart = [value[C][seed] - value[TORCH][seed] for seed in seeds]
        cells = [_spread(list(value[key].values()), digits) for key in (TORCH, C)]
        cells.append(_spread(apart, digits, sign="+", over=math.sqrt(len(apart))))
        lines.append(f"| {title} | {' | '.join(cells)} |")
    ended = {key: Counter(row["primary"] for row in own) for key, own in of.items()}
    texts = [", ".join(f"{name} {n}" for name, n in ended[key].most_common()) for key in (TORCH, C)]
    return "\n".join([*lines, f"| primary at the end, runs | {texts[0]} | {texts[1]} |  |"]) + "\n"


def _spread(values: Sequence[float], digits: int, *, sign: str = "", over: float = 1) -> str:
    spread = f" ± {statistics.stdev(values) / over:.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):{sign}.{digits}f}{spread}"


def text_of(rows: Sequence[Row]) -> str:
    """kernels.md."""
    seeds = ", ".join(str(row["seed"]) for row in rows if row["kernels"] == C)
    return (
        "# Scores with the C kernels and by torch alone\n\n"
        "`python studies/accuracy/kernels.py`; each run's commit is in kernels.csv. HCT-MG on "
        f"`controlled`, seeds {seeds}. Mean ± standard deviation over seeds; the last column is "
        "the mean difference of C from torch, by seed, ± its standard error.\n\n"
        + compared(rows)
        + "\n`tests/layers/native` and `tests/parity` hold the C to the layer written out, to "
        "torch's GRU and to slow references in numpy: outputs and gradients to rounding, dropout "
        "to its rate and its independence from place to place. A seed draws other masks in C, so "
        "its two runs share their weights at the start and their batches, no more.\n"
    )


def main() -> None:
    arguments = arguments_of(__doc__.splitlines()[0], "kernels")
    if os.environ.get(SWITCH) == "0":
        finished_runs(with_runs(arguments, TORCH)).refuse_failures()
        return
    if library() is None:
        raise SystemExit(f"no C kernels to compare with: {kernels()}")
    torch, own = by_torch(arguments), finished_runs(with_runs(arguments, C))
    rows = rows_of(torch, TORCH) + rows_of(own, C)
    write_files(arguments.out, "kernels", rows, text_of(rows) + torch.notes + own.notes)
    own.refuse_failures()


if __name__ == "__main__":
    run_script("studies/accuracy/kernels.py", main)
