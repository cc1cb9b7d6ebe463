"""How the losses went, epoch by epoch: ``epochs.csv`` as arrays."""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from deadpan.analysis.run_files import RETRAIN
from deadpan.analysis.tables import Table


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
    """

    epochs: Int[np.ndarray, " epoch"]
    train_loss: Float[np.ndarray, " epoch"]
    valid_loss: Float[np.ndarray, " epoch"]
    seconds: Float[np.ndarray, " epoch"]
    best_epoch: int | None
    frozen_epoch: int | None


def epoch_history(run: Path) -> EpochHistory:
    """Read ``epochs.csv`` of a run directory; RunError where it is missing or broken."""
    table = Table(run / "epochs.csv", RETRAIN)
    epochs = table.numbers("epoch")
    if not np.array_equal(epochs, np.arange(1, len(epochs) + 1)):
        table.refuse("does not count its epochs 1, 2, 3, ...")
    best, frozen = (np.flatnonzero(table.numbers(name)) + 1 for name in ("best", "frozen"))
    return EpochHistory(
        epochs=epochs.astype(np.int64),
        train_loss=table.numbers("train_loss", finite=False),
        valid_loss=table.numbers("valid_loss", finite=False),
        seconds=table.numbers("seconds", finite=False),
        best_epoch=int(best[-1]) if len(best) else None,
        frozen_epoch=int(frozen[0]) if len(frozen) else None,
    )
