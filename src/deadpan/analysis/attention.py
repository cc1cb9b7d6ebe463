"""What a model attended to in a clip: the model is asked once, every analysis reads the answer."""

import dataclasses
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from deadpan.data.batching import collate, lengths_of
from deadpan.data.dataset import Clip
from deadpan.errors import DeadpanError
from deadpan.layers.attention import Maps, record_attention
from deadpan.layers.pooling import Pool, Pooling
from deadpan.models.base import FUSED, AttentionPath, Model
from deadpan.types import Modality

Method = Literal["attention", "rollout", "gradient"]

BUDGET = 1 << 23
"""Pairs of steps whose weights are kept at once, over the clips of a batch."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipAttention:
    """What a model attended to in one clip, heads combined.

    Attributes:
        clip: as the model was given it.
        modalities: of the model.
        paths: of the model.
        layers: by encoder the weights of each layer, without padding; ``attention`` has one entry,
            the mean of the layers.
        pooling: of the model.
        pool_weights: of each modality's steps, where the model pools them by attention.
        method: how heads were combined.
    """

    clip: Clip
    modalities: tuple[Modality, ...]
    paths: tuple[AttentionPath, ...]
    layers: Mapping[str, Sequence[Float[np.ndarray, "_step _source_step"]]]
    pooling: Pooling
    method: Method
    pool_weights: Mapping[Modality, Float[np.ndarray, " _step"]] = dataclasses.field(
        default_factory=dict
    )

    def steps(self, name: str) -> int:
        """How many steps the clip has of a modality, or of the fused stream."""
        if name == FUSED:
            return max(map(self.steps, self.modalities))
        return len(self.clip.sequences.get(name, ()))


def attend(model: Model, clip: Clip, *, method: Method = "attention") -> ClipAttention:
    """Run the model over a clip, in evaluation mode, and keep what it attended to.

    Raises:
        DeadpanError: the model has no attention of ours.
    """
    ((_, attention),) = attend_all(model, [clip], method=method)
    return attention


def attend_all(
    model: Model, clips: Sequence[Clip], *, method: Method = "attention"
) -> Iterator[tuple[int, ClipAttention]]:
    """Attention of many clips, each with its index: clips of similar length go together.

    Args:
        model: with attention; put into evaluation mode.
        clips: already normalised.
        method: ``gradient`` weighs the heads by the gradient of the output, the others alike.

    Raises:
        DeadpanError: the model has no attention of ours.
    """
    paths = attention_paths(model)
    for chosen in _batches(clips):
        layers, pool_weights = _attended(model, [clips[i] for i in chosen], method)
        for row, i in enumerate(chosen):
            attention = ClipAttention(
                clip=clips[i],
                modalities=model.modalities,
                paths=paths,
                layers={},
                pooling=model.pooling,
                method=method,
            )
            own = {
                path.module: [
                    weights[row, : attention.steps(path.target), : attention.steps(path.source)]
                    for weights in layers[path.module]
                ]
                for path in paths
            }
            pooled = {m: x[row, : attention.steps(m)] for m, x in pool_weights.items()}
            yield i, dataclasses.replace(attention, layers=own, pool_weights=pooled)


def attention_paths(model: Model) -> tuple[AttentionPath, ...]:
    """What the model's encoders attend to; DeadpanError where it has none."""
    if paths := model.attention_paths():
        return paths
    raise DeadpanError(
        f"{type(model).__name__} has no attention to explain; give a model that attends, such as "
        "HCTMG, MulT or LMFMulT"
    )


def _batches(clips: Sequence[Clip]) -> Iterator[list[int]]:
    """Clips of similar length, as many at once as the budget lets."""
    steps = lengths_of(clips)
    batch: list[int] = []
    for i in np.argsort(steps, kind="stable").tolist():
        if batch and (len(batch) + 1) * int(steps[i]) ** 2 > BUDGET:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _attended(
    model: Model, clips: Sequence[Clip], method: Method
) -> tuple[
    dict[str, list[Float[np.ndarray, "clip step source_step"]]],
    dict[Modality, Float[np.ndarray, "clip _step"]],
]:
    """The layers of each encoder, and weights of attention pooling, over a batch, padded."""
    model.eval()
    batch = collate(clips, model.widths)
    gradients = torch.set_grad_enabled(method == "gradient")
    with record_attention(model) as maps, _recorded_pools(model) as pool_weights, gradients:
        prediction = model(batch).prediction
    by_call = _gradient_weighted(maps, prediction) if method == "gradient" else _mean_heads(maps)
    layers: dict[str, list[np.ndarray]] = {}
    for name, weights in by_call.items():
        layers.setdefault(name.partition(".layers.")[0], []).append(weights.numpy())
    if method == "attention":
        layers = {name: [np.stack(each).mean(axis=0)] for name, each in layers.items()}
    return layers, pool_weights


@contextmanager
def _recorded_pools(model: Model) -> Generator[dict[Modality, Float[np.ndarray, "clip _step"]]]:
    """Record the weights of a model's attention pooling while the context lasts."""
    weights: dict[Modality, np.ndarray] = {}

    def record(name: Modality) -> Callable[[Pool, tuple[Tensor, Tensor], Tensor], None]:
        def hook(pool: Pool, inputs: tuple[Tensor, Tensor], _: Tensor) -> None:
            weights[name] = pool.weights(*inputs).detach().numpy()

        return hook

    pools = model.final_pools() if model.pooling == "attention" else {}
    hooks = [pool.register_forward_hook(record(name)) for name, pool in pools.items()]
    try:
        yield weights
    finally:
        for hook in hooks:
            hook.remove()


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
