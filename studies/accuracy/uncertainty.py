"""Train the grid of ``uncertainty.yaml`` and tabulate how right its uncertainty is.

    python studies/accuracy/uncertainty.py [--only controlled,mosi_text] [--workers N]

Writes uncertainty.csv, a row a run with its seed and commit, and uncertainty.md, means over the
seeds. A grid that is there goes on; finished runs are skipped.
"""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grid_study import arguments_of, finished_runs, write_files

from deadpan.benchmarking.grid import Case
from deadpan.cli.output import run_script
from deadpan.training.opened import RunDirectory

COLUMNS = {
    "held": "Held %",
    "held_weak": "weakest third %",
    "held_middle": "middle third %",
    "held_strong": "strongest third %",
    "width": "Width",
    "ece": "ECE",
    "mae": "MAE",
    "area": "MAE under abstention",
}
PERCENT = ("held", "held_weak", "held_middle", "held_strong", "ece")


def rows_of(cases: Sequence[Case], runs: Path) -> list[dict[str, Any]]:
    """A row for each run."""
    rows = []
    for case in cases:
        run = RunDirectory(runs / case.directory)
        scores = run.scores()
        (part,) = scores.uncertainty.labels
        whole, *thirds = [row.covered for row in part.coverage] or [float("nan")] * 4
        rows.append(
            {
                "data": case.data,
                "system": case.system,
                "seed": case.settings.seed,
                "clips": scores.clips,
                "held": whole,
                **dict(zip(("held_weak", "held_middle", "held_strong"), thirds, strict=True)),
                "width": part.coverage[0].width if part.coverage else float("nan"),
                "ece": part.ece,
                "mae": scores.rows[-1].metrics["mae"],
                "area": part.area,
                "commit": run.environment().commit_name,
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Means and deviations over the seeds, as Markdown."""
    lines = [
        f"| Data | System | Seeds | {' | '.join(COLUMNS.values())} |",
        f"| --- | --- | ---: |{' ---: |' * len(COLUMNS)}",
    ]
    for data, system in dict.fromkeys((row["data"], row["system"]) for row in rows):
        own = [row for row in rows if (row["data"], row["system"]) == (data, system)]
        cells = []
        for name in COLUMNS:
            scale, digits = (100, 1) if name in PERCENT else (1, 3)
            # Where all clips are as certain there is no curve of abstention, and its area is NaN.
            values = [scale * row[name] for row in own if not math.isnan(row[name])]
            spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.{digits}f}{spread}" if values else "–")
        lines.append(f"| {data} | {system} | {len(own)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def text_of(rows: list[dict[str, Any]], only: Sequence[str]) -> str:
    """uncertainty.md."""
    return (
        "# 90 % intervals and probabilities of a sign, on the test split\n\n"
        f"`python studies/accuracy/uncertainty.py --only {','.join(only)}`; each run's seed and "
        "commit are in uncertainty.csv. Intervals were fitted on the validation split (split "
        "conformal). Held: share of test labels in their interval; thirds are of |label|. ECE: "
        "expected calibration error of the probability of a positive label. MAE under abstention: "
        "mean of the errors over all shares of surest clips that may be kept.\n\n" + table(rows)
    )


def main() -> None:
    arguments = arguments_of(__doc__.splitlines()[0], "uncertainty")
    runs = finished_runs(arguments)
    rows = rows_of(runs.cases, runs.places)
    text = text_of(rows, arguments.only) + runs.notes
    write_files(arguments.out, "uncertainty", rows, text)
    runs.refuse_failures()


if __name__ == "__main__":
    run_script("studies/accuracy/uncertainty.py", main)
