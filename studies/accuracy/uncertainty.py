"""Train the grid of ``uncertainty.yaml`` and tabulate how right its uncertainty is.

    python studies/accuracy/uncertainty.py [--only controlled,mosi_text,...] [--workers N]

Writes uncertainty.csv, a row for each label of a run with its seed and commit, and uncertainty.md,
means over the labels and then the seeds. Emotions and classes have probabilities and no intervals.
A grid that is there goes on; finished runs are skipped.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grid_study import arguments_of, finished_runs, write_files

from deadpan.benchmarking.grid import Case
from deadpan.cli.output import run_script
from deadpan.training.opened import RunDirectory
from deadpan.training.uncertainty import LabelUncertainty

COLUMNS = {
    "held": "Held %",
    "held_weak": "weakest third %",
    "held_middle": "middle third %",
    "held_strong": "strongest third %",
    "width": "Width",
    "ece": "ECE",
    "mae": "MAE",
    "area": "MAE under abstention",
    "accuracy": "Acc",
    "area_accuracy": "Acc under abstention",
}
"""Columns of means, by their names in the CSV; a task has those of numbers or of categories."""
SHARES = ("held", "held_weak", "held_middle", "held_strong", "ece", "accuracy", "area_accuracy")
"""Columns that are shares, shown in %."""


def rows_of(cases: Sequence[Case], runs: Path) -> list[dict[str, Any]]:
    """A row for each label of each run; of classes one, for the class predicted."""
    rows = []
    for case in cases:
        run = RunDirectory(runs / case.directory)
        scores = run.scores()
        is_number = run.task().predicts_numbers
        for part in scores.uncertainty.labels:
            whole, *thirds = [row.covered for row in part.coverage] or [float("nan")] * 4
            known = {
                "held": whole,
                **dict(zip(("held_weak", "held_middle", "held_strong"), thirds, strict=True)),
                "width": part.coverage[0].width if part.coverage else float("nan"),
                "ece": part.ece,
                **errors_of(part, scores.rows[-1].metrics, is_number=is_number),
            }
            rows.append(
                {
                    "data": case.data,
                    "system": case.system,
                    "seed": case.settings.seed,
                    "clips": scores.clips,
                    "label": part.label,
                    **{name: known.get(name, float("nan")) for name in COLUMNS},
                    "commit": run.environment().commit_name,
                }
            )
    return rows


def errors_of(
    part: LabelUncertainty, metrics: Mapping[str, float], *, is_number: bool
) -> dict[str, float]:
    """Error or accuracy on all clips, and its mean over all shares of the surest ones."""
    if is_number:
        return {"mae": metrics.get(f"mae_{part.label}", metrics["mae"]), "area": part.area}
    whole = part.points[-1].value if part.points else float("nan")
    return {"accuracy": whole, "area_accuracy": part.area}


def table(rows: list[dict[str, Any]]) -> str:
    """Means and deviations over the seeds, as Markdown; no column that nothing fills."""
    columns = [name for name in COLUMNS if means_of_seeds(rows, name)]
    lines = [
        f"| Data | System | Seeds | {' | '.join(COLUMNS[name] for name in columns)} |",
        f"| --- | --- | ---: |{' ---: |' * len(columns)}",
    ]
    for data, system in dict.fromkeys((row["data"], row["system"]) for row in rows):
        own = [row for row in rows if (row["data"], row["system"]) == (data, system)]
        cells = []
        for name in columns:
            scale, digits = (100, 1) if name in SHARES else (1, 3)
            values = [scale * value for value in means_of_seeds(own, name)]
            spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.{digits}f}{spread}" if values else "–")
        seeds = len({row["seed"] for row in own})
        lines.append(f"| {data} | {system} | {seeds} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def means_of_seeds(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    """Mean of a column over the labels of each seed; none of a seed without a number.

    Where all clips are as certain there is no curve of abstention, and its area is NaN.
    """
    by_seed: dict[int, list[float]] = {}
    for row in rows:
        if not math.isnan(row[name]):
            by_seed.setdefault(row["seed"], []).append(row[name])
    return [statistics.mean(values) for values in by_seed.values()]


def text_of(rows: list[dict[str, Any]], only: Sequence[str]) -> str:
    """uncertainty.md."""
    return (
        "# 90 % intervals and probabilities, on the test split\n\n"
        f"`python studies/accuracy/uncertainty.py --only {','.join(only)}`; each run's seed and "
        "commit are in uncertainty.csv. Intervals were fitted on the validation split (split "
        "conformal). Held: share of test labels in their interval; thirds are of |label|. ECE: "
        "expected calibration error of the probability of a positive label, or that an emotion is "
        "present. MAE and Acc under abstention: mean of the errors, or of the accuracies, over all "
        "shares of surest clips that may be kept. Emotions have no intervals; their cells are "
        "means over the emotions.\n\n" + table(rows)
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
