"""``run_grid``: a whole grid in one call, from the search through the runs to the tables."""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deadpan.benchmarking import rendering
from deadpan.benchmarking.grid import Case, Grid
from deadpan.benchmarking.provenance import refuse_other_code
from deadpan.benchmarking.reuse import reuse_runs
from deadpan.benchmarking.runner import GridWatch, finished, refuse_other_clips, run_cases
from deadpan.benchmarking.table import GridTable, make_tables, read_run
from deadpan.errors import DeadpanError
from deadpan.files import write_atomically, write_json
from deadpan.locks import LOCK, alone
from deadpan.processes import LOCAL, WorkerPool
from deadpan.training.opened import RunDirectory

CellName = tuple[str, str, str | None]
"""Data set, system, fold."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """The results of a grid.

    Attributes:
        tables: one per data set that has a result.
        failures: why each run that was given up was, by its directory below ``runs``.
        cases: the runs that are scored, with the settings that a search chose.
    """

    tables: Sequence[GridTable]
    failures: Mapping[str, str]
    cases: Sequence[Case]


def run_grid(
    grid: Grid,
    out: Path,
    *,
    workers: int,
    resume: bool,
    watch: GridWatch,
    reuse: Path | None = None,
    pool: WorkerPool = LOCAL,
) -> Benchmark:
    """Run what has not finished, and write the tables of what has.

    ``out`` holds ``grid.yaml`` (a copy), ``runs/DATA/SYSTEM/...`` and, for each data set,
    ``DATA.md``, ``.csv`` and ``.tex``, with all of them in ``tables.html`` and ``tables.json``.
    A run's directory tells its settings: a changed grid makes new runs beside the old ones.

    Args:
        grid: what to run.
        out: must not exist, unless ``resume``.
        workers: processes at once, one thread each.
        resume: go on with the grid in ``out``.
        watch: is called as runs proceed.
        reuse: a folder of other grids' folders, from which runs are copied that are the same.
        pool: where the processes run.

    Raises:
        DeadpanError: ``out`` is taken or not there, ``reuse`` is no folder, another process works
            in ``out``, or runs are to be made and other code has made some that are there.
        DataError: the data of a run that is there has changed.
    """
    if reuse and not reuse.is_dir():
        raise DeadpanError(
            f"{reuse}: is no folder; give one of other grids' folders as --reuse, such as runs"
        )
    if out.exists() and not out.is_dir():
        raise DeadpanError(f"{out}: is a file; give a directory as --out")
    if out.exists() and not resume and any(out.iterdir()):
        raise DeadpanError(f"{out}: exists already; go on with --resume, or give another --out")
    if resume and not out.exists():
        raise DeadpanError(f"{out}: no grid here to go on with; leave out --resume")
    # All that may refuse does so before anything is made.
    folds = {data: grid.folds_of(data) for data in grid.data}
    trials = list(grid.trials(folds))
    list(grid.cases(folds, {}))
    out.mkdir(parents=True, exist_ok=True)
    with alone(out / LOCK, "deadpan benchmark"):
        runs, failures = out / "runs", dict[Path, str]()
        possible = [*trials, *_possible_cases(grid, folds, trials, runs)]
        refuse_other_code(possible, runs)
        refuse_other_clips(possible, runs)
        shutil.copyfile(grid.path, out / "grid.yaml")
        if trials:
            failures |= run_cases(trials, runs, workers=workers, watch=watch, pool=pool)
        chosen, searched = _choices(grid, trials, runs)
        if searched:
            write_json(out / "search.json", searched)
        cases = list(grid.cases(folds, chosen))
        if reuse:
            reuse_runs(cases, runs, reuse)
        failures |= run_cases(cases, runs, workers=workers, watch=watch, pool=pool)
        tables = make_tables(grid, cases, runs, failures)
        _write_tables(tables, out, title=grid.path.stem)
        reasons = {str(path): reason for path, reason in failures.items()}
        write_json(out / "failures.json", reasons)
    return Benchmark(tables=tables, failures=reasons, cases=cases)


def runs_without_result(failures: Mapping[str, str], file: Path, again: str) -> DeadpanError:
    """The error of a grid whose tables are written although runs of it were given up.

    Args:
        failures: why, by the run's directory.
        file: in which they stand.
        again: the command that goes on.
    """
    first = next(iter(failures.values()))
    return DeadpanError(
        f"{len(failures)} runs gave no result (first: {first}); all in {file}; once mended, go on "
        f"with: {again}"
    )


def _possible_cases(
    grid: Grid, folds: Mapping[str, Sequence[str | None]], trials: Sequence[Case], runs: Path
) -> list[Case]:
    """The runs that may be scored: while a trial has not finished, those of each trial's settings.

    Args:
        grid: whose runs they are.
        folds: of each data set.
        trials: of the grid's search.
        runs: where runs are kept.
    """
    if all(finished(case, runs) for case in trials):
        chosen, _ = _choices(grid, trials, runs)
        return list(grid.cases(folds, chosen))
    draws = {(case.data, case.system, case.fold): grid.draws(case.system) for case in trials}
    by_trial = zip(*draws.values(), strict=True)
    choices = (dict(zip(draws, settings, strict=True)) for settings in by_trial)
    return [case for chosen in choices for case in grid.cases(folds, chosen)]


def _choices(
    grid: Grid, trials: Sequence[Case], runs: Path
) -> tuple[dict[CellName, Mapping[str, Any]], dict[str, Any]]:
    """The settings of the best trial of each cell, by validation loss; and the record of all."""
    if not grid.search:
        return {}, {}
    chosen: dict[CellName, Mapping[str, Any]] = {}
    record: dict[str, Any] = {}
    by_cell: dict[CellName, list[Case]] = {}
    for case in trials:
        by_cell.setdefault((case.data, case.system, case.fold), []).append(case)
    for cell, cases in by_cell.items():
        losses = {
            case.trial or 0: _trial_loss(case, runs) for case in cases if finished(case, runs)
        }
        if not losses:
            continue
        draws = grid.draws(cell[1])
        best = min(losses, key=lambda trial: losses[trial])
        chosen[cell] = draws[best]
        record[" | ".join(str(part) for part in cell if part)] = {
            "chosen": best,
            "trials": [
                {"settings": settings, "valid_loss": losses.get(trial)}
                for trial, settings in enumerate(draws)
            ],
        }
    return chosen, record


def _trial_loss(case: Case, runs: Path) -> float:
    """The lowest validation loss of a trial; infinite if it never had one."""
    losses = read_run(runs / case.directory, RunDirectory.epochs).valid_loss
    return float(min(losses[~np.isnan(losses)], default=np.inf))


def _write_tables(tables: Sequence[GridTable], out: Path, *, title: str) -> None:
    """Write every format of every table."""
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
