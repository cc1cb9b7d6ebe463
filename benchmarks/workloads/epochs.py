"""Clips in memory, an epoch over them, and clocks that treat all alike."""

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import numpy as np
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from deadpan.data.batching import collate, lengths_of, training_batches
from deadpan.data.dataset import Clip
from deadpan.models import Model
from deadpan.training.run import make_optimizer
from deadpan.types import Batch

Key = TypeVar("Key", bound=Hashable)


def make_clips(
    count: int, steps: Mapping[str, int], widths: Mapping[str, int], *, spread: float = 0.0
) -> list[Clip]:
    """Clips of noise, of log-normal length around ``steps``; of exactly that many for spread 0."""
    random = np.random.default_rng(0)
    made = []
    for index in range(count):
        stretch = random.lognormal(-(spread**2) / 2, spread)
        sequences = {
            name: random.standard_normal((max(1, round(n * stretch)), widths[name]), np.float32)
            for name, n in steps.items()
        }
        label = random.uniform(-3, 3, 1).astype(np.float32)
        made.append(Clip(id=str(index), sequences=sequences, label=label))
    return made


def epoch(model: Model, clips: list[Clip], batch_size: int) -> Callable[[], None]:
    """An epoch as training has it: batches collated, forward, backward, clipping, Adam."""
    optimizer = make_optimizer(model, learning_rate=1e-3, gate_learning_rate=None, weight_decay=0.0)
    order = training_batches(lengths_of(clips), batch_size, seed=0, epoch=1)

    def run() -> None:
        model.train()
        for chosen in order:
            batch = collate([clips[i] for i in chosen], model.widths)
            loss_of(model, batch).backward()
            clip_grad_norm_(model.parameters(), 0.8)
            optimizer.step()
            optimizer.zero_grad()

    return run


def loss_of(model: nn.Module, batch: Batch) -> Tensor:
    output = model(batch)
    return (output.prediction - batch.labels).abs().mean() + sum(output.losses.values())


def medians(
    calls: Mapping[Key, Callable[[], object]], repeats: int, *, warm: bool = True
) -> dict[Key, float]:
    """Median seconds of each call, see ``rounds``."""
    found = rounds(calls, repeats, warm=warm)
    return {key: statistics.median(values) for key, values in found.items()}


def rounds(
    calls: Mapping[Key, Callable[[], object]], repeats: int, *, warm: bool = True
) -> dict[Key, list[float]]:
    """Seconds of each call: once to warm up, then all in turn, ``repeats`` times."""
    for call in calls.values() if warm else ():
        call()
    seconds: dict[Key, list[float]] = {key: [] for key in calls}
    for _ in range(repeats):
        for key, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[key].append(time.perf_counter() - start)
    return seconds
