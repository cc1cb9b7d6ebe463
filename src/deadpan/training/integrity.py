"""Checks of the tensors and values in a run's files, before any of them is used.

A file may be damaged, edited, or made by a stranger. torch trusts the shape of an optimizer's
moments, for example: a wrong one lets its kernels write beyond the end of an array.
"""

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from deadpan.data.containers.files import printable
from deadpan.errors import RunError


def check_weights(part: str, tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raise RunError unless tensors have the names, shapes and types of a model's.

    Args:
        part: what the tensors are, for the message.
        tensors: as read from the file.
        wanted: the state of the model, which may be on the meta device.
    """
    for name in [*wanted, *tensors]:
        if name not in tensors or name not in wanted:
            lack = "lack" if name in wanted else "have an unknown"
            raise RunError(f"{part} {lack} '{printable(name)}'")
        _check_tensor(f"{part} '{name}'", tensors[name], wanted[name].shape, wanted[name].dtype)


def check_finite(part: str, tensors: Mapping[str, Tensor]) -> None:
    """Raise RunError at the first tensor that holds NaN or infinity."""
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise RunError(f"{part} '{printable(name)}' is not finite")


def _check_tensor(name: str, tensor: Tensor, shape: Sequence[int], dtype: torch.dtype) -> None:
    if tensor.dtype != dtype or tensor.shape != torch.Size(shape):
        actual, wanted = (
            f"{d} {list(s)}" for d, s in ((tensor.dtype, tensor.shape), (dtype, shape))
        )
        raise RunError(f"{name} is {actual}, wanted {wanted}".replace("torch.", ""))


def check_moments(tensors: Mapping[str, Tensor], optimizer: Optimizer, steps: int) -> None:
    """Raise RunError unless tensors are moments of Adam over an optimizer's parameters.

    Args:
        tensors: by ``parameter index/moment``, all moments or none of a parameter.
        optimizer: of the run.
        steps: training steps so far; no parameter can have been moved more often.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    indices: set[int] = set()
    for name in tensors:
        match = re.fullmatch(r"(0|[1-9]\d{0,8})/(step|exp_avg|exp_avg_sq)", name)
        if match is None or int(match[1]) >= len(parameters):
            count = len(parameters)
            raise RunError(f"optimizer has no '{printable(name)}' over {count} parameters")
        indices.add(int(match[1]))
    for index in indices:
        for moment in ("step", "exp_avg", "exp_avg_sq"):
            name = f"{index}/{moment}"
            if name not in tensors:
                raise RunError(f"optimizer lacks '{name}'")
            like = torch.zeros(()) if moment == "step" else parameters[index]
            _check_tensor(f"optimizer '{name}'", tensors[name], like.shape, like.dtype)
        count = tensors[f"{index}/step"].item()
        if not (1 <= count <= steps and count == int(count)):
            raise RunError(f"optimizer '{index}/step' is {count:g} after {steps} training steps")
        if (tensors[f"{index}/exp_avg_sq"] < 0).any():
            raise RunError(f"optimizer '{index}/exp_avg_sq' is negative, a mean of squares")


def check_groups(groups: object, optimizer: Optimizer) -> None:
    """Raise RunError unless values are the settings of an optimizer's groups, in their ranges."""
    current = optimizer.state_dict()["param_groups"]
    if not isinstance(groups, list) or len(cast("list[object]", groups)) != len(current):
        raise RunError(f"metadata 'groups' are not those of {len(current)} groups of parameters")
    for group, wanted in zip(cast("list[object]", groups), current, strict=True):
        for key, value in _entries("groups", group).items():
            expected = wanted.get(key)
            if key == "betas":
                valid = _are_numbers(value, 2) and all(0 <= beta < 1 for beta in value)
            elif key == "eps" or (key in wanted and _is_number(expected)):
                valid = _is_number(value) and (value > 0 if key == "eps" else 0 <= value < math.inf)
            else:  # a flag: an older version of torch or deadpan may not have set it
                valid = key in wanted and key != "params" and (value in (None, False, expected))
            if not valid:
                raise RunError(f"metadata 'groups' have {printable(key)} = {_shown(value)}")


def check_scheduler(values: object, scheduler: ReduceLROnPlateau | OneCycleLR, calls: int) -> None:
    """Raise RunError unless values are the state of a scheduler that was called so often."""
    wanted = scheduler.state_dict()
    for key, value in _entries("scheduler", values).items():
        expected = wanted.get(key)
        if isinstance(expected, str | bool) or key in ("total_steps", "_schedule_phases"):
            valid = value == expected
        elif isinstance(expected, list):
            valid = _are_numbers(value, len(cast("list[object]", expected)))
            valid = valid and all(0 <= x < math.inf for x in value)
        elif key == "last_epoch":
            valid = value == calls
        elif key in ("best", "mode_worse"):
            valid = _is_number(value)
        else:
            valid = _is_number(expected) and _is_number(value) and 0 <= value < math.inf
        if not valid:
            raise RunError(f"metadata 'scheduler' has {printable(key)} = {_shown(value)}")


def check_progress(meta: Mapping[str, Any]) -> None:
    """Raise RunError unless the counts, rows and best loss of a checkpoint fit each other."""
    epoch, rows, steps = (meta.get(name) for name in ("epoch", "rows", "steps"))
    if type(epoch) is not int or epoch < 1:
        raise RunError(f"metadata 'epoch' is {_shown(epoch)}")
    if not isinstance(steps, list) or len(steps) != epoch or not all(map(_is_count, steps)):
        raise RunError(f"metadata 'steps' do not count the steps of {epoch} epochs")
    if not isinstance(rows, list) or len(rows) != epoch:
        raise RunError(f"metadata 'rows' are not those of {epoch} epochs")
    for number, row in enumerate(rows, start=1):
        entries = _entries("rows", row)
        numeric = all(_is_number(x) or x != x for x in entries.values())  # NaN of a divergence
        if not numeric or entries.get("epoch") != number or entries.keys() != rows[0].keys():
            raise RunError(f"metadata 'rows' hold {_shown(row)} for epoch {number}")
    if {"train_loss", "valid_loss"} - rows[0].keys():
        raise RunError("metadata 'rows' have no losses")
    if not _is_number(meta.get("best_loss")):
        raise RunError(f"metadata 'best_loss' is {_shown(meta.get('best_loss'))}")


def check_gate(gate: Tensor | None, modalities: Sequence[str], steps: int) -> None:
    """Raise RunError unless gate weights are there for every training step; None where none is."""
    if gate is None:
        return
    if not gate.dtype.is_floating_point or gate.shape != (steps, len(modalities)):
        raise RunError(f"tensor 'gate' has shape {list(gate.shape)} after {steps} training steps")
    # Written as a table, and averaged to decide when the gate freezes.
    check_finite("tensor", {"gate": gate})


def check_widths(values: object) -> dict[str, int]:
    """Features per step of each modality; RunError if the value is no such mapping."""
    entries = _entries("widths", values)
    if not entries or not all(map(_is_count, entries.values())):
        raise RunError(f"metadata 'widths' are {_shown(values)}")
    return entries


def _entries(name: str, value: object) -> dict[str, Any]:
    """A JSON object; RunError for any other value."""
    if not isinstance(value, dict):
        raise RunError(f"metadata '{name}' hold {_shown(value)}, wanted values by name")
    return cast("dict[str, Any]", value)


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 1


def _is_number(value: object) -> bool:
    """Whether a value of JSON is a number that a float can hold; NaN is none."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) <= sys.float_info.max
    return isinstance(value, float) and value == value


def _are_numbers(value: object, count: int) -> bool:
    entries = cast("list[object]", value) if isinstance(value, list) else []
    return len(entries) == count and all(map(_is_number, entries))


def _shown(value: object) -> str:
    return printable(json.dumps(value))
