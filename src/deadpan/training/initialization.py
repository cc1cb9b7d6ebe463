"""The weights of a finished run as those that another starts from (Settings.init_from)."""

import dataclasses
import hashlib
from pathlib import Path

from deadpan.data.dataset import Dataset
from deadpan.errors import DataError, DeadpanError, RunError, os_failure
from deadpan.files import home_path
from deadpan.models import Model, find_model
from deadpan.models.base import hyperparameters
from deadpan.training.environment import DataFacts, Environment
from deadpan.training.integrity import check_weights
from deadpan.training.memory import without_memory
from deadpan.training.opened import (
    OpenedRun,
    build,
    open_run,
    refuse_other_recipes,
    resolved,
)
from deadpan.training.settings import Settings


def initialize(
    model: Model, settings: Settings, dataset: Dataset, environment: Environment
) -> Environment:
    """Give a model the weights of the run that ``settings.init_from`` names.

    The weights are learned parameters alone: a gate that froze there learns again, and the
    normalisation stays that of the new data. Where the other run has another task, other labels or
    other bins, the output layer keeps the values that the seed drew: its outputs mean other things.

    Args:
        model: untrained; its parameters are replaced.
        settings: of the new run.
        dataset: that it is trained on.
        environment: of the new run.

    Returns:
        The environment, with the hash of the weights and a warning if the output layer was drawn.

    Raises:
        RunError: no finished run, one of another model, or weights of other names or shapes.
        DataError: a modality was encoded by another recipe.
    """
    path = home_path(str(settings.init_from))
    try:
        source = open_run(path)
        digest = hashlib.sha256(source.files.weights_file.read_bytes()).hexdigest()
    except OSError as error:
        raise DeadpanError(f"init_from: {os_failure(error)}") from error
    theirs = source.files.environment()
    _refuse_other_sizes(path, model, settings, source)
    _refuse_other_features(path, theirs.dataset, dataset)
    weights = {name: p.detach() for name, p in source.model.named_parameters()}
    with without_memory():
        expected, wider = (
            dict(build(settings, dataset.widths, outputs).named_parameters())
            for outputs in (source.model.outputs, source.model.outputs + 1)
        )
    try:
        check_weights("its weights", weights, expected)
    except RunError as error:
        raise RunError(
            f"{path}: no run to start from ({error}); give one of the same model, sizes and "
            "features"
        ) from None
    warnings = [*environment.warnings]
    if difference := _output_difference(theirs, environment, source.model.outputs, model.outputs):
        # The output layer is what the number of outputs changes.
        output_layer = [name for name, p in expected.items() if p.shape != wider[name].shape]
        weights = {name: x for name, x in weights.items() if name not in output_layer}
        warnings.append(
            f"{path} has {difference}: drawn anew {'is' if len(output_layer) == 1 else 'are'} "
            f"{', '.join(output_layer)}"
        )
    model.load_state_dict(weights, strict=False)
    return dataclasses.replace(environment, initial_weights=digest, warnings=warnings)


def _output_difference(
    theirs: Environment, mine: Environment, their_outputs: int, my_outputs: int
) -> str | None:
    """The first difference in the meaning of two runs' outputs, for a message; None if none."""
    if theirs.task != mine.task:
        return f"the task {theirs.task} and this run {mine.task}"
    if theirs.labels != mine.labels:
        return f"the labels {', '.join(theirs.labels)} and this run {', '.join(mine.labels)}"
    if their_outputs != my_outputs:
        return f"{their_outputs} outputs and this run {my_outputs}"
    if theirs.label_ranges != mine.label_ranges:
        other_ranges, ranges = (
            ", ".join(f"{low} to {high}" for low, high in run.label_ranges)
            for run in (theirs, mine)
        )
        return f"bins from {other_ranges} and this run from {ranges}"
    return None


def _refuse_other_features(path: Path, trained: DataFacts, dataset: Dataset) -> None:
    """Raise DataError unless each modality is of the recipe that a run was trained on, or of none.

    A run of features that no encoder made may predict any, but its weights mean nothing for those
    of an encoder.
    """
    refuse_other_recipes(path, trained, dataset)
    for name, recipe in dataset.recipes.items():
        if name not in trained.recipes:
            raise DataError(
                f"{dataset.name}: {name} is of the recipe of {recipe.name}, but {path} was "
                "trained on features of none; start from a run of the same features"
            )


def _refuse_other_sizes(path: Path, model: Model, settings: Settings, source: OpenedRun) -> None:
    """Raise RunError unless models are of one class and the same modalities, layers, heads, ...

    Not every size shows in the shapes of weights: attention heads do not.
    """
    source_settings = resolved(source.settings)
    if source_settings.model != settings.model:
        raise RunError(
            f"{path}: no run to start from (a {source_settings.model}, not a {settings.model}); "
            f"give one of {settings.model}"
        )
    if source.model.modalities != model.modalities:
        names, source_names = (", ".join(x.modalities) for x in (model, source.model))
        raise RunError(
            f"{path}: no run to start from (of {source_names}, not of {names}); give one of the "
            "same modalities"
        )
    for name, parameter in hyperparameters(find_model(settings.model)).items():
        value, source_value = (x.model_options[name] for x in (settings, source_settings))
        if parameter.annotation is int and value != source_value:
            raise RunError(
                f"{path}: no run to start from ({name} {source_value}, not {value}); give the same "
                f"--model.{name}"
            )
