"""The history of a training run: losses of each epoch, gate weights of each batch."""

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from deadpan.errors import RunError
from deadpan.files import CsvTable
from deadpan.frames import data_frame

if TYPE_CHECKING:
    import pandas  # pyright: ignore[reportMissingImports]

RETRAIN = "give the directory of a `deadpan train` that ended one epoch or more"
"""What to do where a file that training writes is missing or broken."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EpochHistory:
    """The epochs of a run.

    Attributes:
        epochs: 1, 2, 3, ...
        train_loss: mean over the epoch's batches; NaN or infinite where training diverged.
        valid_loss: on the validation split after the epoch; NaN or infinite where it diverged.
        seconds: wall-clock time of each epoch.
        best_epoch: the last that improved the validation loss: its weights are the ones scored.
        frozen_epoch: the first whose row says that the gate is frozen; None if none does.
        valid_metrics: the task's metrics on the validation split after each epoch, by key.
    """

    epochs: Int[np.ndarray, " epoch"]
    train_loss: Float[np.ndarray, " epoch"]
    valid_loss: Float[np.ndarray, " epoch"]
    seconds: Float[np.ndarray, " epoch"]
    best_epoch: int | None
    frozen_epoch: int | None
    valid_metrics: Mapping[str, Float[np.ndarray, " epoch"]] = dataclasses.field(
        default_factory=dict
    )

    @property
    def divergence(self) -> str:
        """That training ended because the model diverged, and what was scored; "" where it did not.

        Training ends behind the epoch whose outputs are not finite; its validation loss is NaN.
        """
        if not len(self.valid_loss) or not np.isnan(self.valid_loss[-1]):
            return ""
        return (
            f"diverged at epoch {self.epochs[-1]}; scored by its best epoch before, "
            f"{self.best_epoch}"
        )

    def valid_metric(self, key: str) -> Float[np.ndarray, " epoch"]:
        """A metric on the validation split after each epoch; RunError if it was not recorded."""
        if key not in self.valid_metrics:
            raise RunError(f"epochs.csv has no column 'valid_{key}'; {RETRAIN}")
        return self.valid_metrics[key]

    def to_pandas(self) -> "pandas.DataFrame":  # pyright: ignore[reportUnknownParameterType]
        """A row per epoch: losses, seconds and metrics on the validation split; needs pandas."""
        columns = {
            "epoch": self.epochs,
            "train_loss": self.train_loss,
            "valid_loss": self.valid_loss,
            "seconds": self.seconds,
        }
        return data_frame(columns | {f"valid_{key}": x for key, x in self.valid_metrics.items()})


def epoch_history(file: Path) -> EpochHistory:
    """Read the ``epochs.csv`` of a run; RunError where it is missing or broken."""
    table = CsvTable(file, RETRAIN)
    epochs = np.array(table.numbers("epoch"))
    if not np.array_equal(epochs, np.arange(1, len(epochs) + 1)):
        table.refuse("does not count its epochs 1, 2, 3, ...")
    best, frozen = (np.flatnonzero(table.numbers(name)) + 1 for name in ("best", "frozen"))
    return EpochHistory(
        epochs=epochs.astype(np.int64),
        train_loss=np.array(table.numbers("train_loss", finite=False)),
        valid_loss=np.array(table.numbers("valid_loss", finite=False)),
        seconds=np.array(table.numbers("seconds", finite=False)),
        best_epoch=int(best[-1]) if len(best) else None,
        frozen_epoch=int(frozen[0]) if len(frozen) else None,
        valid_metrics={
            name.removeprefix("valid_"): np.array(table.numbers(name, finite=False))
            for name in table.columns
            if name.startswith("valid_") and name != "valid_loss"
        },
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class GateHistory:
    """The gate's weights over a run. Steps and epochs are counted from 1.

    The primary modality of a step is the one with the largest weight; ties go to the first named.

    Attributes:
        modalities: names of the weights' columns.
        weights: in [0, 1]; each step sums to 1.
        epochs: the epoch each step belongs to, never decreasing.
        frozen_epoch: the first epoch whose row says that the gate is frozen; None if none does.
        per_clip: whether each clip mixes all primary modalities; weights are then means over the
            clips of a batch, and the one with the largest is nobody's choice.
    """

    modalities: tuple[str, ...]
    weights: Float[np.ndarray, "step modality"]
    epochs: Int[np.ndarray, " step"]
    frozen_epoch: int | None
    per_clip: bool = False

    @cached_property
    def primaries(self) -> Int[np.ndarray, " step"]:
        """The primary modality of each step, as an index into ``modalities``."""
        return self.weights.argmax(axis=1)  # numpy's argmax gives ties to the lowest index

    @cached_property
    def flip_steps(self) -> tuple[int, ...]:
        """Steps whose primary modality is another than that of the step before."""
        return tuple(int(i) + 2 for i in np.flatnonzero(np.diff(self.primaries)))

    @property
    def flips(self) -> int:
        """How often the primary modality changed from one step to the next."""
        return len(self.flip_steps)

    @property
    def last_flip(self) -> int | None:
        """The step of the last flip; None if the primary modality never changed."""
        return self.flip_steps[-1] if self.flip_steps else None

    @property
    def primary(self) -> str:
        """The primary modality at the last step."""
        return self.modalities[int(self.primaries[-1])]

    def primary_in(self, epoch: int) -> str:
        """The primary modality at the last step of an epoch."""
        last = int(np.flatnonzero(self.epochs == epoch)[-1])
        return self.modalities[int(self.primaries[last])]

    @cached_property
    def epoch_numbers(self) -> Int[np.ndarray, " epoch"]:
        """The epochs that have a step, ascending: the rows of ``means``."""
        return np.unique(self.epochs)

    @cached_property
    def means(self) -> Float[np.ndarray, "epoch modality"]:
        """The mean weight over each epoch's steps."""
        rows = [self.weights[self.epochs == epoch].mean(axis=0) for epoch in self.epoch_numbers]
        return np.stack(rows)

    def to_pandas(self) -> "pandas.DataFrame":  # pyright: ignore[reportUnknownParameterType]
        """A row per step: its epoch and the weight of each modality; needs pandas."""
        columns = {"step": np.arange(1, len(self.epochs) + 1), "epoch": self.epochs}
        return data_frame(columns | dict(zip(self.modalities, self.weights.T, strict=True)))


def gate_history(file: Path, history: EpochHistory, *, per_clip: bool = False) -> GateHistory:
    """Read the ``gate.csv`` of a run.

    Args:
        file: only a model with a gate writes it.
        history: of the same run; it tells when the gate froze.
        per_clip: whether each clip mixes all primary modalities.

    Raises:
        RunError: the file is missing or broken, or is not of the same run.
    """
    table = CsvTable(file, f"only a model with a gate writes it; {RETRAIN}")
    steps, epochs = (np.array(table.numbers(name)) for name in ("step", "epoch"))
    modalities = tuple(name for name in table.columns if name not in ("step", "epoch"))
    if not modalities:
        table.refuse("has no column of weights")
    weights = np.stack([table.numbers(name) for name in modalities], axis=1)
    if not np.array_equal(steps, np.arange(1, len(steps) + 1)):
        table.refuse("does not count its steps 1, 2, 3, ...")  # flips would be miscounted
    if not np.isin(np.diff(epochs, prepend=0), (0, 1)).all() or epochs[-1] < history.epochs[-1]:
        table.refuse("skips or lacks epochs that epochs.csv has")
    # Weights written with few digits still sum to 1 within this.
    if (weights < 0).any() or not np.allclose(weights.sum(axis=1), 1, atol=1e-2):
        table.refuse("holds weights that do not sum to 1")
    return GateHistory(
        modalities=modalities,
        weights=weights,
        epochs=epochs.astype(np.int64),
        frozen_epoch=history.frozen_epoch,
        per_clip=per_clip,
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class GateSeeds:
    """The gates of several runs, which differ in their seed for example.

    Attributes:
        names: of the runs.
        gates: their histories.
    """

    names: tuple[str, ...]
    gates: tuple[GateHistory, ...]

    @property
    def modalities(self) -> tuple[str, ...]:
        """The same in every run."""
        return self.gates[0].modalities

    def first_epoch(self) -> Float[np.ndarray, "run batch modality"]:
        """The weights over the batches of the first epoch that all runs have."""
        first = [gate.weights[gate.epochs == gate.epochs[0]] for gate in self.gates]
        return np.stack([x[: min(map(len, first))] for x in first])

    def by_epoch(self) -> Float[np.ndarray, "run epoch modality"]:
        """The mean weights over each of the epochs that all runs have."""
        return np.stack([x.means[: min(len(g.means) for g in self.gates)] for x in self.gates])
