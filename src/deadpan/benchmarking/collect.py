"""What the runs of a grid say, read from their directories; no test split is opened here."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float

from deadpan.benchmarking.grid import Case
from deadpan.errors import RunError
from deadpan.tasks import Task
from deadpan.training.baselines import constant_outputs, ridge_outputs
from deadpan.training.environment import Environment
from deadpan.training.evaluation import labels_of
from deadpan.training.opened import RunDirectory, open_run
from deadpan.training.predictions import Predictions

Reading = TypeVar("Reading")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeedScores:
    """The scores of one seed of one system on one data set, its folds pooled.

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


def seed_scores(cases: Sequence[Case], runs: Path) -> SeedScores:
    """Pool the folds of one seed of one system.

    Args:
        cases: all folds; each has finished.
        runs: where runs are kept.
    """
    folds = [_read(runs / case.place, _scored_fold) for case in cases]
    task, environment = folds[0].task, folds[0].environment
    truth = np.concatenate([fold.predictions.truth for fold in folds])
    decisions = np.concatenate([fold.predictions.predicted for fold in folds])
    ids = [name for fold in folds for name in fold.predictions.ids]
    return SeedScores(
        seed=cases[0].settings.seed,
        metrics=task.metrics(task.from_scores(decisions), truth),
        errors=dict(zip(ids, np.abs(decisions - truth).mean(axis=1).tolist(), strict=True)),
        seconds=sum(fold.seconds for fold in folds),
        parameters=environment.parameters,
        commits=tuple(sorted({fold.environment.commit_name for fold in folds})),
        places=tuple(str(case.place) for case in cases),
    )


def baselines(cases: Sequence[Case], runs: Path) -> tuple[Task, dict[str, dict[str, float]]]:
    """The task, and metrics of the majority (or mean) and ridge rows, folds pooled.

    The baselines see the data as the runs given have normalised it.

    Args:
        cases: all folds of one seed of one system; each has finished.
        runs: where runs are kept.

    Raises:
        DataError: the data has changed since.
    """
    outputs: dict[str, list[Float[np.ndarray, "clip output"]]] = {}
    truth: list[Float[np.ndarray, "clip label"]] = []
    for case in cases:
        opened = _read(runs / case.place, lambda run: open_run(run.path))
        task, dataset = opened.task, opened.data
        clips = dataset["test"]
        truth.append(labels_of(clips))
        constant = constant_outputs(task, dataset["train"], len(clips))
        outputs.setdefault(task.constant_name, []).append(constant)
        outputs.setdefault("ridge", []).append(ridge_outputs(task, dataset, "test"))
    task, labels = _read(runs / cases[0].place, RunDirectory.task), np.concatenate(truth)
    rows = {name: task.metrics(np.concatenate(parts), labels) for name, parts in outputs.items()}
    return task, rows


def trial_loss(case: Case, runs: Path) -> float:
    """The lowest validation loss of a trial; infinite if it never had one."""
    losses = _read(runs / case.place, RunDirectory.epochs).valid_loss
    return float(min(losses[~np.isnan(losses)], default=np.inf))


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Fold:
    """What is read of one run."""

    task: Task
    environment: Environment
    predictions: Predictions
    seconds: float


def _scored_fold(run: RunDirectory) -> _Fold:
    return _Fold(
        task=run.task(),
        environment=run.environment(),
        predictions=run.predictions(),
        seconds=float(run.epochs().seconds.sum()),
    )


def _read(path: Path, reader: Callable[[RunDirectory], Reading]) -> Reading:
    """What a reader finds in a run; its error says how to make the run anew."""
    try:
        return reader(RunDirectory(path))
    except RunError as error:
        raise RunError(f"{error}; or remove {path} and run the grid again with --resume") from error
