"""The runs of a folder as JSON: settings, scores, epochs, and the pages beside them."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deadpan.errors import DeadpanError
from deadpan.files import nan_to_none
from deadpan.models import display_name
from deadpan.tasks.task import MetricColumn
from deadpan.training.opened import (
    CONFIG_FILE,
    EPOCHS_FILE,
    REPORT_FILE,
    SCORES_FILE,
    WEIGHTS_FILE,
    RunDirectory,
)

DEPTH = 4
"""Folders below the studio's in which runs may lie, as those of a grid do."""
SHOWN = {
    ".html": "text/html; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".md": "text/plain; charset=utf-8",
    ".tex": "text/plain; charset=utf-8",
    ".yaml": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
"""Files beside runs that a browser may have, with their types."""


class RunList:
    """The runs below a folder. A run is read again when one of its files has changed.

    Args:
        folder: the studio's.
        skip: folders in it that hold no runs.
    """

    def __init__(self, folder: Path, skip: frozenset[str]) -> None:
        self._folder, self._skip = folder, skip
        self._rows: dict[Path, tuple[tuple[int, ...], dict[str, Any]]] = {}

    def rows(self) -> list[dict[str, Any]]:
        """A row for each run, by name."""
        rows = {path: self._row(path) for path in self._paths()}
        self._rows = {path: self._rows[path] for path in rows}
        return [row for _, row in sorted(rows.items())]

    def path(self, identity: str) -> Path | None:
        """The folder of a run by its id."""
        return next((x for x in self._paths() if run_id(self._name(x)) == identity), None)

    def _paths(self) -> Iterator[Path]:
        yield from _runs(self._folder, self._skip, DEPTH)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    def _row(self, path: Path) -> dict[str, Any]:
        files = (CONFIG_FILE, EPOCHS_FILE, WEIGHTS_FILE, SCORES_FILE, REPORT_FILE, "explain")
        state = tuple(_modified(path / name) for name in files)
        if path not in self._rows or self._rows[path][0] != state:
            self._rows[path] = state, self._read(path)
        return self._rows[path][1]

    def _read(self, path: Path) -> dict[str, Any]:
        name = self._name(path)
        row: dict[str, Any] = {
            "id": run_id(name),
            "name": name,
            "state": "training",
            "data": None,
            "model": None,
            "seed": None,
            "started": None,
            "epochs": None,
            "best_epoch": None,
            "valid_loss": None,
            "scores": [],
            "pages": _pages(path),
            "error": None,
        }
        try:
            run = RunDirectory(path)
            settings, environment = run.settings(), run.environment()
            row |= {
                "data": environment.dataset.name,
                "model": display_name(settings.model),
                "seed": settings.seed,
                "started": environment.started,
            }
            if run.finished:
                row["state"] = "scored" if run.evaluated else "finished"
            if run.epochs_file.is_file():
                history = run.epochs()
                best = history.best_epoch
                row["epochs"], row["best_epoch"] = len(history.epochs), best
                row["valid_loss"] = best and float(history.valid_loss[best - 1])
            if run.evaluated:
                scores = run.scores()
                own = next((x for x in scores.rows if x.system == settings.model), scores.rows[0])
                row["scores"] = [
                    _column(column) | {"value": own.metrics[column.key]}
                    for column in scores.columns
                ]
        except DeadpanError as error:
            row |= {"state": "broken", "error": str(error)}
        return json_values(row)


def run_details(path: Path) -> dict[str, Any]:
    """A run's settings, what it was made with, and its scores beside those of baselines."""
    run = RunDirectory(path)
    environment = run.environment()
    details: dict[str, Any] = {
        "settings": run.settings().to_dict(),
        "command": environment.command,
        "commit": environment.commit_name,
        "parameters": environment.parameters,
        "modalities": list(environment.modalities),
        "splits": dict(environment.dataset.splits),
        "warnings": [*environment.dataset.warnings, *environment.warnings],
        "scores": None,
    }
    if run.evaluated:
        scores = run.scores()
        details["scores"] = {
            "split": scores.split,
            "clips": scores.clips,
            "columns": [_column(column) for column in scores.columns],
            "rows": [
                {
                    "system": row.system,
                    "values": [row.metrics[column.key] for column in scores.columns],
                }
                for row in scores.rows
            ],
        }
    return json_values(details)


def _column(column: MetricColumn) -> dict[str, Any]:
    """A metric as JSON has it; ``percent`` if it is a share that tables show times 100."""
    return {
        "title": column.title,
        "higher_is_better": column.higher_is_better,
        "percent": column.percent,
    }


def run_epochs(path: Path) -> dict[str, Any]:
    """Losses and validation metrics of each epoch so far."""
    history = RunDirectory(path).epochs()
    return json_values(
        {
            "epochs": history.epochs.tolist(),
            "train_loss": history.train_loss.tolist(),
            "valid_loss": history.valid_loss.tolist(),
            "seconds": history.seconds.tolist(),
            "best_epoch": history.best_epoch,
            "valid_metrics": {name: x.tolist() for name, x in history.valid_metrics.items()},
        }
    )


def run_id(name: str) -> str:
    """The id of a run, by its folder's path in the studio's."""
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:16]


def shown_file(folder: Path, names: tuple[str, ...]) -> Path | None:
    """A file that a browser may have, by the names of folders and its own.

    Each name is looked for in the listing of its folder: none leads out of it, and no link is
    followed.

    Args:
        folder: in which the first name is.
        names: folders, and last the file.
    """
    path = folder
    for index, name in enumerate(names):
        last = index == len(names) - 1
        try:
            with os.scandir(path) as entries:
                entry = next((each for each in entries if each.name == name), None)
        except OSError:
            return None
        if entry is None or name.startswith("."):
            return None
        if not (entry.is_file if last else entry.is_dir)(follow_symlinks=False):
            return None
        path = path / name
    return path if path.suffix.lower() in SHOWN else None


def page_names(folder: Path) -> list[str]:
    """The HTML pages in a folder, by name."""
    try:
        return sorted(
            entry.name
            for entry in os.scandir(folder)
            if entry.name.endswith(".html")
            and not entry.name.startswith(".")
            and entry.is_file(follow_symlinks=False)
        )
    except OSError:
        return []


def _pages(path: Path) -> list[str]:
    """Pages of a run: in it, and in folders in it; as paths from the run."""
    inside = [f"{name}/{page}" for name in _folders(path) for page in page_names(path / name)]
    return [*page_names(path), *inside]


def _runs(folder: Path, skip: frozenset[str], depth: int) -> Iterator[Path]:
    for name in _folders(folder):
        if name in skip:
            continue
        if RunDirectory.is_run(folder / name):
            yield folder / name
        elif depth > 1:
            yield from _runs(folder / name, frozenset(), depth - 1)


def _folders(folder: Path) -> list[str]:
    try:
        return sorted(
            entry.name
            for entry in os.scandir(folder)
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
        )
    except OSError:
        return []


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def json_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON has them: numbers that are not finite become None."""
    finite = nan_to_none(values)
    assert isinstance(finite, dict)
    return finite
