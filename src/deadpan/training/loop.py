"""The training loop, on one screen, for every model."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DistributedSampler

from deadpan.data.batching import collate, context_batches, lengths_of, training_batches
from deadpan.data.dataset import Clip, Dataset, clip_groups
from deadpan.tasks import Task
from deadpan.training.checkpoint import State
from deadpan.training.evaluation import labels_of, loss_and_metrics, predict_clips
from deadpan.training.settings import Settings


def seed_everything(*parts: int) -> None:
    """Seed torch from numbers such as seed, epoch and rank; each of them changes all draws.

    Reseeding each epoch is what lets a run that was killed go on bit for bit: no generator has to
    be stored. Numpy's generators are always made where they are used.
    """
    mixed = 0
    for part in parts:
        mixed = (mixed * 1_000_003 + part + 1) % (2**63 - 1)
    torch.manual_seed(mixed)


@runtime_checkable
class Watch(Protocol):
    """Follows a training run: a progress bar, a log, a test."""

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """After each training step; ``step`` from 1."""

    def epoch(self, row: dict[str, int | float]) -> None:
        """After each epoch, with its losses and metrics by name."""


def training_steps(dataset: Dataset, settings: Settings, *, context: bool) -> int:
    """Number of steps that each process makes in all epochs.

    Args:
        dataset: its ``train`` split is counted.
        settings: of the run.
        context: of the model; batches of whole videos are not as many in every epoch.
    """
    epoch_batches = _batches_by_epoch(dataset["train"], settings, context=context)

    def steps(epoch: int) -> int:
        return math.ceil(len(epoch_batches(epoch)) / settings.devices)

    if not context:
        return settings.epochs * steps(1)
    return sum(steps(epoch) for epoch in range(1, settings.epochs + 1))


def _batches_by_epoch(
    clips: Sequence[Clip], settings: Settings, *, context: bool
) -> Callable[[int], list[Int[np.ndarray, " index"]]]:
    """A function from the number of an epoch to its batches, as indices; it reads no clip."""
    size, seed = settings.batch_size, settings.seed
    if context:
        groups = clip_groups(clips)
        return lambda epoch: context_batches(
            groups, size, order=np.random.default_rng((seed, epoch))
        )
    lengths = lengths_of(clips)
    return lambda epoch: training_batches(lengths, size, seed=seed, epoch=epoch)


def _epochs_without_better(rows: Sequence[Mapping[str, int | float]]) -> int:
    """Number of epochs since the one with the lowest validation loss."""
    return next((past for past, row in enumerate(reversed(rows)) if row["best"]), 0)


def fit(
    fabric: Fabric,
    network: nn.Module,
    state: State,
    task: Task,
    dataset: Dataset,
    settings: Settings,
    *,
    after_epoch: Callable[[State], None],
    watch: Watch | None = None,
) -> None:
    """Train from where ``state`` stands to the last epoch.

    Every epoch is a pure function of the state, the settings and the data: generators are seeded by
    (seed, epoch, rank) and batches by (seed, epoch), so that an interrupted run ends like any.

    Args:
        fabric: launched; knows device, precision and processes.
        network: ``state.model``, wrapped by Fabric.
        state: is advanced.
        task: the loss and the metrics.
        dataset: normalised; its ``train`` and ``valid`` splits are read.
        settings: of the run.
        after_epoch: is called when an epoch is complete, to save it.
        watch: is called after each step and epoch.
    """
    clips = dataset["train"]
    epoch_batches = _batches_by_epoch(clips, settings, context=state.model.context)
    valid, valid_labels = dataset["valid"], labels_of(dataset["valid"])
    for epoch in range(state.epoch + 1, settings.epochs + 1):
        # Nothing can follow from weights that are not finite; the best epoch stands. Asked before
        # an epoch: a run that was killed after such a one ends here as well.
        if state.rows and math.isnan(state.rows[-1]["valid_loss"]):
            break
        if settings.patience and _epochs_without_better(state.rows) >= settings.patience:
            break
        started, losses, gate = time.perf_counter(), list[float](), list[Tensor]()
        seed_everything(settings.seed, epoch, fabric.global_rank)
        batches = epoch_batches(epoch)
        sampler = DistributedSampler(batches, fabric.world_size, fabric.global_rank, shuffle=False)  # pyright: ignore[reportArgumentType]
        rate = state.optimizer.param_groups[0]["lr"]
        network.train()
        for index in sampler:
            batch = collate([clips[i] for i in batches[index]], dataset.widths).to(fabric.device)
            output = network(batch)
            loss = task.loss(output.prediction, batch.labels) + sum(output.losses.values())
            fabric.backward(loss)
            fabric.clip_gradients(
                network,
                state.optimizer,
                max_norm=settings.gradient_clip,
                error_if_nonfinite=False,  # validation says better what to do
            )
            state.optimizer.step()
            state.optimizer.zero_grad()
            state.finish_step(len(losses) + 1)
            losses.append(loss.item())
            if output.gate is not None:
                gate.append(output.gate.detach())
            if watch:
                watch.step(epoch, len(losses), len(sampler), losses[-1])
        with state.averaged():
            predicted = predict_clips(network, valid, dataset.widths, device=fabric.device)
            diverged = not np.isfinite(predicted).all()
            valid_loss, metrics = (
                (math.nan, {column.key: math.nan for column in task.columns})
                if diverged
                else loss_and_metrics(task, predicted, valid_labels)
            )
            best = state.finish_epoch(gate, len(losses), valid_loss)
        row = {
            "epoch": epoch,
            "train_loss": sum(losses) / len(losses),
            "valid_loss": valid_loss,
            "learning_rate": rate,
            "seconds": round(time.perf_counter() - started, 3),
            "best": int(best),
            "frozen": int(state.model.frozen),
            **{f"valid_{name}": value for name, value in metrics.items()},
        }
        state.rows.append(row)
        after_epoch(state)
        if watch:
            watch.epoch(row)
