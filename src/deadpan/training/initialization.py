"""The weights of a finished run as those that another starts from (Settings.init_from)."""

import dataclasses
import hashlib
from pathlib import Path

from deadpan.data.dataset import Dataset
from deadpan.errors import DataError, DeadpanError, RunError, os_failure
from deadpan.files import home_path
from deadpan.models import MODELS, Model
from deadpan.models.base import hyperparameters
from deadpan.training.environment import Environment
from deadpan.training.integrity import check_weights
from deadpan.training.memory import without_memory
from deadpan.training.opened import (
    OpenedRun,
    RunDirectory,
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
    normalisation stays that of the new data. Of a run with another number of outputs, what depends
    on that number keeps the values that the seed drew.

    Args:
        model: untrained; its parameters are replaced.
        settings: of the new run.
        dataset: that it is trained on.
        environment: of the new run.

    Returns:
        The environment, with the hash of the weights and a warning where some were not taken.

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
    _refuse_other_sizes(path, model, settings, source)
    _refuse_other_features(source.files, dataset)
    weights = {name: p.detach() for name, p in source.model.named_parameters()}
    with without_memory():  # the new model, if it had as many outputs as the other
        alike = dict(build(settings, dataset.widths, source.task).named_parameters())
    try:
        check_weights("its weights", weights, alike)
    except RunError as error:
        raise RunError(
            f"{path}: no run to start from ({error}); give one of the same model, sizes and "
            "features"
        ) from None
    own = dict(model.named_parameters())
    drawn = [name for name, p in own.items() if p.shape != alike[name].shape]
    taken = {name: x for name, x in weights.items() if name not in drawn}
    model.load_state_dict(taken, strict=False)
    warnings = [*environment.warnings]
    if drawn:
        warnings.append(
            f"{path} has {source.model.outputs} outputs and this run {model.outputs}: drawn anew "
            f"{'is' if len(drawn) == 1 else 'are'} {', '.join(drawn)}"
        )
    return dataclasses.replace(environment, initial_weights=digest, warnings=warnings)


def _refuse_other_features(run: RunDirectory, dataset: Dataset) -> None:
    """Raise DataError unless each modality is of the recipe that a run was trained on, or of none.

    A run of features that no encoder made may predict any, but its weights mean nothing for those
    of an encoder.
    """
    refuse_other_recipes(run, dataset)
    for name, recipe in dataset.recipes.items():
        if name not in run.environment().dataset.recipes:
            raise DataError(
                f"{dataset.name}: {name} is of the recipe of {recipe.name}, but {run.path} was "
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
    for name, parameter in hyperparameters(MODELS[settings.model]).items():
        value, source_value = (x.model_options[name] for x in (settings, source_settings))
        if parameter.annotation is int and value != source_value:
            raise RunError(
                f"{path}: no run to start from ({name} {source_value}, not {value}); give the same "
                f"--model.{name}"
            )
