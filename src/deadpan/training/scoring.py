"""Scoring a finished run on its test split, and predicting the clips of other data."""

import dataclasses
import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from deadpan.data import load
from deadpan.data.dataset import Clip, Dataset
from deadpan.errors import DataError
from deadpan.files import read_json, write_csv, write_json
from deadpan.locks import alone
from deadpan.tasks import Classes, Regression, Task, make_task
from deadpan.training.baselines import baseline_outputs
from deadpan.training.environment import commit
from deadpan.training.evaluation import labels_of, predict_clips
from deadpan.training.opened import OpenedRun, RunDirectory, open_run, refuse_other_recipes
from deadpan.training.scores import evaluate_first
from deadpan.training.uncertainty import (
    Uncertainty,
    fit_on_validation,
    score_uncertainty,
    uncertain_columns,
)
from deadpan.types import SPLITS


def evaluate_run(run: RunDirectory) -> dict[str, Any]:
    """Scores of a finished run on its test split, beside the majority and ridge rows.

    The split is opened once: the scores and every prediction are kept in ``scores.json`` and
    ``predictions.csv``, and a second call returns what is kept. ``scores.json`` is written last.

    Raises:
        RunError: the run has not finished.
        DataError: its data set is gone, has changed shape, or has no test split.
        DeadpanError: another process works in the run.
    """
    if not run.evaluated:
        with alone(run.lock_file):
            if not run.evaluated:
                _score(run)
    run.scores()  # refuses a file that is broken
    return read_json(run.scores_file, evaluate_first(run.path))


def _score(run: RunDirectory) -> None:
    opened = open_run(run.path)
    model, task, settings, dataset = opened.model, opened.task, opened.settings, opened.data
    dataset.require("train", "valid", "test")
    clips, labels = dataset["test"], labels_of(dataset["test"])
    outputs = {
        **baseline_outputs(task, dataset, "test"),
        settings.model: predict_clips(model, clips, model.widths),
    }
    if task.predicts_numbers and run.uncertainty() is None:  # of an older version
        run.write_uncertainty(fit_on_validation(task, model, dataset["valid"]))
    uncertainty = run.uncertainty()
    sizes = {settings.model: sum(p.numel() for p in model.parameters())}
    scores = {
        "data": dataset.name,
        "split": "test",
        "clips": len(clips),
        "seed": settings.seed,
        "rows": [
            {
                "system": name,
                "parameters": sizes.get(name, 0),
                "metrics": task.metrics(output, labels),
            }
            for name, output in outputs.items()
        ],
        "uncertainty": dataclasses.asdict(
            score_uncertainty(task, outputs[settings.model], labels, uncertainty)
        ),
        "columns": [dataclasses.asdict(column) for column in task.columns],
        "opened": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **commit(),
    }
    write_csv(
        run.predictions_file,
        prediction_rows(task, clips, outputs[settings.model], task.labels, uncertainty),
    )
    write_json(run.scores_file, scores)


def predict_run(run: RunDirectory, source: str, **options: Any) -> list[dict[str, Any]]:
    """Predict the clips of another data set, of whatever split, with a finished run.

    Clips without labels and splits stay in their order, and their rows have neither.

    A modality that the model knows and the data lacks counts as missing; one that the model does
    not know is left out.

    Args:
        run: a finished run.
        source: a name or a path, as for training.
        **options: of the data set.

    Raises:
        DataError: no modality in common, or another recipe or width than that trained on.
    """
    return predict_dataset(open_run(run.path), load(source, **options))


def predict_dataset(opened: OpenedRun, dataset: Dataset) -> list[dict[str, Any]]:
    """Predict the clips of another data set, as they are before normalisation.

    See :func:`predict_run`. Where a clip lacks modalities of the model, each row names those that
    its clip lacks under ``missing``: intervals were fitted on all validation clips alike.
    """
    model, task, run, name = opened.model, opened.task, opened.files, dataset.name
    dataset = _common_modalities(dataset, model.widths, run)
    dataset, uncertainty = opened.normalizer(dataset), run.uncertainty()
    rows: list[dict[str, Any]] = []
    lacking: list[str] = []
    for split in SPLITS:
        if clips := dataset[split]:
            outputs = predict_clips(model, clips, dataset.widths)
            names = truth_names(task, dataset)
            split_rows = prediction_rows(task, clips, outputs, names, uncertainty)
            first = {} if dataset.unsplit else {"split": split}
            rows += [first | row for row in split_rows]
            lacking += [
                " ".join(m for m in model.widths if not len(clip.sequences.get(m, ())))
                for clip in clips
            ]
    if not rows:
        raise DataError(f"{name}: has no clip to predict")
    if any(lacking):
        rows = [row | {"missing": each} for row, each in zip(rows, lacking, strict=True)]
    return rows


def predict_split(opened: OpenedRun, split: str) -> list[dict[str, Any]]:
    """Predict a split of the data that a run was trained on.

    Raises:
        DataError: the split has no clip, or the data is gone or has changed.
    """
    clips = opened.data[split]
    if not len(clips):
        raise DataError(f"{opened.settings.data}: split '{split}' has no clip to predict")
    outputs = predict_clips(opened.model, clips, opened.model.widths)
    task, uncertainty = opened.task, opened.files.uncertainty()
    return prediction_rows(task, clips, outputs, task.labels, uncertainty)


def truth_names(task: Task, dataset: Dataset) -> tuple[str, ...] | None:
    """Names of the labels of other data, if predictions of the task can be compared with them.

    A sentiment score may have any name. Classes may be fewer; emotions and scores must be the same,
    in any order. None where they cannot be compared.
    """
    if not dataset.labels or type(make_task(dataset.task, dataset.labels)) is not type(task):
        return None
    if isinstance(task, Regression):
        return task.labels
    labels, others = set(task.labels), set(dataset.labels)
    fits = others <= labels if isinstance(task, Classes) else others == labels
    return dataset.labels if fits else None


def prediction_rows(
    task: Task,
    clips: Sequence[Clip],
    outputs: Float[np.ndarray, "clip output"],
    names: tuple[str, ...] | None,
    uncertainty: Uncertainty | None = None,
) -> list[dict[str, Any]]:
    """One row per clip: id, group, words, kind, labels, predictions, intervals.

    Args:
        task: of the run.
        clips: at least one.
        outputs: of the model.
        names: of the clips' labels; None = no labels to write beside the predictions.
        uncertainty: of the run; None = no intervals are known.
    """
    columns = uncertain_columns(task, outputs, uncertainty)
    truths = [dict(zip(names or (), clip.label, strict=names is not None)) for clip in clips]
    return [
        {
            "id": clip.id,
            "group": clip.group or "",
            "words": " ".join(clip.words),
            "kind": clip.truth.kind if clip.truth else "",
            **({f"label_{name}": float(truth.get(name, 0)) for name in task.labels if truth}),
            **{f"prediction_{name}": float(x) for name, x in zip(task.labels, values, strict=True)},
            **{column: values_of[index] for column, values_of in columns.items()},
        }
        for index, (clip, truth, values) in enumerate(
            zip(clips, truths, task.decisions(outputs), strict=True)
        )
    ]


def _common_modalities(dataset: Dataset, widths: dict[str, int], run: RunDirectory) -> Dataset:
    common = [name for name in dataset.widths if name in widths]
    if not common:
        raise DataError(
            f"{dataset.name}: has {', '.join(dataset.widths) or 'no modality'}, but {run.path} was "
            f"trained on {', '.join(widths)}; give data with one of these"
        )
    found = dataset.only(common)
    # Before their widths: a recipe says more.
    refuse_other_recipes(run.path, run.environment().dataset, found)
    for name in common:
        if dataset.widths[name] != widths[name]:
            raise DataError(
                f"{dataset.name}: {name} has {dataset.widths[name]} features per step, but "
                f"{run.path} was trained on {widths[name]}; extract the same features"
            )
    return found
