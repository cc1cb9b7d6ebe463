"""Scores, predictions, models, grids and the installation as tables of at most 100 columns."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from deadpan.cli.output import numbers_table
from deadpan.models import display_name
from deadpan.tasks import Regression
from deadpan.tasks.task import MetricColumn
from deadpan.training.opened import RunDirectory
from deadpan.training.scores import RunScores

if TYPE_CHECKING:
    from deadpan.benchmarking.table import GridTable

WIDEST = 8  # metrics that fit side by side; more stand below each other
MOST_LABELS = 4  # predictions that fit side by side; more stand in one column, by name
GRID_METRICS = 3  # metrics of a grid on the screen; its files have all


def score_table(scores: RunScores) -> Table:
    """A row per system and a column per metric, or the reverse where there are many metrics.

    The best score of each metric is bold.
    """
    systems = [row.system for row in scores.rows]
    names = [display_name(system) for system in systems]
    sizes = [f"{row.parameters:,}" if row.parameters else "" for row in scores.rows]
    cells = [[_cell(scores, column, system) for column in scores.columns] for system in systems]
    titles = [f"{c.title} {'↑' if c.higher_is_better else '↓'}" for c in scores.columns]
    title = f"{scores.split} split, {scores.clips:,} clips"
    if len(titles) > WIDEST:
        table = numbers_table(title, "", *names)
        table.add_row("parameters", *sizes)
        for heading, column in zip(titles, zip(*cells, strict=True), strict=True):
            table.add_row(Text(heading), *column)
        return table
    table = numbers_table(title, "system", "parameters", *(t.replace(" ", "\n", 1) for t in titles))
    for name, size, row in zip(names, sizes, cells, strict=True):
        table.add_row(name, size, *row)
    return table


def score_remarks(scores: RunScores) -> list[str]:
    """Remarks without which a table of scores would be misread, a line each."""
    keys = {column.key for column in scores.columns}
    remarks = ["best in bold; arrows point to better"]
    if "acc2_non0" in keys:
        remarks.append(
            "non0 leaves out clips labelled 0, has0 counts them as positive: never compare the two"
        )
    if any(row.system == Regression.constant_name for row in scores.rows):
        polarity = "; Acc-2 is the share of its sign, not of the majority"
        remarks.append(
            f"{Regression.constant_name}: one score for all clips"
            f"{polarity if 'acc2_non0' in keys else ''}"
        )
    return remarks + _uncertainty_remarks(scores)


def _uncertainty_remarks(scores: RunScores) -> list[str]:
    """Coverage and calibration of the model, a line each where known."""
    if scores.uncertainty is None:
        return []
    uncertainty, remarks = scores.uncertainty, list[str]()
    names = {part.label: f"{part.label}: " for part in uncertainty.labels}
    if len(names) == 1:
        names = dict.fromkeys(names, "")
    if covered := [part for part in uncertainty.labels if part.coverage]:
        texts = [
            f"{names[part.label]}{100 * part.coverage[0].covered:.1f} % of labels, mean width "
            f"{part.coverage[0].width:#.3g}".rstrip(".")
            for part in covered
        ]
        remarks.append(f"{100 * uncertainty.level:.0f} % intervals hold {'; '.join(texts)}")
    elif uncertainty.note:
        remarks.append(uncertainty.note)
    if calibrated := [part for part in uncertainty.labels if part.bins]:
        texts = [f"{names[part.label]}{100 * part.ece:.1f} points" for part in calibrated]
        remarks.append(f"expected calibration error: {', '.join(texts)}")
    return remarks


def training_summary(run: Path) -> list[str]:
    """A finished run's directory, its best epoch's validation scores, and the next commands."""
    directory, path = RunDirectory(run), shlex.quote(str(run))
    history = directory.epochs()
    best = history.best_epoch or len(history.epochs)
    scores = [
        f"{column.title} {column.format(history.valid_metric(column.key)[best - 1])}"
        for column in directory.task().columns
    ]
    return [
        f"{run}: best epoch {best} of {len(history.epochs)}",
        *wrap(f"valid: {', '.join(scores)}", 100, subsequent_indent="       "),
        f"next: deadpan evaluate {path}",
        f"      deadpan report {path}",
    ]


def installation_table(facts: Mapping[str, Any]) -> Table:
    """A row per fact, and one per extra."""
    rows = {name: str(fact) for name, fact in facts.items() if name != "extras"}
    rows |= {f"extra {name}": packages for name, packages in facts["extras"].items()}
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in rows.items():
        table.add_row(name, Text(fact))
    return table


def predictions_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row per clip: the prediction of each label, beside the true one where that is known."""
    names = [key.removeprefix("prediction_") for key in rows[0] if key.startswith("prediction_")]
    with_labels = f"label_{names[0]}" in rows[0]
    # Of emotions and classes those that are present; of scores their numbers.
    named = len(names) > 1 and all(
        row.get(f"label_{x}", 0) in (0, 1) for row in rows for x in names
    )
    side_by_side = len(names) <= MOST_LABELS
    table = Table(box=None, header_style="bold", pad_edge=False)
    if with_split := "split" in rows[0]:
        table.add_column("split")
    table.add_column("clip", overflow="fold", max_width=28)
    if with_words := side_by_side and any(row["words"] for row in rows):
        table.add_column("words", no_wrap=True, overflow="ellipsis", max_width=36)
    for name in names if side_by_side else ["predicted"]:
        table.add_column(Text(name), justify="right" if side_by_side else "left", overflow="fold")
    if with_interval := len(names) == 1 and f"low_{names[0]}" in rows[0]:
        table.add_column("interval", justify="right", no_wrap=True)
    if with_labels:
        table.add_column("true", justify="right" if side_by_side else "left", overflow="fold")
    for row in rows:
        cells = [row["split"]] if with_split else []
        cells += [row["id"], *([row["words"]] if with_words else [])]
        predictions = [f"{row[f'prediction_{name}']:.2f}" for name in names]
        pairs = ", ".join(f"{name} {text}" for name, text in zip(names, predictions, strict=True))
        cells += predictions if side_by_side else [pairs]
        if with_interval:
            cells.append(f"{row[f'low_{names[0]}']:.2f} to {row[f'high_{names[0]}']:.2f}")
        if with_labels:
            cells.append(_truth(row, names, named=named))
        table.add_row(*map(Text, cells))
    return table


def grid_table(table: "GridTable") -> Table:
    """The first metrics of a grid's table."""
    from deadpan.benchmarking.rendering import HEADINGS, headings, row_texts

    columns = table.columns[:GRID_METRICS]
    first, *others = headings(table)[: len(HEADINGS) + len(columns)]
    output = numbers_table(table.data, first, *others)
    for row in table.rows:
        cells = row_texts(row, columns, lambda text: f"*{text}*")
        output.add_row(
            *(Text(cell.replace("*", ""), style="bold" if "*" in cell else "") for cell in cells)
        )
    return output


def _cell(scores: RunScores, column: MetricColumn, system: str) -> Text:
    row = next(row for row in scores.rows if row.system == system)
    style = "bold" if system in scores.best(column) else ""
    return Text(column.shown(row.metrics[column.key]), style=style)


def _truth(row: Mapping[str, Any], names: Sequence[str], *, named: bool) -> str:
    if named:
        return ", ".join(name for name in names if row[f"label_{name}"]) or "none"
    return ", ".join(f"{row[f'label_{name}']:.2f}" for name in names)
