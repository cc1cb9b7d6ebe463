"""A whole grid in one call: search, runs, tables."""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deadpan.benchmark import rendering
from deadpan.benchmark.collect import SeedScores, baselines, seed_scores, trial_loss
from deadpan.benchmark.grid import Case, Grid
from deadpan.benchmark.runner import GridWatch, alone, finished, run_cases
from deadpan.benchmark.table import GridTable, make_table
from deadpan.errors import DeadpanError
from deadpan.files import write_atomically, write_json

Folds = Mapping[str, Sequence[str | None]]
Cell = tuple[str, str, str | None]
"""Data set, system, fold."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """What a grid gave.

    Attributes:
        tables: one per data set that has a result.
        failures: why each run that was given up was, by its place below ``runs``.
    """

    tables: Sequence[GridTable]
    failures: Mapping[str, str]


def run_grid(grid: Grid, out: Path, *, workers: int, resume: bool, watch: GridWatch) -> Study:
    """Run what has not finished, and write the tables of what has.

    ``out`` holds ``grid.yaml`` (a copy), ``runs/DATA/SYSTEM/...`` and, for each data set,
    ``DATA.md``, ``.csv`` and ``.tex``, with all of them in ``tables.html`` and ``tables.json``.
    A run's place tells its settings: a changed grid makes new runs beside the old ones.

    Args:
        grid: what to run.
        out: must not exist, unless ``resume``.
        workers: processes at once, one thread each.
        resume: go on with the grid in ``out``.
        watch: is told of progress.

    Raises:
        DeadpanError: ``out`` is taken or not there, or another process works in it.
    """
    if out.exists() and not out.is_dir():
        raise DeadpanError(f"{out}: is a file; give a directory as --out")
    if out.exists() and not resume and any(out.iterdir()):
        raise DeadpanError(f"{out}: exists already; go on with --resume, or give another --out")
    if resume and not out.exists():
        raise DeadpanError(f"{out}: no grid here to go on with; leave out --resume")
    folds = {data: grid.folds_of(data) for data in grid.data}  # refuses before anything is made
    out.mkdir(parents=True, exist_ok=True)
    with alone(out):
        shutil.copyfile(grid.path, out / "grid.yaml")
        runs, failures = out / "runs", dict[Path, str]()
        trials = list(grid.trials(folds))
        if trials:
            failures |= run_cases(trials, runs, workers=workers, watch=watch)
        chosen, searched = choices(grid, trials, runs)
        if searched:
            write_json(out / "search.json", searched)
        cases = list(grid.cases(folds, chosen))
        failures |= run_cases(cases, runs, workers=workers, watch=watch)
        tables = make_tables(grid, cases, runs, failures)
        write_tables(tables, out, title=grid.path.stem)
        told = {str(place): why for place, why in failures.items()}
        write_json(out / "failures.json", told)
    return Study(tables=tables, failures=told)


def choices(
    grid: Grid, trials: Sequence[Case], runs: Path
) -> tuple[dict[Cell, Mapping[str, Any]], dict[str, Any]]:
    """The settings of the best trial of each cell, by validation loss; and the record of all."""
    if not grid.search:
        return {}, {}
    chosen: dict[Cell, Mapping[str, Any]] = {}
    record: dict[str, Any] = {}
    by_cell: dict[Cell, list[Case]] = {}
    for case in trials:
        by_cell.setdefault((case.data, case.system, case.fold), []).append(case)
    for cell, cases in by_cell.items():
        losses = {case.trial or 0: trial_loss(case, runs) for case in cases if finished(case, runs)}
        if not losses:
            continue
        draws = grid.draws(cell[1])
        best = min(losses, key=lambda trial: losses[trial])
        chosen[cell] = draws[best]
        record[" | ".join(str(part) for part in cell if part)] = {
            "chosen": best,
            "trials": [
                {"settings": drawn, "valid_loss": losses.get(trial)}
                for trial, drawn in enumerate(draws)
            ],
        }
    return chosen, record


def make_tables(
    grid: Grid, cases: Sequence[Case], runs: Path, failures: Mapping[Path, str]
) -> list[GridTable]:
    """A table for each data set of which a run has finished."""
    tables: list[GridTable] = []
    for data in grid.data:
        systems: dict[str, list[SeedScores]] = {name: [] for name in grid.systems_of(data)}
        broken: dict[str, str] = {}
        complete: list[list[Case]] = []
        for system, done in systems.items():
            of_system = [c for c in cases if (c.data, c.system) == (data, system)]
            seeds = dict.fromkeys(case.settings.seed for case in of_system)
            for seed in seeds:
                folds = [case for case in of_system if case.settings.seed == seed]
                if all(finished(case, runs) for case in folds):
                    done.append(seed_scores(folds, runs))
                    complete.append(folds)
            why = sorted({failures[c.place] for c in of_system if c.place in failures})
            if len(done) < len(seeds):
                broken[system] = f"{len(done)} of {len(seeds)} seeds; " + (
                    "; ".join(why) or "not run yet"
                )
        if complete:
            tables.append(_table(grid, data, systems, complete, broken, runs))
    return tables


def _table(
    grid: Grid,
    data: str,
    systems: Mapping[str, Sequence[SeedScores]],
    complete: Sequence[Sequence[Case]],
    broken: Mapping[str, str],
    runs: Path,
) -> GridTable:
    # Baselines stand behind the normalisation of the reference, where it has run.
    first = next((folds for folds in complete if folds[0].system == grid.against), complete[0])
    task, constants = baselines(first, runs)
    clips = len(next(run for seeds in systems.values() for run in seeds).errors)
    commits = sorted({c for seeds in systems.values() for run in seeds for c in run.commits})
    folds = f", {len(first)} folds pooled, one group left out in each" if first[0].fold else ""
    budget = (
        f"; {grid.search.trials} trials of random search for each system, chosen on validation loss"
        if grid.search
        else ""
    )
    told = [
        f"{clips:,} test clips{folds}; seeds {', '.join(map(str, grid.seeds_of(data)))}{budget}",
        f"training: wall time of one seed{' over all folds' if first[0].fold else ''}, one thread",
        f"commit {', '.join(commits)}",
    ]
    return make_table(
        data,
        task.columns,
        systems,
        constants,
        against=grid.against,
        paper=grid.data[data].paper,
        failures=broken,
        more_notes=told,
    )


def write_tables(tables: Sequence[GridTable], out: Path, *, title: str) -> list[Path]:
    """Write every format of every table; the paths."""
    texts: dict[str, str] = {}
    for table in tables:
        texts[f"{table.data}.md"] = rendering.markdown(table)
        texts[f"{table.data}.csv"] = rendering.csv(table)
        texts[f"{table.data}.tex"] = rendering.latex(table)
    if tables:
        texts["tables.html"] = rendering.html(tables, title)
        texts["tables.json"] = rendering.as_json(tables)
    for name, text in texts.items():
        write_atomically(out / name.replace("/", "_"), text.encode())
    return [out / name for name in texts]
