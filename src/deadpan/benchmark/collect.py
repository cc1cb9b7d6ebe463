"""What the runs of a grid say, read from their directories; no test split is opened here."""

import csv
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from deadpan.benchmark.grid import Case
from deadpan.errors import RunError
from deadpan.tasks import Task, make_task
from deadpan.training.baselines import constant_outputs, ridge_outputs
from deadpan.training.environment import commit_name
from deadpan.training.evaluation import labels_of
from deadpan.training.opened import RunDirectory, open_run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scored:
    """One seed of one system on one data set, its folds pooled.

    Attributes:
        seed: of its runs.
        metrics: of the task, by key.
        errors: of each clip, by its id: how far decisions are from labels, on average over labels.
        seconds: of training, all folds together.
        parameters: of the model; 0 for a baseline.
        commits: of the code that trained it.
        places: of its runs.
    """

    seed: int
    metrics: Mapping[str, float]
    errors: Mapping[str, float]
    seconds: float
    parameters: int
    commits: tuple[str, ...]
    places: tuple[str, ...]


def task_of(run: RunDirectory) -> Task:
    """The task of a run."""
    facts = run.environment()
    return make_task(facts["task"], tuple(facts["labels"]))


def scored(cases: Sequence[Case], runs: Path) -> Scored:
    """Pool the folds of one seed of one system.

    Args:
        cases: all folds; each has finished.
        runs: where runs are kept.
    """
    directories = [RunDirectory(runs / case.place) for case in cases]
    task = task_of(directories[0])
    predictions = [_predictions(run, task) for run in directories]
    ids = [name for names, _, _ in predictions for name in names]
    truth = np.concatenate([labels for _, labels, _ in predictions])
    decided = np.concatenate([decisions for _, _, decisions in predictions])
    facts = [run.environment() for run in directories]
    return Scored(
        seed=cases[0].settings.seed,
        metrics=task.metrics(task.from_scores(decided), truth),
        errors=dict(zip(ids, np.abs(decided - truth).mean(axis=1).tolist(), strict=True)),
        seconds=sum(_seconds(run) for run in directories),
        parameters=int(facts[0]["parameters"]),
        commits=tuple(sorted({commit_name(told) for told in facts})),
        places=tuple(str(case.place) for case in cases),
    )


def baselines(cases: Sequence[Case], runs: Path) -> dict[str, dict[str, float]]:
    """Metrics of the majority (or mean) and ridge rows, folds pooled.

    They stand behind the normalisation of the runs given.

    Args:
        cases: all folds of one seed of one system; each has finished.
        runs: where runs are kept.
    """
    outputs: dict[str, list[Float[np.ndarray, "clip output"]]] = {}
    truth: list[Float[np.ndarray, "clip label"]] = []
    for case in cases:
        opened = open_run(runs / case.place)
        task, dataset = opened.task, opened.data
        clips = dataset["test"]
        truth.append(labels_of(clips))
        constant = constant_outputs(task, dataset["train"], len(clips))
        outputs.setdefault(task.constant_name, []).append(constant)
        outputs.setdefault("ridge", []).append(ridge_outputs(task, dataset, "test"))
    task, labels = task_of(RunDirectory(runs / cases[0].place)), np.concatenate(truth)
    return {name: task.metrics(np.concatenate(parts), labels) for name, parts in outputs.items()}


def trial_loss(case: Case, runs: Path) -> float:
    """The lowest validation loss of a trial; infinite if it never had one."""
    losses = [float(row["valid_loss"]) for row in _rows(runs / case.place / "epochs.csv")]
    return min((loss for loss in losses if loss == loss), default=float("inf"))  # noqa: PLR0124 - NaN


def _predictions(
    run: RunDirectory, task: Task
) -> tuple[list[str], Float[np.ndarray, "clip label"], Float[np.ndarray, "clip label"]]:
    """Ids, labels and decisions of the test split."""
    rows = _rows(run.path / "predictions.csv")

    def numbers(kind: str) -> Float[np.ndarray, "clip label"]:
        names = [f"{kind}_{label}" for label in task.labels]
        return np.array([[float(row[name]) for name in names] for row in rows], dtype=np.float64)

    try:
        return [row["id"] for row in rows], numbers("label"), numbers("prediction")
    except (KeyError, ValueError) as error:
        raise _damaged(run.path / "predictions.csv", error) from error


def _seconds(run: RunDirectory) -> float:
    try:
        return sum(float(row["seconds"]) for row in _rows(run.path / "epochs.csv"))
    except (KeyError, ValueError) as error:
        raise _damaged(run.path / "epochs.csv", error) from error


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except (FileNotFoundError, UnicodeDecodeError, csv.Error) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> RunError:
    return RunError(
        f"{path}: missing or damaged ({type(error).__name__}: {error}); remove {path.parent} and "
        f"run the grid again with --resume"
    )
