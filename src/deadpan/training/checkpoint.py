"""The state of a training run, and its checkpoint: one safetensors file, without pickle."""

import dataclasses
import json
import math
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from deadpan.data.containers.files import printable
from deadpan.errors import RunError
from deadpan.files import write_atomically
from deadpan.models import Model
from deadpan.training.integrity import (
    check_finite,
    check_gate,
    check_groups,
    check_moments,
    check_progress,
    check_scheduler,
    check_weights,
)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write tensors and JSON-ready values atomically."""
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(contiguous, {"deadpan": json.dumps(meta)}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``save_tensors`` wrote; RunError if it is missing or damaged."""
    if not path.is_file():
        raise RunError(f"{path}: no such file; is this a finished run of deadpan?")
    try:
        with safe_open(path, framework="pt") as file:  # pyright: ignore[reportUnknownVariableType]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            meta: object = json.loads((file.metadata() or {})["deadpan"])
            if not isinstance(meta, dict):
                raise ValueError("its metadata are no values by name")
    except (SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise RunError(
            f"{path}: damaged or not written by deadpan ({printable(error)}); train again"
        ) from error
    return tensors, cast("dict[str, Any]", meta)


def nested(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors with ``prefix/`` before each name."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def unnested(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors under ``prefix/``, by their own names."""
    start = f"{prefix}/"
    return {name[len(start) :]: t for name, t in tensors.items() if name.startswith(start)}


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The moments of an optimizer, by ``parameter index/moment``."""
    return {
        f"{index}/{name}": value
        for index, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], groups: list[dict[str, Any]]
) -> None:
    """Restore the moments and the settings of the groups of an optimizer."""
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, moment = name.split("/")
        # A copy: load_state_dict would keep the tensor itself, in the file's alignment.
        moments.setdefault(int(index), {})[moment] = tensor.clone()
    current = optimizer.state_dict()["param_groups"]
    merged = [{**new, **old} for new, old in zip(current, groups, strict=True)]
    optimizer.load_state_dict({"state": moments, "param_groups": merged})


@dataclasses.dataclass(kw_only=True)
class State:
    """Model, optimizer and scheduler with the history of their training.

    Attributes:
        model: the network itself, outside any wrapper.
        optimizer: Adam over its parameters.
        scheduler: lowers the learning rates by the validation loss, or moves them at each step.
        ema: decay of the average of the weights; 0 = none is kept.
        average: mean of the parameters after every step so far, by name; each step weighs ``ema``
            times as much as the next. It starts with the first step: the initial weights are no
            part of it.
        epoch: the last finished epoch; 0 = none.
        best_loss: lowest validation loss so far.
        best: the weights of the epoch that had it, by name.
        rows: metrics of each epoch, a row each.
        gate: gate weights of each training step [step, modality]; None for a model without a gate.
        steps: number of training steps in each epoch.
    """

    model: Model
    optimizer: Optimizer
    scheduler: ReduceLROnPlateau | OneCycleLR
    ema: float = 0.0
    average: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    epoch: int = 0
    best_loss: float = float("inf")
    best: dict[str, Tensor] = dataclasses.field(default_factory=dict)
    rows: list[dict[str, int | float]] = dataclasses.field(default_factory=list)
    gate: Tensor | None = None
    steps: list[int] = dataclasses.field(default_factory=list)

    @torch.no_grad()
    def finish_step(self, step: int) -> None:
        """Let the average and a schedule of steps follow a step of the optimizer.

        Args:
            step: number of the step in its epoch, from 1.
        """
        if isinstance(self.scheduler, OneCycleLR):
            self.scheduler.step()
        if self.ema:
            step_count = sum(self.steps) + step
            share = (1 - self.ema) / (1 - self.ema**step_count)  # 1 of the first step
            for name, parameter in self.model.named_parameters():
                average = self.average.get(name, parameter).to(parameter.device)
                self.average[name] = average.lerp(parameter, share)

    @contextmanager
    def averaged(self) -> Generator[None]:
        """Give the model the averaged weights while the context lasts; its own if there is none."""
        if not self.average:
            yield
            return
        weights = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self._set_parameters(self.average)
        try:
            yield
        finally:
            self._set_parameters(weights)

    @torch.no_grad()
    def _set_parameters(self, values: Mapping[str, Tensor]) -> None:
        parameters = dict(self.model.named_parameters())
        for name, value in values.items():
            parameters[name].copy_(value)

    def finish_epoch(self, gate: list[Tensor], steps: int, valid_loss: float) -> bool:
        """Add a finished epoch; called with the weights that were validated.

        Args:
            gate: weights of the gate in each step; empty for a model without one.
            steps: number of training steps.
            valid_loss: after the epoch; NaN where training diverged.

        Returns:
            Whether the validation loss is the lowest so far.
        """
        self.epoch += 1
        self.steps.append(steps)
        if gate:
            weights = torch.stack(gate).cpu()
            self.gate = weights if self.gate is None else torch.cat([self.gate, weights])
            self.model.end_epoch(torch.stack([x.mean(dim=0) for x in self.gate.split(self.steps)]))
        if isinstance(self.scheduler, ReduceLROnPlateau):
            self.scheduler.step(valid_loss)
        improved = valid_loss < self.best_loss
        if improved:
            self.best_loss = valid_loss
            self.best = {name: x.detach().clone() for name, x in self.model.state_dict().items()}
        return improved

    def gate_rows(self) -> list[dict[str, int | float]]:
        """Gate weights, a row for each training step."""
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
        """Write the state to one file, atomically."""
        tensors = {
            **nested("model", self.model.state_dict()),
            **nested("best", self.best),
            **nested("average", self.average),
            **nested("optimizer", optimizer_tensors(self.optimizer)),
            **({} if self.gate is None else {"gate": self.gate}),
        }
        meta = {
            "epoch": self.epoch,
            "best_loss": self.best_loss,
            "rows": self.rows,
            "steps": self.steps,
            "scheduler": self.scheduler.state_dict(),
            "groups": [
                {name: value for name, value in group.items() if name != "params"}
                for group in self.optimizer.state_dict()["param_groups"]
            ],
        }
        save_tensors(path, tensors, meta)

    def load(self, path: Path) -> None:
        """Restore the state that :meth:`save` wrote; RunError unless all of it fits this one."""
        tensors, meta = load_tensors(path)
        try:
            self._check(tensors, meta)
        except RunError as error:
            raise RunError(
                f"{path}: damaged, or of other settings than this run's ({error}); train again"
            ) from None
        self.model.load_state_dict(unnested("model", tensors))
        self.best, self.average = unnested("best", tensors), unnested("average", tensors)
        restore_optimizer(self.optimizer, unnested("optimizer", tensors), meta["groups"])
        self.scheduler.load_state_dict(meta["scheduler"])
        self.gate = tensors.get("gate")
        self.epoch, self.best_loss = meta["epoch"], meta["best_loss"]
        self.rows, self.steps = meta["rows"], meta["steps"]

    def _check(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Raise RunError at the first tensor or value that is not one of this state."""
        check_progress(meta)
        steps = sum(meta["steps"])
        calls = steps if isinstance(self.scheduler, OneCycleLR) else meta["epoch"]
        check_scheduler(meta.get("scheduler"), self.scheduler, calls)
        check_groups(meta.get("groups"), self.optimizer)
        parts = {
            name: unnested(name, tensors) for name in ("model", "best", "average", "optimizer")
        }
        names = {"gate"}.union(*(nested(part, named) for part, named in parts.items()))
        if unknown := tensors.keys() - names:
            raise RunError(f"unknown tensor '{printable(min(unknown))}'")
        check_weights("weights", parts["model"], self.model.state_dict())
        if parts["best"] or math.isfinite(meta["best_loss"]):
            check_weights("best weights", parts["best"], self.model.state_dict())
            check_finite("best weights", parts["best"])
        check_weights(
            "average", parts["average"], dict(self.model.named_parameters()) if self.ema else {}
        )
        check_moments(parts["optimizer"], self.optimizer, steps)
        check_gate(tensors.get("gate"), self.model.modalities, steps)
        # Where training diverged, weights that are not finite are what it came to.
        if all(math.isfinite(meta["rows"][-1][name]) for name in ("train_loss", "valid_loss")):
            check_finite("weights", parts["model"])
            check_finite("average", parts["average"])
            check_finite("optimizer", parts["optimizer"])
