"""Runs that another grid has made already."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from deadpan.benchmarking.grid import Case
from deadpan.benchmarking.runner import finished
from deadpan.errors import DeadpanError
from deadpan.files import temporary_path
from deadpan.training.environment import commit, what_computes
from deadpan.training.opened import RunDirectory, resolved


def reuse_runs(cases: Iterable[Case], runs: Path, grids: Path) -> list[Path]:
    """Copy runs that have not finished from other grids, where one has them.

    A run is a pure function of its settings and of what computes it: taken is one that was scored,
    of the same settings, commit (of an installed package: version), torch, kernels and processor.
    With uncommitted changes none is.

    Args:
        cases: of a grid, whose test splits are scored.
        runs: where its runs are kept.
        grids: the folder of other grids' folders.

    Returns:
        The directories of the runs that were copied, below ``runs``.
    """
    code = commit()
    if code["dirty"]:
        return []
    now = code | what_computes()
    taken: list[Path] = []
    for case in cases:
        own = runs / case.directory
        if finished(case, runs):
            continue
        for other in sorted(grids.glob(f"*/runs/*/*/{case.directory.name}")):
            if _is_run_of(other, case, now):  # never its own, which has not finished
                _copy(other, own)
                taken.append(case.directory)
                break
    return taken


def _is_run_of(path: Path, case: Case, now: Mapping[str, object]) -> bool:
    """Whether a directory is a scored run of a case, made by what computes now."""
    if not RunDirectory.is_run(path):
        return False
    run = RunDirectory(path)
    try:
        if not run.evaluated or run.settings() != resolved(case.settings):
            return False
        then = run.environment()
    except DeadpanError:  # damaged
        return False
    return {name: getattr(then, name) for name in now} == now


def _copy(other: Path, own: Path) -> None:
    """Copy a run's directory, in place of one that was interrupted."""
    temporary = temporary_path(own)
    temporary.parent.mkdir(parents=True, exist_ok=True)
    for path in (temporary, own):
        shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(other, temporary)
    temporary.rename(own)
