"""Latent incongruity: how far a modality is pulled apart by the others that it attended to."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from deadpan.data.batching import collate, evaluation_batches, lengths_of
from deadpan.data.dataset import Clip
from deadpan.metrics.incongruity import view_distance
from deadpan.models.base import Model
from deadpan.training.evaluation import EVALUATION_BATCH
from deadpan.types import Modality


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentIncongruity:
    """Latent incongruity of one target modality in each clip.

    The measure is ``deadpan.metrics.incongruity.view_distance``.

    Attributes:
        before: between its two views, one per source, as self-attention receives them.
        after: between the halves of what self-attention returns. Its residual stream carries each
            view in its own half, so they stay what they were, changed by what each took from the
            other; positions, which it adds, are alike in all clips.
    """

    before: Float[np.ndarray, " clip"]
    after: Float[np.ndarray, " clip"]


def latent_incongruity(model: Model, clips: Sequence[Clip]) -> dict[Modality, LatentIncongruity]:
    """Latent incongruity before and after self-attention.

    Args:
        model: its ``attention_paths`` name two crossmodal encoders into a target and one under
            which both views stand: HCT-MG for its primary modality, MulT for each of three.
        clips: at least one, already normalised.

    Returns:
        By target, NaN for a clip that lacks it; empty for a model without such targets, as those
        of one or two modalities and LMF-MulT, which has one view of each.
    """
    targets = _targets(model)
    if not targets:
        return {}
    modules = [name for views, own in targets.values() for name in (*views, own)]
    model.eval()
    by_clip: dict[tuple[Modality, int], tuple[float, float]] = {}
    for chosen in evaluation_batches(lengths_of(clips), EVALUATION_BATCH):
        batch = collate([clips[i] for i in chosen], model.widths)
        with torch.no_grad(), captured(model, modules) as outputs:
            model(batch)
        for target, ((first, second), own) in targets.items():
            for row, index in enumerate(chosen.tolist()):
                steps = len(clips[index].sequences.get(target, ()))  # padding stands last
                views = [outputs[name][row, :steps].numpy() for name in (first, second)]
                halves = outputs[own][row, :steps].chunk(2, dim=1)
                by_clip[target, index] = (
                    view_distance(views[0], views[1]),
                    view_distance(halves[0].numpy(), halves[1].numpy()),
                )
    both = {t: np.array([by_clip[t, i] for i in range(len(clips))]) for t in targets}
    return {t: LatentIncongruity(before=x[:, 0], after=x[:, 1]) for t, x in both.items()}


@contextmanager
def captured(model: Model, modules: Sequence[str]) -> Generator[dict[str, Tensor], None, None]:
    """Keep what these parts of a model return at their last call, by name, while inside."""
    outputs: dict[str, Tensor] = {}

    def keeper(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            outputs[name] = output

        return keep

    hooks = [model.get_submodule(name).register_forward_hook(keeper(name)) for name in modules]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _targets(model: Model) -> dict[Modality, tuple[list[str], str]]:
    """The two crossmodal encoders into each target that has two, and its self-attention."""
    paths = model.attention_paths()
    views: dict[Modality, list[str]] = defaultdict(list)
    for path in paths:
        if path.stage == "crossmodal":
            views[path.target].append(path.module)
    own = {path.target: path.module for path in paths if path.stage == "self"}
    return {t: (views[t], module) for t, module in own.items() if len(views[t]) == 2}
