"""Training, evaluating and using a run, each in one call."""

import dataclasses
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy

from deadpan import data as sources
from deadpan.data.dataset import Dataset, steps_of
from deadpan.data.fingerprint import describe
from deadpan.data.normalization import Normalizer
from deadpan.data.normalization import fit as fit_normalizer
from deadpan.errors import DataError, DeadpanError, RunError, unknown_name
from deadpan.models import MODELS, Model, check_options
from deadpan.models.base import hyperparameters
from deadpan.tasks import Task, make_task
from deadpan.training.checkpoint import load_tensors, nested, save_tensors, unnested
from deadpan.training.environment import environment, precision_warnings
from deadpan.training.loop import Watch, fit
from deadpan.training.memory import keep_freed_memory
from deadpan.training.optimizers import make_optimizer, make_scheduler
from deadpan.training.run_directory import RunDirectory, write_csv
from deadpan.training.seeding import seed_everything
from deadpan.training.settings import Settings
from deadpan.training.state import State


def train_run(
    settings: Settings, out: Path, *, resume: bool = False, watch: Watch | None = None
) -> RunDirectory:
    """Train a model and keep it; the test split stays closed.

    Everything that can be refused is refused before the directory is made.

    Args:
        settings: what to train, on what, how.
        out: the run directory; must not exist, unless ``resume``.
        resume: go on with the run in ``out``, whose settings must be the same; it ends
            bit-identical to one that was never interrupted. A finished run is left as it is.
        watch: is told of progress.

    Raises:
        DeadpanError: bad settings, data or model options, or a run that is in the way or not there.
    """
    keep_freed_memory()
    # Before anything computes: denormals are slow, and no run may depend on an earlier one.
    torch.set_flush_denormal(True)
    try:
        return _train(resolved(settings), out, resume=resume, watch=watch)
    finally:
        torch.set_flush_denormal(False)


def _train(settings: Settings, out: Path, *, resume: bool, watch: Watch | None) -> RunDirectory:
    # A further process of a distributed run; the first one, rank 0, prepares.
    child = int(os.environ.get("LOCAL_RANK", "0")) > 0
    if resume:
        run = _resumed(settings, out)
        if run.weights.is_file():
            return run
    elif not child:
        RunDirectory.refuse_taken(out)
    dataset = load_data(settings)
    described = describe(dataset)
    if resume:
        refuse_changed(RunDirectory(out), described["fingerprint"])
    dataset.require("train", "valid")
    normalizer = fit_normalizer(dataset["train"], dataset.widths, settings.normalization)
    dataset = normalizer(dataset)
    task = make_task(dataset.task, dataset.labels)
    seed_everything(settings.seed)
    model = build(settings, dataset.widths, task)
    check_clips(model, dataset)
    fabric = _fabric(settings)
    if not resume and not child:
        warnings = {"warnings": precision_warnings(model, fabric)}
        RunDirectory.create(out, settings, environment() | about(model, described, task) | warnings)
    fabric.launch()
    fabric.barrier()
    run = RunDirectory(out)
    state = _state(settings, model)
    if run.checkpoint.is_file():
        state.load(run.checkpoint)
    network, state.optimizer = fabric.setup(model, state.optimizer)

    def keep(state: State) -> None:
        if fabric.is_global_zero:
            write_csv(run.path / "epochs.csv", state.rows)
            write_csv(run.path / "gate.csv", state.gate_rows())
            state.save(run.checkpoint)
        fabric.barrier()

    # One process speaks.
    seen = watch if fabric.is_global_zero else None
    fit(fabric, network, state, task, dataset, settings, after_epoch=keep, watch=seen)
    if fabric.is_global_zero:
        _finish(run, state, normalizer, dataset)
    fabric.barrier()
    return run


def _finish(run: RunDirectory, state: State, normalizer: Normalizer, dataset: Dataset) -> None:
    """Keep the best weights; a run that never had any leaves nothing behind."""
    if not state.best:
        shutil.rmtree(run.path, ignore_errors=True)
        raise DeadpanError(
            f"{run.path}: the model diverged at once; train with a lower learning rate"
        )
    save_model(run, state.best, normalizer, dataset.widths)


def _resumed(settings: Settings, out: Path) -> RunDirectory:
    """The run in ``out``, if it is one of these settings, rid of what a killed process left."""
    run = RunDirectory(out)
    if difference := settings.difference(resolved(run.settings())):
        raise RunError(f"{out}: cannot go on with other settings ({difference}); give the same")
    run.clean()
    return run


def load_data(settings: Settings) -> Dataset:
    """The data set of a run, with just its modalities."""
    dataset = sources.load(settings.data, **settings.data_options)
    return dataset if settings.modalities is None else dataset.only(settings.modalities)


def resolved(settings: Settings) -> Settings:
    """The same settings with every hyperparameter of the model: a later default changes no run."""
    if settings.model not in MODELS:
        raise DeadpanError(unknown_name("model", settings.model, MODELS))
    kind = MODELS[settings.model]
    check_options(kind, settings.model_options)
    defaults = {name: p.default for name, p in hyperparameters(kind).items()}
    return dataclasses.replace(settings, model_options=defaults | dict(settings.model_options))


def refuse_changed(run: RunDirectory, now: str) -> None:
    """Raise DataError if a run was trained on other clips than those of this fingerprint."""
    then = run.environment().get("dataset", {}).get("fingerprint")
    if then != now:
        raise DataError(
            f"{run.settings().data}: has changed since {run.path} was trained; train again"
        )


def build(settings: Settings, widths: Mapping[str, int], task: Task) -> Model:
    """The model of a run, untrained."""
    settings = resolved(settings)
    kind = MODELS[settings.model]
    try:
        return kind(widths=widths, outputs=task.outputs, **settings.model_options)
    except (ValueError, TypeError, KeyError) as error:
        raise DeadpanError(f"{settings.model}: {error}; see 'deadpan train --help'") from error


def check_clips(model: Model, dataset: Dataset) -> None:
    """Raise DeadpanError at the first clip the model cannot read; the test split stays closed."""
    for split in ("train", "valid"):
        clips = dataset[split]
        steps = torch.from_numpy(steps_of(clips, model.modalities))
        model.check_steps([clip.id for clip in clips], steps)


def about(model: Model, described: Mapping[str, Any], task: Task) -> dict[str, Any]:
    """What a run is about, for its environment.json."""
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "task": described["task"],
        "labels": list(task.labels),
        "modalities": list(model.modalities),
        "dataset": dict(described),
    }


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
        run.weights,
        {**nested("model", weights), **tensors},
        {"widths": dict(widths), "by_group": normalizer.by_group},
    )


def load_model(run: RunDirectory) -> tuple[Model, Task, Normalizer]:
    """The best model of a finished run, in evaluation mode, with its task and normalisation."""
    if not run.weights.is_file():
        raise RunError(
            f"{run.path}: training has not finished; go on with "
            f"'deadpan train --resume --out {run.path}'"
        )
    tensors, meta = load_tensors(run.weights)
    settings, facts = run.settings(), run.environment()
    try:
        task = make_task(facts["task"], tuple(facts["labels"]))
        model = build(settings, meta["widths"], task)
        model.load_state_dict(unnested("model", tensors))
        centers, scales = (
            {name: x.numpy() for name, x in unnested(part, tensors).items()}
            for part in ("centers", "scales")
        )
        normalizer = Normalizer(centers=centers, scales=scales, by_group=meta["by_group"])
    except (DeadpanError, KeyError, RuntimeError) as error:  # edited by hand, or files of two runs
        first_line = str(error).partition("\n")[0]
        raise RunError(
            f"{run.path}: its files do not fit each other ({first_line}); train again"
        ) from error
    return model.eval(), task, normalizer


def _state(settings: Settings, model: Model) -> State:
    optimizer = make_optimizer(
        model,
        learning_rate=settings.learning_rate,
        gate_learning_rate=settings.gate_learning_rate,
        weight_decay=settings.weight_decay,
    )
    scheduler = make_scheduler(optimizer, patience=settings.decay_when)
    return State(model=model, optimizer=optimizer, scheduler=scheduler)


def _fabric(settings: Settings) -> Fabric:
    # Roles that a gate leaves out of a step have no gradient there.
    strategy = DDPStrategy(find_unused_parameters=True) if settings.devices > 1 else "auto"
    try:
        return Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            precision=settings.precision,
            strategy=strategy,
        )
    except (ValueError, RuntimeError) as error:
        text = str(error).splitlines()[0]
        raise DeadpanError(
            f"this machine cannot train so: {text}; try --accelerator cpu"
        ) from error
