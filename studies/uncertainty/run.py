"""Train the grid of ``uncertainty.yaml`` and tabulate how right its uncertainty is.

``python studies/uncertainty/run.py``: writes uncertainty.csv, a row a run with its seed and commit,
and uncertainty.md, means over the seeds. A grid that is there goes on; finished runs are skipped.
"""

import argparse
import csv
import math
import statistics
from pathlib import Path
from typing import Any

import deadpan
from deadpan.benchmarking.grid import read_grid
from deadpan.training.opened import RunDirectory

HERE = Path(__file__).parent
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


def rows_of(config: Path, only: list[str], out: Path) -> list[dict[str, Any]]:
    """A row for each scored run of the grid in ``out``."""
    grid = read_grid(config, only=only)
    folds = {name: grid.folds_of(name) for name in grid.data}
    rows = []
    for case in grid.cases(folds, {}):
        run = RunDirectory(out / "runs" / case.directory)
        if not run.evaluated:
            continue
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", default="controlled", help="data sets, as in controlled,mosi_text"
    )
    parser.add_argument("--config", type=Path, default=HERE / "uncertainty.yaml")
    parser.add_argument("--out", type=Path, default=HERE, help="where the tables are written")
    parser.add_argument("--runs", type=Path, default=HERE.parents[1] / "runs" / "uncertainty")
    parser.add_argument("--ray", help="a Ray cluster to run on: auto, or HOST:PORT")
    arguments = parser.parse_args()
    only = arguments.only.split(",")
    deadpan.benchmark(
        arguments.config,
        out=arguments.runs,
        ray=arguments.ray,
        only=only,
        resume=arguments.runs.exists(),
    )
    rows = rows_of(arguments.config, only, arguments.runs)
    with (arguments.out / "uncertainty.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    text = (
        "# 90 % intervals and probabilities of a sign, on the test split\n\n"
        f"`python studies/uncertainty/run.py --only {arguments.only}`; each run's seed and commit "
        "are in uncertainty.csv. Intervals were fitted on the validation split (split conformal). "
        "Held: share of test labels in their interval; thirds are of |label|. ECE: expected "
        "calibration error of the probability of a positive label. MAE under abstention: mean of "
        "the errors over all shares of surest clips that may be kept.\n\n" + table(rows)
    )
    (arguments.out / "uncertainty.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
