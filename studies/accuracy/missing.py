"""Train the grid of ``missing.yaml`` and score its runs on test clips that lack something.

    python studies/accuracy/missing.py [--only controlled,ravdess4] [--workers N]

Clips lack whole modalities (each non-empty subset is scored), or a share of the steps of every
modality. Writes missing.csv, a row for each run and condition with the run's seed and commit;
missing.md, means over the seeds; and missing.svg and .png. A grid that is there goes on; finished
runs are skipped.
"""

import dataclasses
import statistics
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from grid_study import arguments_of, finished_runs, write_files

from deadpan.analysis.contributions import subset_outputs
from deadpan.benchmarking.grid import Case
from deadpan.cli.output import run_script
from deadpan.data.dataset import Clip
from deadpan.models.base import Model
from deadpan.show.drawing import MUTED, picture, series_looks
from deadpan.tasks import MetricColumn
from deadpan.training.evaluation import labels_of, predict_clips
from deadpan.training.opened import open_run
from deadpan.types import in_order

RATES = tuple(tenth / 10 for tenth in range(10))
CONSTANT = ""
"""Condition of the constant prediction, which reads no clip."""

Row = dict[str, Any]
Columns = Mapping[str, MetricColumn]
"""The metric that tables and figures show of each data set; missing.csv holds all of them."""


def thinned(clip: Clip, rate: float) -> Clip:
    """The clip without a share of its steps, each dropped by itself; one always remains.

    The draw is a function of the clip and the rate, and so the same for every system and seed.
    Words and times, which belong to the steps of the whole clip, are left out.
    """
    random = np.random.default_rng((zlib.crc32(clip.id.encode()), round(100 * rate)))
    draws = {name: random.random(len(clip.sequences[name])) for name in in_order(clip.sequences)}
    # The step with the highest draw would be dropped last.
    threshold = min(rate, max(draw.max() for draw in draws.values()))
    steps = {name: clip.sequences[name][draw >= threshold] for name, draw in draws.items()}
    present = {name: x for name, x in steps.items() if len(x)}
    return Clip(id=clip.id, sequences=present, label=clip.label, group=clip.group)


def conditions(model: Model, clips: Sequence[Clip]) -> Iterator[tuple[str, float, np.ndarray]]:
    """Modalities, rate of missing steps, and the model's outputs under this condition."""
    for subset, outputs in subset_outputs(model, clips).items():
        if subset:
            yield "+".join(in_order(subset)), 0.0, outputs
    for rate in RATES[1:]:
        outputs = predict_clips(model, [thinned(clip, rate) for clip in clips], model.widths)
        yield "+".join(model.modalities), rate, outputs


def rows_of(cases: Sequence[Case], runs: Path) -> tuple[list[Row], Columns]:
    """A row for each run and condition, with all metrics, and one for each constant prediction."""
    rows: list[Row] = []
    columns: dict[str, MetricColumn] = {}
    for number, case in enumerate(cases, start=1):
        print(f"{number}/{len(cases)} scoring {case.name}", flush=True)
        run = open_run(runs / case.directory)
        clips = run.data["test"]
        labels = labels_of(clips)
        if case.data not in columns:
            columns[case.data] = run.task.columns[0]
            name = run.task.constant_name
            (scored,) = [row for row in run.files.scores().rows if row.system == name]
            row = {"data": case.data, "system": name, "seed": "", "commit": ""}
            rows.append(row | {"modalities": CONSTANT, "missing": ""} | dict(scored.metrics))
        for modalities, rate, outputs in conditions(run.model, clips):
            row = {
                "data": case.data,
                "system": case.system,
                "seed": run.settings.seed,
                "commit": run.files.environment().commit_name,
                "modalities": modalities,
                "missing": rate,
            }
            rows.append(row | run.task.metrics(outputs, labels))
    return rows, columns


@dataclasses.dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over the seeds, shares in percent; 0 for a single seed."""

    mean: float
    deviation: float
    seeds: int

    def text(self, digits: int) -> str:
        """Mean ± deviation; of a single seed the mean alone."""
        spread = f" ± {self.deviation:.{digits}f}" if self.seeds > 1 else ""
        return f"{self.mean:.{digits}f}{spread}"


@dataclasses.dataclass(frozen=True)
class Scores:
    """What tables and the figure show of one data set.

    Attributes:
        data: its name.
        column: the metric.
        constant: name and score of the constant prediction.
        subsets: scores by system, then by modalities, none of whose steps are missing.
        rates: scores by system, then by rate of missing steps of all modalities.
    """

    data: str
    column: MetricColumn
    constant: tuple[str, float]
    subsets: Mapping[str, Mapping[str, Spread]]
    rates: Mapping[str, Mapping[float, Spread]]

    @property
    def unit(self) -> str:
        """Of the metric."""
        return "%" if self.column.percent else "label's unit"


def scores_of(rows: Sequence[Row], columns: Columns) -> list[Scores]:
    """The scores of each data set, over the seeds."""
    return [
        _scores(data, column, [row for row in rows if row["data"] == data])
        for data, column in columns.items()
    ]


def _scores(data: str, column: MetricColumn, rows: Sequence[Row]) -> Scores:
    scale = 100 if column.percent else 1
    values: dict[tuple[str, str, float], list[float]] = {}
    for row in rows:
        condition = row["system"], row["modalities"], row["missing"]
        values.setdefault(condition, []).append(scale * row[column.key])
    (constant,) = [(key[0], each[0]) for key, each in values.items() if key[1] == CONSTANT]
    complete = max((key[1] for key in values), key=lambda names: names.count("+"))
    subsets: dict[str, dict[str, Spread]] = {}
    rates: dict[str, dict[float, Spread]] = {}
    for (system, modalities, rate), each in values.items():
        if modalities == CONSTANT:
            continue
        deviation = statistics.stdev(each) if len(each) > 1 else 0.0
        spread = Spread(statistics.mean(each), deviation, len(each))
        if rate == 0:
            subsets.setdefault(system, {})[modalities] = spread
        if modalities == complete:
            rates.setdefault(system, {})[rate] = spread
    return Scores(data, column, constant, subsets, rates)


def tables(scores: Scores) -> str:
    """Both tables of a data set as Markdown."""
    digits = 1 if scores.column.percent else 3
    arrow = "↑" if scores.column.higher_is_better else "↓"
    name, constant = scores.constant
    lines = [
        f"## {scores.data}: {scores.column.title} {arrow} ({scores.unit})",
        "",
        f"The constant prediction ({name}) has {constant:.{digits}f}.",
    ]
    shown = {"Steps missing →": scores.rates, "Modalities present →": scores.subsets}
    for heading, systems in shown.items():
        names = [
            n if isinstance(n, str) else f"{100 * n:.0f} %" for n in next(iter(systems.values()))
        ]
        lines += ["", f"| {heading} | Seeds | {' | '.join(names)} |"]
        lines.append(f"| --- | ---: |{' ---: |' * len(names)}")
        for system, cells in systems.items():
            seeds = max(cell.seeds for cell in cells.values())
            texts = (cell.text(digits) for cell in cells.values())
            lines.append(f"| {system} | {seeds} | {' | '.join(texts)} |")
    return "\n".join(lines) + "\n"


def paint(each: Sequence[Scores]) -> Callable[[Any], None]:
    """Two panels for each data set: curves over the rate, and dots by subset."""

    def painted(figure: Any) -> None:
        panels = figure.subplots(len(each), 2, squeeze=False, width_ratios=(1, 1.15))
        looks = series_looks([*dict.fromkeys(name for scores in each for name in scores.rates)])
        for scores, (left, right) in zip(each, panels, strict=True):
            label = f"{scores.column.title} ({scores.unit})"
            left.set_title(scores.data, loc="left", fontsize=9, fontweight="bold")
            for system, cells in scores.rates.items():
                look = looks[system]
                x = [100 * rate for rate in cells]
                y = np.array([cell.mean for cell in cells.values()])
                wide = np.array([cell.deviation for cell in cells.values()])
                left.plot(x, y, c=look.colour, ls=look.line, marker=look.marker, ms=3.5)
                left.fill_between(x, y - wide, y + wide, color=look.colour, alpha=0.14, lw=0)
            left.axhline(scores.constant[1], c=MUTED, ls=":", lw=1.2)
            left.set_xlabel("missing steps of each modality (%)")
            left.set_ylabel(label)
            subsets = [*next(iter(scores.subsets.values()))]
            step = 0.72 / len(scores.subsets)
            for index, (system, cells) in enumerate(scores.subsets.items()):
                look = looks[system]
                shift = (index - (len(scores.subsets) - 1) / 2) * step
                right.errorbar(
                    [cell.mean for cell in cells.values()],
                    [subsets.index(name) + shift for name in cells],
                    xerr=[cell.deviation for cell in cells.values()],
                    fmt=look.marker, c=look.colour, ms=3.5, elinewidth=1,
                )  # fmt: skip
            right.axvline(scores.constant[1], c=MUTED, ls=":", lw=1.2)
            names = [name.replace("+", ", ") for name in subsets]
            right.set_yticks(range(len(subsets)), names)
            right.set_ylabel("modalities present")
            right.invert_yaxis()
            right.grid(visible=False, axis="y")
            for row in range(1, len(subsets)):
                right.axhline(row - 0.5, c="#e9ecef", lw=0.7)
            right.set_xlabel(label)
        empty = panels[0, 0]
        for system, look in looks.items():
            empty.plot([], [], c=look.colour, ls=look.line, marker=look.marker, ms=4, label=system)
        empty.plot([], [], c=MUTED, ls=":", lw=1.2, label="constant prediction")
        figure.legend(loc="outside upper center", ncols=3)

    return painted


def main() -> None:
    arguments = arguments_of(__doc__.splitlines()[0], "missing")
    only = ",".join(arguments.only)
    runs = finished_runs(arguments)
    rows, columns = rows_of(runs.cases, runs.places)
    each = scores_of(rows, columns)
    text = (
        "# Test clips that lack modalities or steps\n\n"
        f"`python studies/accuracy/missing.py --only {only}`; each run's seed and commit "
        "are in missing.csv. Mean ± standard deviation over seeds. What is missing is missing in "
        "every test clip; models were trained on whole clips, those with modality dropout on clips "
        "that lose each modality at a rate of 15 %. Steps are dropped each by itself, the same for "
        "all systems, after normalisation; no clip loses its last.\n\n"
        "![Curves over the rate of missing steps, and scores by modalities present](missing.svg)"
        "\n\n" + "\n".join(map(tables, each)) + runs.notes
    )
    drawn = picture("missing", paint(each), (7.2, 0.7 + 2.7 * len(each)))
    write_files(arguments.out, "missing", rows, text, drawn)
    runs.refuse_failures()


if __name__ == "__main__":
    run_script("studies/accuracy/missing.py", main)
