"""From the weights that attention gave to what each step of each modality was worth."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from deadpan.data.batching import collate
from deadpan.data.dataset import Clip
from deadpan.errors import DeadpanError
from deadpan.layers.attention import Maps, record_attention
from deadpan.models.base import FUSED, AttentionPath, Model
from deadpan.types import Modality

Method = Literal["attention", "rollout", "gradient"]
Layers = list[Float[Tensor, "clip step source_step"]]

KEPT_AND_TAKEN = {
    ("attention", "self"): (0.0, 1.0),
    ("attention", "crossmodal"): (0.5, 0.5),
    ("rollout", "self"): (0.5, 0.5),
    ("rollout", "crossmodal"): (0.5, 0.5),
    ("gradient", "self"): (1.0, 1.0),
    ("gradient", "crossmodal"): (1.0, 1.0),
}
"""What a layer leaves with the step that asks (its residual), and what it hands to those asked."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """What a model attended to in some clips, heads combined.

    Attributes:
        paths: of the model.
        layers: by encoder; ``attention`` has one entry, the mean of the layers.
        lengths: real steps of each clip by modality, and of the fused stream.
        pooling: of the model.
        method: how heads were combined.
    """

    paths: tuple[AttentionPath, ...]
    layers: Mapping[str, Layers]
    lengths: Mapping[str, Int[Tensor, " clip"]]
    pooling: Literal["last", "mean"]
    method: Method


def paths_of(model: Model) -> tuple[AttentionPath, ...]:
    """What the model's encoders attend to; DeadpanError where it has none."""
    if paths := model.attention_paths():
        return paths
    raise DeadpanError(
        f"{type(model).__name__} has no attention to explain; give a model that attends, such as "
        "HCTMG, MulT or LMFMulT"
    )


def attend(model: Model, clips: Sequence[Clip], *, method: Method) -> Record:
    """Run the model over a batch of clips, in evaluation mode, and keep what it attended to.

    Raises:
        DeadpanError: the model has no attention of ours.
    """
    paths = paths_of(model)
    model.eval()
    batch = collate(clips, model.widths)
    with record_attention(model) as maps, torch.set_grad_enabled(method == "gradient"):
        prediction = model(batch).prediction
    lengths = {name: batch.masks[name].sum(dim=1) for name in model.modalities}
    lengths[FUSED] = torch.stack(list(lengths.values())).amax(dim=0)
    by_call = _gradient_weighted(maps, prediction) if method == "gradient" else _mean_heads(maps)
    layers: dict[str, Layers] = {}
    for name, weights in by_call.items():
        layers.setdefault(name.partition(".layers.")[0], []).append(weights)
    if method == "attention":
        layers = {name: [torch.stack(each).mean(dim=0)] for name, each in layers.items()}
    return Record(paths=paths, layers=layers, lengths=lengths, pooling=model.pooling, method=method)


def _mean_heads(maps: Maps) -> dict[str, Float[Tensor, "clip step source_step"]]:
    return {name: calls[0].mean(dim=1) for name, calls in maps.items() if calls}


def _gradient_weighted(
    maps: Maps, prediction: Float[Tensor, "clip output"]
) -> dict[str, Float[Tensor, "clip step source_step"]]:
    """Positive part of attention times the gradient of what is explained, mean of the heads."""
    used = {name: calls[0] for name, calls in maps.items() if calls}
    one = prediction.shape[1] == 1
    explained = prediction.abs().sum() if one else prediction.amax(dim=1).sum()
    gradients = torch.autograd.grad(explained, list(used.values()), materialize_grads=True)
    return {
        name: (weights * gradient).detach().clamp(min=0).mean(dim=1)
        for (name, weights), gradient in zip(used.items(), gradients, strict=True)
    }


def flow(record: Record) -> dict[Modality, Float[Tensor, "clip step"]]:
    """Follow attention from what is pooled back to the steps that came in; see ``salience``."""
    started = _pooled(record)
    worth = dict(started)
    for order in sorted({path.order for path in record.paths}, reverse=True):
        here = [path for path in record.paths if path.order == order]
        # Encoders of one order read what came before it: what they hand on is met again below.
        before = {name: x for name, x in worth.items() if name not in {p.target for p in here}}
        for target in dict.fromkeys(path.target for path in here):
            views = [path for path in here if path.target == target]
            for path in views:
                own, given = _carried(record, path, worth[target])
                _add(before, target, own / len(views))
                if path.stage == "crossmodal":
                    share = 1.0 if record.method == "gradient" else 1 / len(views)
                    _add(before, path.source, given * share)
        worth = before
    fused = worth.pop(FUSED, None)
    if fused is not None:
        worth = _unfused(record, fused, worth)
    if record.method == "gradient":
        # The step that is pooled counts for itself whatever is attended to: that tells nothing.
        worth = {name: (x - started[name]).clamp(min=0) for name, x in worth.items()}
    total = torch.stack([x.sum(dim=1) for x in worth.values()]).sum(dim=0)
    return {name: x / total.clamp(min=1e-12)[:, None] for name, x in worth.items()}


def _add(worth: dict[str, Tensor], name: str, more: Tensor) -> None:
    worth[name] = worth[name] + more if name in worth else more


def _pooled(record: Record) -> dict[Modality, Float[Tensor, "clip step"]]:
    """The steps that are predicted from: alike for every modality that a clip has."""
    found: dict[Modality, Tensor] = {}
    for name, length in record.lengths.items():
        if name != FUSED:
            step = torch.arange(max(int(length.max()), 1))
            real = step < length[:, None]
            last = step == length[:, None] - 1
            mean = real / length.clamp(min=1)[:, None]
            found[name] = last.float() if record.pooling == "last" else mean
    if record.method != "gradient":
        present = torch.stack([record.lengths[name] > 0 for name in found]).sum(dim=0)
        found = {name: x / present.clamp(min=1)[:, None] for name, x in found.items()}
    return found


def _carried(
    record: Record, path: AttentionPath, worth: Float[Tensor, "clip step"]
) -> tuple[Float[Tensor, "clip step"], Float[Tensor, "clip source_step"]]:
    """What an encoder leaves with the target's own steps, and what it hands to the source's."""
    keep, take = KEPT_AND_TAKEN[record.method, path.stage]
    # A source that a clip lacks is given nothing: the step keeps all.
    kept = torch.where(record.lengths[path.source] > 0, keep, 1.0)[:, None]
    given = None
    for weights in reversed(record.layers[path.module]):
        handed = take * torch.einsum("ct,cts->cs", worth, weights)
        worth = kept * worth
        if path.stage == "self":
            worth = worth + handed
        else:
            given = handed if given is None else given + handed
    return worth, worth if given is None else given


def _unfused(
    record: Record, fused: Float[Tensor, "clip step"], worth: Mapping[Modality, Tensor]
) -> dict[Modality, Tensor]:
    """Share each fused step among the steps it was made of, one of each modality there is."""
    longest = record.lengths[FUSED]
    present = torch.stack([record.lengths[name] > 0 for name in worth]).sum(dim=0)
    share = fused / present.clamp(min=1)[:, None]
    place = torch.arange(fused.shape[1])
    found: dict[Modality, Tensor] = {}
    for name, x in worth.items():
        length = record.lengths[name][:, None]
        index = (place * length // longest.clamp(min=1)[:, None]).clamp(max=x.shape[1] - 1)
        real = (place < longest[:, None]) & (length > 0)
        found[name] = x.scatter_add(1, index, share * real)
    return found
