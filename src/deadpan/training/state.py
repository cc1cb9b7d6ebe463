"""Where a training run stands: all that the next epoch depends on, and the past ones' record."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from deadpan.errors import RunError
from deadpan.models import Model
from deadpan.training.checkpoint import (
    load_tensors,
    nested,
    optimizer_tensors,
    restore_optimizer,
    save_tensors,
    unnested,
)


@dataclasses.dataclass(kw_only=True)
class State:
    """Model, optimizer and scheduler with the history of their training.

    Attributes:
        model: the network itself, outside any wrapper.
        optimizer: its Adam.
        scheduler: watches the validation loss.
        epoch: the last finished epoch; 0 = none.
        best_loss: lowest validation loss so far.
        best: the weights that had it.
        rows: one per epoch, as in epochs.csv.
        gate: weights per training step [step, modality]; None for a model without a gate.
        steps: number of training steps in each epoch.
    """

    model: Model
    optimizer: Optimizer
    scheduler: ReduceLROnPlateau
    epoch: int = 0
    best_loss: float = float("inf")
    best: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    rows: list[dict[str, int | float]] = dataclasses.field(default_factory=list)
    gate: Tensor | None = None
    steps: list[int] = dataclasses.field(default_factory=list)

    def finish_epoch(self, gate: list[Tensor], steps: int, valid_loss: float) -> bool:
        """Take in what an epoch gave; whether it was the best so far."""
        self.epoch += 1
        self.steps.append(steps)
        if gate:
            seen = torch.stack(gate).cpu()
            self.gate = seen if self.gate is None else torch.cat([self.gate, seen])
            self.model.end_epoch(torch.stack([x.mean(dim=0) for x in self.gate.split(self.steps)]))
        self.scheduler.step(valid_loss)
        improved = valid_loss < self.best_loss
        if improved:
            self.best_loss = valid_loss
            self.best = {name: x.detach().clone() for name, x in self.model.state_dict().items()}
        return improved

    def gate_rows(self) -> list[dict[str, int | float]]:
        """Gate weights per training step, as in gate.csv."""
        if self.gate is None:
            return []
        epochs = [epoch for epoch, n in enumerate(self.steps, start=1) for _ in range(n)]
        return [
            {"step": step, "epoch": epoch, **dict(zip(self.model.modalities, weights, strict=True))}
            for step, (epoch, weights) in enumerate(
                zip(epochs, self.gate.tolist(), strict=True), start=1
            )
        ]

    def save(self, path: Path) -> None:
        """Write everything to one file, atomically."""
        tensors = {
            **nested("model", self.model.state_dict()),
            **nested("best", self.best),
            **nested("optimizer", optimizer_tensors(self.optimizer)),
            **({} if self.gate is None else {"gate": self.gate}),
        }
        meta = {
            "epoch": self.epoch,
            "best_loss": self.best_loss,
            "rows": self.rows,
            "steps": self.steps,
            "scheduler": self.scheduler.state_dict(),
            "groups": [_settings(group) for group in self.optimizer.state_dict()["param_groups"]],
        }
        save_tensors(path, tensors, meta)

    def load(self, path: Path) -> None:
        """Go on from what ``save`` wrote."""
        tensors, meta = load_tensors(path)
        try:
            self.model.load_state_dict(unnested("model", tensors))
        except RuntimeError as error:
            raise RunError(
                f"{path}: is not of this model (config.yaml was edited?); train again"
            ) from error
        self.best = unnested("best", tensors)
        restore_optimizer(self.optimizer, unnested("optimizer", tensors), meta["groups"])
        self.scheduler.load_state_dict(meta["scheduler"])
        self.gate = tensors.get("gate")
        self.epoch, self.best_loss = meta["epoch"], meta["best_loss"]
        self.rows, self.steps = meta["rows"], meta["steps"]


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}
