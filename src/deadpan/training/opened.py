"""A run on disk: the one place that knows the names of its files, writes them and opens them.

Everything that reads a run goes through :class:`RunDirectory` (its files) or :func:`open_run` (its
model, task, normalisation and data as well).
"""

import dataclasses
import json
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path

import torch
import yaml

from deadpan import data as sources
from deadpan.catalogue import OWN_MODELS
from deadpan.data.containers.files import printable
from deadpan.data.dataset import Dataset, fingerprint
from deadpan.data.feature_recipe import FeatureRecipe, recipe_difference
from deadpan.data.normalization import NormalizationMethod, Normalizer, scalable
from deadpan.errors import DataError, DeadpanError, RunError
from deadpan.files import read_json, read_yaml, write_atomically, write_json
from deadpan.locks import LOCK, alone, beside
from deadpan.models import Model, check_hyperparameters, find_model
from deadpan.models.base import hyperparameters
from deadpan.options import record
from deadpan.tasks import Task, make_task
from deadpan.training.checkpoint import load_tensors, nested, save_tensors, unnested
from deadpan.training.environment import DataFacts, Environment
from deadpan.training.history import (
    RETRAIN,
    EpochHistory,
    GateHistory,
    GateSeeds,
    epoch_history,
    gate_history,
)
from deadpan.training.integrity import check_finite, check_weights, check_widths
from deadpan.training.memory import without_memory
from deadpan.training.predictions import Predictions, read_predictions
from deadpan.training.scores import RunScores, read_scores
from deadpan.training.settings import Settings
from deadpan.training.uncertainty import Uncertainty, read_uncertainty
from deadpan.types import TEXT

CONFIG_FILE = "config.yaml"
ENVIRONMENT_FILE = "environment.json"
CHECKPOINT_FILE = "checkpoint.safetensors"
EPOCHS_FILE = "epochs.csv"
GATE_FILE = "gate.csv"
WEIGHTS_FILE = "model.safetensors"
UNCERTAINTY_FILE = "uncertainty.json"
SCORES_FILE = "scores.json"
PREDICTIONS_FILE = "predictions.csv"
REPORT_FILE = "report.html"


class RunDirectory:
    """The files of one run.

    ==========================  ==================================================================
    config.yaml                 resolved settings: all that is needed to rebuild the run
    environment.json            command, commit, versions, data set and its repairs
    checkpoint.safetensors      where to go on from, replaced after each epoch
    epochs.csv, gate.csv        metrics of each epoch, gate weights of each batch
    uncertainty.json            intervals fitted on the validation split, of predicted numbers
    model.safetensors           weights of the best epoch and the normalisation; the finished run
    scores.json                 the test split, once opened; predictions.csv clip by clip
    report.html                 the page of ``deadpan report``
    ==========================  ==================================================================

    ``training.run`` writes the first six, ``training.scoring`` the scores and predictions. Other
    commands put files of their own beside them: ``explain/``, ``model.onnx``.

    Args:
        path: an existing run; see ``create``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config_file = path / CONFIG_FILE
        self.environment_file = path / ENVIRONMENT_FILE
        self.checkpoint_file = path / CHECKPOINT_FILE
        self.epochs_file = path / EPOCHS_FILE
        self.gate_file = path / GATE_FILE
        self.weights_file = path / WEIGHTS_FILE
        self.uncertainty_file = path / UNCERTAINTY_FILE
        self.scores_file = path / SCORES_FILE
        self.predictions_file = path / PREDICTIONS_FILE
        self.report_file = path / REPORT_FILE
        self.lock_file = path / LOCK
        if path.exists() and not path.is_dir():
            raise RunError(f"{path}: is a file; a run is a directory made by 'deadpan train'")
        if not self.is_run(path):
            reason = "has no config.yaml" if path.is_dir() else "does not exist"
            raise RunError(
                f"{path}: no run here ({reason}); make one with 'deadpan train --out {path}'"
            )

    @staticmethod
    def is_run(path: Path) -> bool:
        """Whether a directory holds a run, finished or not."""
        return (path / CONFIG_FILE).is_file()

    @classmethod
    def create(cls, path: Path, settings: Settings, environment: Environment) -> "RunDirectory":
        """Make a run, complete from the moment it can be seen; RunError if the path is taken."""
        cls.refuse_taken(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        making = path.with_name(f".{path.name}.making")
        with alone(beside(path)):
            cls.refuse_taken(path)
            shutil.rmtree(making, ignore_errors=True)
            try:
                making.mkdir()
                text = yaml.safe_dump(settings.to_dict(), sort_keys=False)
                write_atomically(making / CONFIG_FILE, text.encode())
                write_json(making / ENVIRONMENT_FILE, dataclasses.asdict(environment))
                making.rename(path)
            except BaseException:
                shutil.rmtree(making, ignore_errors=True)
                raise
        return cls(path)

    @staticmethod
    def refuse_taken(path: Path) -> None:
        """Raise RunError if there is something where a new run is to go."""
        if path.exists() or path.is_symlink():
            raise RunError(f"{path}: exists already; choose another --out, or go on with --resume")

    def clean(self) -> None:
        """Remove what a killed process was about to write; nothing ever reads it."""
        for leftover in self.path.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove what training has written; the directory stays if others put something there."""
        self.clean()
        for file in (
            self.checkpoint_file,
            self.epochs_file,
            self.gate_file,
            self.environment_file,
            self.config_file,
        ):
            file.unlink(missing_ok=True)
        with suppress(OSError):
            self.lock_file.unlink()
            self.path.rmdir()

    @property
    def finished(self) -> bool:
        """Whether training has ended: the weights of the best epoch are there."""
        return self.weights_file.is_file()

    @property
    def evaluated(self) -> bool:
        """Whether the test split has been opened."""
        return self.scores_file.is_file()

    def settings(self) -> Settings:
        """The settings the run was started with."""
        values = read_yaml(self.config_file, RETRAIN)
        try:
            return Settings.from_dict(values)
        except DeadpanError as error:  # another tool's file, or one edited by hand
            raise RunError(f"{self.config_file}: not the settings of a run ({error})") from error

    def write_environment(self, environment: Environment) -> None:
        """Replace what the run says of its making."""
        write_json(self.environment_file, dataclasses.asdict(environment))

    def environment(self) -> Environment:
        """What the run was made with: command, commit, versions, data set, parameters."""
        values = read_json(self.environment_file, RETRAIN)
        try:
            return record(str(self.environment_file), values, Environment)
        except DeadpanError as error:
            raise RunError(f"{error}; {RETRAIN}") from None

    def task(self) -> Task:
        """The task the run was trained for."""
        environment, loss = self.environment(), self.settings().loss
        try:
            ranges = environment.label_ranges
            return make_task(environment.task, environment.labels, loss, ranges=ranges)
        except DeadpanError as error:
            raise RunError(f"{self.environment_file}: {error}") from error

    def check_model(self) -> None:
        """Raise RunError if the model's class is somebody's own and is not registered here."""
        name, module = self.settings().model, self.environment().model_module
        if not module:
            return
        try:
            find_model(name)
        except DeadpanError as error:
            raise RunError(
                f"{self.path}: its model {name} is a class of {module}, which is not registered "
                f"here ({error}); import the module that registers it first, or name it in "
                f"{OWN_MODELS}"
            ) from error

    def epochs(self) -> EpochHistory:
        """Losses and times of every epoch so far."""
        return epoch_history(self.epochs_file)

    def gate(self) -> GateHistory | None:
        """Gate weights of every batch so far; None for a model without a gate."""
        if not self.gate_file.is_file():
            return None
        per_clip = self.settings().model_options.get("gate_per") == "clip"
        return gate_history(self.gate_file, self.epochs(), per_clip=per_clip)

    def uncertainty(self) -> Uncertainty | None:
        """Intervals fitted on the validation split; None for emotions, classes and older runs."""
        if not self.uncertainty_file.is_file():
            return None
        remedy = "remove it, and predictions stand without intervals"
        values = read_json(self.uncertainty_file, remedy)
        task = self.task()
        try:
            return read_uncertainty(str(self.uncertainty_file), values, task)
        except DeadpanError as error:
            raise RunError(f"{error}; {remedy}") from None

    def write_uncertainty(self, uncertainty: Uncertainty) -> None:
        """Write what was fitted on the validation split."""
        write_json(self.uncertainty_file, dataclasses.asdict(uncertainty))

    def scores(self) -> RunScores:
        """Metrics on the test split, beside the baselines'; RunError if it was not opened."""
        return read_scores(self.scores_file)

    def predictions(self) -> Predictions:
        """Truth and prediction of every test clip; RunError if the split was not opened."""
        return read_predictions(self.predictions_file, self.environment().labels)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OpenedRun:
    """A finished run, ready to predict.

    Attributes:
        files: its directory.
        settings: it was trained with.
        model: of the best epoch, in evaluation mode.
        task: of its labels.
        normalizer: fitted on its training split.
    """

    files: RunDirectory
    settings: Settings
    model: Model
    task: Task
    normalizer: Normalizer

    @cached_property
    def data(self) -> Dataset:
        """The clips it was trained on, normalised; read when first asked for.

        Raises:
            DataError: the data is gone, or has changed since.
        """
        dataset = load_data(self.settings)
        refuse_changed(self.files, dataset, fingerprint(dataset))
        return self.normalizer(dataset)


def open_run(path: Path) -> OpenedRun:
    """Open a finished run; its data is read when first asked for.

    Raises:
        RunError: no run, one that has not finished, or files that do not fit each other.
    """
    run = RunDirectory(path)
    if not run.finished:
        raise RunError(
            f"{path}: training has not finished; go on with 'deadpan train --resume --out {path}'"
        )
    run.check_model()
    tensors, meta = load_tensors(run.weights_file)
    settings, task = run.settings(), run.task()
    try:
        widths = check_widths(meta.get("widths"))
        with without_memory():  # nothing is allocated before the sizes are known to fit
            wanted = build(settings, widths, task.outputs).state_dict()
        for name in tensors:
            if name.partition("/")[0] not in ("model", "centers", "scales"):
                raise RunError(f"unknown tensor '{printable(name)}'")
        weights = unnested("model", tensors)
        check_weights("weights", weights, wanted)
        check_finite("weights", weights)
        model = build(settings, widths, task.outputs)
        model.load_state_dict(weights)
        normalizer = _normalizer(tensors, meta, widths, settings.normalization)
    except (DeadpanError, RuntimeError) as error:  # edited by hand, or files of two runs
        first_line = str(error).partition("\n")[0]
        raise RunError(
            f"{path}: its files do not fit each other ({first_line}); train again"
        ) from error
    return OpenedRun(
        files=run, settings=settings, model=model.eval(), task=task, normalizer=normalizer
    )


def _normalizer(
    tensors: Mapping[str, torch.Tensor],
    meta: Mapping[str, object],
    widths: Mapping[str, int],
    method: NormalizationMethod,
) -> Normalizer:
    """The normalisation that :func:`save_model` wrote; RunError if it does not fit the run."""
    by_group = method == "group"
    if meta.get("by_group") is not by_group:
        raise RunError(f"metadata 'by_group' does not fit normalization {method}")
    parts = {name: unnested(name, tensors) for name in ("centers", "scales")}
    unscaled = meta.get("unscaled", [m for m in widths if m == TEXT])  # an older run does not say
    if not isinstance(unscaled, list) or not set(map(str, unscaled)) <= set(widths):
        raise RunError("metadata 'unscaled' are no modalities")
    exempt = frozenset(map(str, unscaled))
    scaled = meta.get("scaled", list(parts["centers"]))  # an older run does not say
    allowed = set(scalable(widths, method, exempt))
    if not isinstance(scaled, list) or not set(map(str, scaled)) <= allowed:
        raise RunError(f"metadata 'scaled' or centers do not fit normalization {method}")
    for name, part in parts.items():
        check_weights(name, part, {m: torch.zeros(widths[m]) for m in map(str, scaled)})
        check_finite(name, part)
    for modality, scale in parts["scales"].items():
        if not (scale > 0).all():
            raise RunError(f"scales '{modality}' are not positive")
    centers, scales = ({m: x.numpy() for m, x in part.items()} for part in parts.values())
    return Normalizer(centers=centers, scales=scales, by_group=by_group, unscaled=exempt)


def gate_seeds(runs: Sequence[RunDirectory]) -> GateSeeds | None:
    """The gates of runs of several seeds; None where the first and only run has no gate.

    Raises:
        RunError: another run has no gate, or one over other modalities.
    """
    gates: list[GateHistory] = []
    for run in runs:
        gate = run.gate()
        if gate is None and len(runs) == 1:
            return None
        if gate is None:
            raise RunError(f"{run.path} has no gate.csv, and so no gate to compare; give one run")
        if gates and gate.modalities != gates[0].modalities:
            raise RunError(
                f"{run.path}: its gate weighs {', '.join(gate.modalities)}, that of "
                f"{runs[0].path} {', '.join(gates[0].modalities)}; give runs of the same modalities"
            )
        gates.append(gate)
    return GateSeeds(names=tuple(run.path.resolve().name for run in runs), gates=tuple(gates))


def load_data(settings: Settings) -> Dataset:
    """The data set of a run, with just its modalities."""
    dataset = sources.load(settings.data, **settings.data_options)
    return dataset if settings.modalities is None else dataset.only(settings.modalities)


def resolved(settings: Settings) -> Settings:
    """The same settings with every hyperparameter of the model: a later default changes no run."""
    kind = find_model(settings.model)
    check_hyperparameters(kind, settings.model_options)
    defaults = {name: p.default for name, p in hyperparameters(kind).items()}
    return dataclasses.replace(settings, model_options=defaults | dict(settings.model_options))


def refuse_other_recipes(path: Path, trained: DataFacts, dataset: Dataset) -> None:
    """Raise DataError if a modality is of another recipe than a run was trained on.

    Args:
        path: of the run.
        trained: facts of the data that it was trained on.
        dataset: whose modalities are compared with them.
    """
    for name, recipe in trained.recipes.items():
        if name not in dataset.widths:
            continue
        again = (
            f"measure it again: deadpan extract FOLDER --labels TABLE --recipe {recipe.name} "
            "--out STORE"
            if isinstance(recipe, FeatureRecipe)
            else f"encode it again, ENCODER being the folder of {recipe.name}: deadpan encode "
            f"SOURCE --like {shlex.quote(str(path))} --encoder ENCODER --modality {name} "
            "--out STORE"
        )
        if name not in dataset.recipes:
            raise DataError(
                f"{dataset.name}: {name} is of no recipe, but {path} was trained on that of "
                f"{recipe.name}; {again}"
            )
        if difference := recipe_difference(dataset.recipes[name], recipe):
            raise DataError(
                f"{dataset.name}: {name} is of another recipe than {path} was trained on "
                f"({difference}); {again}"
            )


def refuse_changed(run: RunDirectory, dataset: Dataset, now: str) -> None:
    """Raise DataError if a run was trained on other clips than these, of this fingerprint."""
    trained = run.environment().dataset
    refuse_other_recipes(run.path, trained, dataset)
    if trained.fingerprint != now:
        raise DataError(
            f"{run.settings().data}: has changed since {run.path} was trained; train again"
        )


def refuse_changed_data(runs: Iterable[RunDirectory]) -> None:
    """Raise DataError at the first run whose data has changed; each fold is read once."""
    now: dict[str, tuple[Dataset, str]] = {}
    for run in runs:
        with suppress(RunError):  # damaged: whoever goes on with it or tabulates it says so
            settings = run.settings()
            source = [settings.data, settings.data_options, settings.modalities]
            key = json.dumps(source, sort_keys=True, default=str)
            if key not in now:
                dataset = load_data(settings)
                now[key] = dataclasses.replace(dataset, splits={}), fingerprint(dataset)
            refuse_changed(run, *now[key])


def build(settings: Settings, widths: Mapping[str, int], outputs: int) -> Model:
    """The model of a run, untrained."""
    settings = resolved(settings)
    kind = find_model(settings.model)
    try:
        blocks, options = settings.layer_blocks, settings.model_options
        return kind.mixing(blocks, widths=widths, outputs=outputs, **options)
    except (ValueError, TypeError, KeyError) as error:
        raise DeadpanError(f"{settings.model}: {error}; see 'deadpan train --help'") from error


def save_model(
    run: RunDirectory,
    weights: Mapping[str, torch.Tensor],
    normalizer: Normalizer,
    widths: Mapping[str, int],
) -> None:
    """Write the weights of the best epoch and the normalisation they were trained behind."""
    parts = {"centers": normalizer.centers, "scales": normalizer.scales}
    tensors = {
        f"{part}/{m}": torch.from_numpy(x) for part, by in parts.items() for m, x in by.items()
    }
    save_tensors(
        run.weights_file,
        {**nested("model", weights), **tensors},
        {
            "widths": dict(widths),
            "by_group": normalizer.by_group,
            # None of a modality that no training clip has: a reader cannot derive which.
            "scaled": list(normalizer.centers),
            "unscaled": sorted(normalizer.unscaled),
        },
    )
