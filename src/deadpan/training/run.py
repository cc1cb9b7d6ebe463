"""``train_run``: from settings to a run directory, in one call."""

import ctypes
import dataclasses
import os
import sys
from collections.abc import Collection, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch.optim import Adam
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from deadpan.data.dataset import Dataset, step_counts
from deadpan.data.feature_recipe import FeatureRecipe
from deadpan.data.normalization import Normalizer, fit_normalizer
from deadpan.errors import DataError, DeadpanError, RunError, count_of, unknown_name
from deadpan.files import write_csv
from deadpan.locks import alone
from deadpan.models import Model
from deadpan.tasks import Task, make_task
from deadpan.threads import processors
from deadpan.training.checkpoint import State
from deadpan.training.environment import Environment, data_facts, this_environment
from deadpan.training.evaluation import labels_of
from deadpan.training.initialization import initialize
from deadpan.training.loop import Watch, fit, seed_everything, training_steps
from deadpan.training.memory import refuse_too_large, too_much_memory, without_memory
from deadpan.training.opened import (
    RunDirectory,
    build,
    load_data,
    refuse_changed,
    resolved,
    save_model,
)
from deadpan.training.settings import Settings
from deadpan.training.uncertainty import fit_on_validation


def train_run(
    settings: Settings, out: Path, *, resume: bool = False, watch: Watch | None = None
) -> RunDirectory:
    """Train a model and keep it; the test split stays closed.

    Every check that can fail is made before the directory is.

    Args:
        settings: what to train, on what, how.
        out: the run directory; must not exist, unless ``resume``.
        resume: go on with the run in ``out``, whose settings must be the same; it ends
            bit-identical to one that was never interrupted. A finished run is left as it is.
        watch: is called after each step and epoch.

    Raises:
        DeadpanError: bad settings, data or model options, a run that is in the way or not there, or
            another process that trains it.
    """
    keep_freed_memory()
    # Before anything computes: denormals are slow, and no run may depend on an earlier one.
    torch.set_flush_denormal(True)
    try:
        with (
            _refuse_full_memory(
                f"{out}: not enough memory to train", "choose a smaller --batch_size or model"
            ),
            ExitStack() as lock,
        ):
            return _train(resolved(settings), out, lock, resume=resume, watch=watch)
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def _refuse_full_memory(wanting: str, remedy: str) -> Generator[None, None, None]:
    """Raise DeadpanError, with what was wanting and a remedy, where an allocator fails."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not (memory := too_much_memory(error)):
            raise
        raise DeadpanError(f"{wanting} ({memory}); {remedy}") from error


def _train(
    settings: Settings, out: Path, lock: ExitStack, *, resume: bool, watch: Watch | None
) -> RunDirectory:
    # A further process of a distributed run; the first one, rank 0, prepares.
    child = int(os.environ.get("LOCAL_RANK", "0")) > 0
    if resume:
        run = _resumed(settings, out, None if child else lock)
        if run.finished:
            return run
    elif not child:
        RunDirectory.refuse_taken(out)
    fabric = _fabric(settings)
    with _refuse_full_memory(
        f"{settings.data}: not enough memory to load it", "use fewer or shorter clips"
    ):
        dataset = load_data(settings)
        facts = data_facts(dataset)
        if resume:
            refuse_changed(RunDirectory(out), dataset, facts.fingerprint)
        dataset.require("train", "valid")
        _check_layer_blocks(settings, dataset)
        normalizer = fit_normalizer(
            dataset["train"],
            dataset.widths,
            settings.normalization,
            unscaled=_unscaled(settings, dataset),
        )
        dataset = normalizer(dataset)
    labels = labels_of(dataset["train"])
    ranges = np.stack([labels.min(axis=0), labels.max(axis=0)], axis=1).tolist()
    task = make_task(dataset.task, dataset.labels, settings.loss, ranges=ranges)
    with without_memory():
        sizes = build(settings, dataset.widths, task.outputs)
    refuse_too_large(sizes, settings.devices, average=settings.ema > 0)
    seed_everything(settings.seed)
    model = build(settings, dataset.widths, task.outputs)
    _check_clips(model, dataset)
    environment = this_environment(model, task, facts, fabric)
    interrupted = RunDirectory(out) if resume else None
    environment = _initialized(model, settings, dataset, environment, interrupted)
    if not resume and not child:
        run = RunDirectory.create(out, settings, environment)
        lock.enter_context(alone(run.lock_file))
    fabric.launch()
    fabric.barrier()
    run = RunDirectory(out)
    state = _state(run, model, settings, dataset)
    if resume and fabric.is_global_zero:
        _record_changes(run, environment, state.epoch)
    network, state.optimizer = fabric.setup(model, state.optimizer)

    def save_epoch(state: State) -> None:
        if fabric.is_global_zero:
            write_csv(run.epochs_file, state.rows)
            write_csv(run.gate_file, state.gate_rows())
            state.save(run.checkpoint_file)
        fabric.barrier()

    one_watch = watch if fabric.is_global_zero else None
    with _nothing_without_an_epoch(run, state):
        fit(
            fabric, network, state, task, dataset, settings, after_epoch=save_epoch, watch=one_watch
        )
    if fabric.is_global_zero:
        _save_best(run, state, settings, task, normalizer, dataset)
    fabric.barrier()
    return run


def _unscaled(settings: Settings, dataset: Dataset) -> Collection[str]:
    """The modalities that are not scaled; DataError if the data set lacks one that is named."""
    if settings.unscaled is None:
        return dataset.unscaled
    for name in settings.unscaled:
        if name not in dataset.widths:
            raise DataError(
                f"{dataset.name}: unscaled: {unknown_name('modality', name, dataset.widths)}"
            )
    return settings.unscaled


def _check_layer_blocks(settings: Settings, dataset: Dataset) -> None:
    """Raise DataError if a recipe says that the features hold another number of layers."""
    for name, count in settings.layer_blocks.items():
        recipe = dataset.recipes.get(name)
        if isinstance(recipe, FeatureRecipe) and recipe.blocks == 1:
            raise DataError(
                f"{dataset.name}: layer_blocks names {name}, which was measured by {recipe.name} "
                "and has no layers; leave it out"
            )
        if recipe and count != recipe.blocks:
            measured = isinstance(recipe, FeatureRecipe)
            layers = str(recipe) if measured else f"layers {recipe.layers} of {recipe.name}"
            blocks = f"give --layer_blocks.{name} {recipe.blocks}, or " if recipe.blocks > 1 else ""
            raise DataError(
                f"{dataset.name}: layer_blocks says that {name} holds {count} layers, but it was "
                f"encoded with {count_of(recipe.blocks, 'block')} ({layers}); {blocks}leave it out"
            )


@contextmanager
def _nothing_without_an_epoch(run: RunDirectory, state: State) -> Generator[None, None, None]:
    """Remove a run for whose first epoch there is not enough memory."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if too_much_memory(error) and not state.epoch:
            run.remove()
        raise


def _save_best(
    run: RunDirectory,
    state: State,
    settings: Settings,
    task: Task,
    normalizer: Normalizer,
    dataset: Dataset,
) -> None:
    """Save the best weights and their uncertainty; without such weights, leave nothing behind."""
    if not state.best:
        run.remove()
        raise DeadpanError(
            f"{run.path}: the model diverged at once; train with a lower learning rate"
        )
    if task.predicts_numbers:
        model = build(settings, dataset.widths, task.outputs)
        model.load_state_dict(state.best)
        run.write_uncertainty(fit_on_validation(task, model, dataset["valid"]))
    save_model(run, state.best, normalizer, dataset.widths)


def _resumed(settings: Settings, out: Path, lock: ExitStack | None) -> RunDirectory:
    """The run in ``out``, if it is one of these settings; unless it has finished, under its lock.

    It is rid of what a killed process left. A further process of a distributed run gives no lock.
    """
    run = RunDirectory(out)
    if difference := settings.difference(resolved(run.settings())):
        raise RunError(f"{out}: cannot go on with other settings ({difference}); give the same")
    if lock and not run.finished:
        lock.enter_context(alone(run.lock_file))
        run.clean()
    return run


def _initialized(
    model: Model,
    settings: Settings,
    dataset: Dataset,
    environment: Environment,
    interrupted: RunDirectory | None,
) -> Environment:
    """Give a model the weights that its run starts from, and record them in its environment.

    An interrupted run that has a checkpoint has no need of them.

    Raises:
        RunError: an interrupted run started from others.
    """
    if settings.init_from is None:
        return environment
    before = interrupted.environment() if interrupted else None
    if interrupted and before and interrupted.checkpoint_file.is_file():
        return dataclasses.replace(environment, initial_weights=before.initial_weights)
    environment = initialize(model, settings, dataset, environment)
    if before and before.initial_weights != environment.initial_weights:
        raise RunError(
            f"{settings.init_from}: its weights have changed since the run started from them; "
            "train again"
        )
    return environment


def _record_changes(run: RunDirectory, now: Environment, epoch: int) -> None:
    """Record that an interrupted run goes on after an epoch with what may compute other bits."""
    before = run.environment()
    if not (changes := before.changes(now)):
        return
    warnings = [*before.warnings]
    if epoch:  # else it begins here
        warnings.append(
            f"after epoch {epoch} it goes on with {', '.join(changes)}: it may differ in bits "
            f"from what it would have been uninterrupted"
        )
    run.write_environment(dataclasses.replace(now, warnings=warnings))


def _check_clips(model: Model, dataset: Dataset) -> None:
    """Raise DeadpanError at the first clip the model cannot read; the test split stays closed."""
    for split in ("train", "valid"):
        clips = dataset[split]
        steps = torch.from_numpy(step_counts(clips, model.modalities))
        model.check_steps([clip.id for clip in clips], steps)


def _fabric(settings: Settings) -> Fabric:
    # Roles that a gate leaves out of a step have no gradient there.
    strategy = DDPStrategy(find_unused_parameters=True) if settings.devices > 1 else "auto"
    try:
        fabric = Fabric(
            accelerator=settings.accelerator,
            devices=settings.devices,
            precision=settings.precision,
            strategy=strategy,
        )
    except (ValueError, RuntimeError, ImportError) as error:  # ImportError: a TPU's library
        text = str(error).splitlines()[0]
        raise DeadpanError(
            f"this machine cannot train so: {text}; try --accelerator cpu"
        ) from error
    # More processes than processors would starve each other; two are for trying it out.
    most = max(2, processors())
    if fabric.device.type == "cpu" and settings.devices > most:
        raise DeadpanError(
            f"devices must be at most {most} on this machine's processors; got {settings.devices}"
        )
    return fabric


def _state(run: RunDirectory, model: Model, settings: Settings, dataset: Dataset) -> State:
    """The state of a run after its last epoch so far, or before the first."""
    optimizer = make_optimizer(
        model,
        learning_rate=settings.learning_rate,
        gate_learning_rate=settings.gate_learning_rate,
        weight_decay=settings.weight_decay,
    )
    if settings.schedule == "onecycle":
        steps = training_steps(dataset, settings, context=model.context)
        highest = [group["lr"] for group in optimizer.param_groups]
        scheduler = OneCycleLR(optimizer, highest, total_steps=steps)
    else:
        scheduler = make_scheduler(optimizer, patience=settings.decay_when)
    state = State(model=model, optimizer=optimizer, scheduler=scheduler, ema=settings.ema)
    if run.checkpoint_file.is_file():
        state.load(run.checkpoint_file)
    return state


GATE_FLOOR = 1e-3
"""The gate never learns slower than this: at 1e-5 it could not leave 1/3 within a training run."""


def make_optimizer(
    model: Model, *, learning_rate: float, gate_learning_rate: float | None, weight_decay: float
) -> Adam:
    """Adam over all parameters, in one group or, if the model has a gate, two.

    Args:
        model: what to train.
        learning_rate: of everything but the gate.
        gate_learning_rate: of the gate; None = the larger of ``learning_rate`` and 1e-3.
        weight_decay: L2 on everything but the gate, whose logits mean something at 0.
    """
    gate = list(model.gate_parameters())
    gate_ids = {id(parameter) for parameter in gate}
    rest = [p for p in model.parameters() if id(p) not in gate_ids]
    groups: list[dict[str, object]] = [
        {"params": rest, "lr": learning_rate, "weight_decay": weight_decay}
    ]
    if gate:
        rate = max(learning_rate, GATE_FLOOR) if gate_learning_rate is None else gate_learning_rate
        groups.append({"params": gate, "lr": rate, "weight_decay": 0.0})
    return Adam(groups, fused=True)  # one kernel: a quarter of the time of a loop over tensors


def make_scheduler(optimizer: Adam, *, patience: int) -> ReduceLROnPlateau:
    """Divide the learning rates by 10 after ``patience`` epochs without a better loss."""
    return ReduceLROnPlateau(optimizer, factor=0.1, patience=patience, threshold=0.0)


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Options of glibc's ``mallopt``, from ``malloc.h``."""
LARGEST_KEPT = 1 << 30
"""Bytes: no array of a step is larger by much."""
MOST_KEPT = (1 << 31) - 1
"""Bytes, the most ``mallopt`` takes."""


def keep_freed_memory() -> None:
    """Let glibc keep for the next step what a step has freed; elsewhere there is no effect.

    By default glibc returns large blocks to the system as they are freed, and a training step asks
    for the same again at once: each page is then cleared anew. On MOSI's padded shapes that was a
    third of an epoch of MulT (270 s, now 171) and of TFN's (7.3 s, now 5.1); peak memory is up to
    10 % more (``benchmarks/baselines.py``, with and without ``--system-memory``).
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        mallopt(M_TRIM_THRESHOLD, MOST_KEPT)
