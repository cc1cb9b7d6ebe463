"""Where the time of a training epoch goes, forwards and backwards, by part of HCT-MG."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import nn
from torch.autograd.profiler import record_function
from torch.nn.utils import clip_grad_norm_
from torch.profiler import ProfilerActivity, profile

from deadpan.data.batching import collate
from deadpan.data.dataset import Clip
from deadpan.models import HCTMG
from deadpan.training.run import make_optimizer
from workloads.epochs import loss_of

MARK = "part: "
METHODS = {"_project": "projections", "_fuse": "crossmodal"}
"""Of HCTMG; one that is no longer there is looked for in vain, and its time is "other"."""
OTHER = "other"


def shares(model: HCTMG, clips: Sequence[Clip], batches: Sequence[np.ndarray]) -> dict[str, float]:
    """The share of each part in the time of training steps; they sum to 1.

    A gradient's time is that of the part whose operation it belongs to. Watching slows small
    operations down more than large ones: shares are to be taken with that grain of salt.
    """
    optimizer = make_optimizer(model, learning_rate=1e-3, gate_learning_rate=None, weight_decay=0.0)
    undo = _marked(model)

    def step(chosen: np.ndarray) -> None:
        with record_function(MARK + "collate"):
            batch = collate([clips[i] for i in chosen], model.widths)
        loss = loss_of(model, batch)
        loss.backward()
        with record_function(MARK + "clipping"):
            clip_grad_norm_(model.parameters(), 0.8)
        with record_function(MARK + "optimizer"):
            optimizer.step()
            optimizer.zero_grad()

    try:
        model.train()
        step(batches[0])
        with profile(activities=[ProfilerActivity.CPU]) as watched:
            for chosen in batches:
                step(chosen)
    finally:
        undo()
    times = _by_part(watched.events())
    whole = sum(times.values())
    return {part: time / whole for part, time in times.most_common()}


def _marked(model: HCTMG) -> Callable[[], None]:
    """Mark what the parts do; returns what takes the marks off."""
    hooks: list[Any] = []
    modules = [(x, "crossmodal") for x in model.crossmodal.children()]
    modules += [(model.self_attention, "self-attention"), (model.head, "head")]
    modules += [(model.recurrent, "GRU")]
    for module, part in modules:
        hooks += _hooks(module, part)
    replaced = [name for name in METHODS if hasattr(model, name)]
    for name in replaced:
        setattr(model, name, _wrapped(getattr(model, name), METHODS[name]))

    def undo() -> None:
        for hook in hooks:
            hook.remove()
        for name in replaced:
            delattr(model, name)

    return undo


def _hooks(module: nn.Module, part: str) -> list[Any]:
    open_: list[record_function] = []

    def enter(*_: Any) -> None:
        open_.append(record_function(MARK + part))
        open_[-1].__enter__()

    def leave(*_: Any) -> None:
        open_.pop().__exit__(None, None, None)

    return [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]


def _wrapped(call: Callable[..., Any], part: str) -> Callable[..., Any]:
    def marked(*arguments: Any, **options: Any) -> Any:
        with record_function(MARK + part):
            return call(*arguments, **options)

    return marked


def _by_part(events: Any) -> Counter[str]:
    """Microseconds; the innermost mark counts."""
    of_operation: dict[int, str] = {}
    for event in events:
        if event.sequence_nr >= 0 and not _backward(event) and (part := _mark(event)):
            of_operation[event.sequence_nr] = part
    times: Counter[str] = Counter()
    for event in events:
        part = _mark(event)
        above = event
        while part is None and above is not None:
            if _backward(above):
                part = of_operation.get(above.sequence_nr)
            above = above.cpu_parent
        times[part or OTHER] += event.self_cpu_time_total
    return times


def _backward(event: Any) -> bool:
    return event.name.startswith("autograd::engine::evaluate_function")


def _mark(event: Any) -> str | None:
    while event is not None:
        if event.name.startswith(MARK):
            return event.name.removeprefix(MARK)
        event = event.cpu_parent
    return None
