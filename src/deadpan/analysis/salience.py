"""Salience: how much each step of a clip counts for a prediction, read from attention."""

import copy
import dataclasses
import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float

from deadpan.analysis.attention import ClipAttention, Method, attend_all
from deadpan.data.dataset import Clip
from deadpan.metrics.ranks import rank_correlation
from deadpan.models.base import FUSED, AttentionPath, Model
from deadpan.types import Modality

Steps = Float[np.ndarray, " _step"]

LAYER_SHARES = {
    ("attention", "self"): (0.0, 1.0),
    ("attention", "crossmodal"): (0.5, 0.5),
    ("rollout", "self"): (0.5, 0.5),
    ("rollout", "crossmodal"): (0.5, 0.5),
    ("gradient", "self"): (1.0, 1.0),
    ("gradient", "crossmodal"): (1.0, 1.0),
}
"""What a layer leaves with the step that asks (its residual), and what it hands to those asked."""


def salience(attention: ClipAttention) -> dict[Modality, Steps]:
    """Salience of each real step: where attention leads from the steps that are predicted from.

    A unit of worth stands on what is pooled of each modality's final stream, shared alike among the
    modalities of the clip: on the last real step; on all alike where the model pools their mean; or
    on each by its weight where it attends to them. It goes back through every encoder, last first
    (heads averaged; in a layer with weights A, a step with worth r hands r A to the steps it
    attends to):

    - ``attention``: self-attention hands on all, by the mean of its layers' weights, residuals
      unseen; a crossmodal encoder leaves half with the target's own step and hands half to the
      source's, by the mean of its layers.
    - ``rollout`` (Abnar and Zuidema 2020): layer by layer, half stays for the residual connection
      and half is handed on, in both kinds of encoder.
    - ``gradient`` (Chefer et al. 2021): layer by layer, all stays, and r times the mean over heads
      of (A x gradient)+ is handed on besides; of the absolute output where there is one, of the
      greatest output where there are several. What the pooled step has of itself is taken off.

    The views of a target share its worth alike (under ``gradient`` each has all of it), and a
    source that the clip lacks leaves it to the target. A fused step hands it alike to the steps it
    was made of.

    A step is what the model holds there: in HCT-MG a GRU has already read the steps before it, so
    worth may stand some steps behind what it is due to. Gate weights, values and feed-forward
    parts are seen by ``gradient`` alone.

    Returns:
        By every modality of the model, an array over the clip's steps (none where it is missing):
        non-negative; they sum to 1 over all of them, or, under ``gradient``, to 0 where no weight
        has a positive gradient.
    """
    start = _pooled(attention)
    worth = dict(start)
    for order in sorted({path.order for path in attention.paths}, reverse=True):
        here = [path for path in attention.paths if path.order == order]
        # Encoders of one order read what came before it: what they hand on is met again below.
        before = {name: x for name, x in worth.items() if name not in {p.target for p in here}}
        for target in dict.fromkeys(path.target for path in here):
            views = [path for path in here if path.target == target]
            for path in views:
                own, to_source = _through(attention, path, worth[target])
                before[target] = before.get(target, 0) + own / len(views)
                if path.stage == "crossmodal":
                    share = 1.0 if attention.method == "gradient" else 1 / len(views)
                    before[path.source] = before.get(path.source, 0) + to_source * share
        worth = before
    fused = worth.pop(FUSED, None)
    if fused is not None:
        worth = _unfused(attention, fused, worth)
    if attention.method == "gradient":
        # The step that is pooled counts for itself whatever is attended to: that tells nothing.
        worth = {name: (x - start[name]).clip(min=0) for name, x in worth.items()}
    total = max(sum(x.sum() for x in worth.values()), 1e-12)
    return {name: worth[name] / total for name in attention.modalities}


def saliences(
    model: Model, clips: Sequence[Clip], *, method: Method = "attention"
) -> list[dict[Modality, Steps]]:
    """Salience of every step of many clips, in their order.

    Args:
        model: with attention; put into evaluation mode.
        clips: already normalised.
        method: see :func:`salience`.

    Raises:
        DeadpanError: the model has no attention of ours.
    """
    by_index = {i: salience(each) for i, each in attend_all(model, clips, method=method)}
    return [by_index[i] for i in range(len(clips))]


def _pooled(attention: ClipAttention) -> dict[Modality, Steps]:
    """The steps that are predicted from; every modality that the clip has is worth the same."""
    start: dict[Modality, Steps] = {}
    for name in attention.modalities:
        steps = attention.steps(name)
        start[name] = np.full(steps, 1 / max(steps, 1))
        if attention.pooling == "last":
            start[name] = np.eye(steps)[-1] if steps else np.zeros(0)
        elif attention.pooling == "attention":
            start[name] = attention.pool_weights[name].astype(np.float64)
    if attention.method != "gradient":
        present = max(sum(len(x) > 0 for x in start.values()), 1)
        start = {name: x / present for name, x in start.items()}
    return start


def _through(attention: ClipAttention, path: AttentionPath, worth: Steps) -> tuple[Steps, Steps]:
    """What an encoder leaves with the target's own steps, and what it hands to the source's."""
    keep, take = LAYER_SHARES[attention.method, path.stage]
    if not attention.steps(path.source):  # a source that the clip lacks: the step keeps all
        return worth, np.zeros(0)
    to_source = np.zeros(attention.steps(path.source))
    for weights in reversed(attention.layers[path.module]):
        flow = take * (worth @ weights)
        worth = keep * worth
        if path.stage == "self":
            worth = worth + flow
        else:
            to_source = to_source + flow
    return worth, to_source


def _unfused(
    attention: ClipAttention, fused: Steps, worth: Mapping[Modality, Steps]
) -> dict[Modality, Steps]:
    """Share each fused step among the steps it was made of, one of each modality there is."""
    present = sum(len(x) > 0 for x in worth.values())
    shared = {name: x.copy() for name, x in worth.items()}
    for x in shared.values():
        if len(x):
            np.add.at(x, np.arange(len(fused)) * len(x) // len(fused), fused / present)
    return shared


def conditional_salience(
    model: Model, attention: ClipAttention, target: Modality
) -> dict[tuple[Modality, ...], Steps]:
    """The target's salience when the clip keeps only some of its other modalities.

    The others count as missing, as the models know it: with none of them only self-attention is
    left (the paper's experiment 2), with one it is that crossmodal attention alone (experiment 3).

    Args:
        model: asked about the clip with fewer modalities.
        attention: of the whole clip.
        target: a modality that the clip has.

    Returns:
        By the other modalities that are kept, none first and all last: an array over the target's
        steps that sums to 1 (or to 0; see :func:`salience`).
    """
    others = [m for m in attention.modalities if m != target and attention.steps(m)]
    subsets = [subset for size in range(len(others)) for subset in combinations(others, size)]
    clips = [only(attention.clip, (target, *subset)) for subset in subsets]
    reduced = dict(attend_all(model, clips, method=attention.method))
    by_subset = {subset: salience_of(reduced[i], target) for i, subset in enumerate(subsets)}
    return by_subset | {tuple(others): salience_of(attention, target)}


def salience_of(attention: ClipAttention, target: Modality) -> Steps:
    """The salience of the target's steps alone: they sum to 1, or to 0; see :func:`salience`."""
    values = salience(attention)[target]
    total = values.sum()
    return values / total if total else values


def only(clip: Clip, modalities: Sequence[Modality]) -> Clip:
    """The clip without its other modalities."""
    sequences = {name: x for name, x in clip.sequences.items() if name in modalities}
    return dataclasses.replace(clip, sequences=sequences)


def shuffled(model: Model, *, seed: int = 0) -> Model:
    """Copy a model with the numbers of every weight tensor shuffled; the gate stays.

    Their distribution is kept, so that nothing changes but what training arranged; and with the
    gate the primary modality, so that the same maps are compared.
    """
    generator = torch.Generator().manual_seed(seed)
    twin = copy.deepcopy(model)
    gate = {id(parameter) for parameter in twin.gate_parameters()}
    with torch.no_grad():
        for parameter in twin.parameters():
            if id(parameter) not in gate:
                order = torch.randperm(parameter.numel(), generator=generator)
                parameter.copy_(parameter.flatten()[order].view_as(parameter))
    return twin


def randomisation_check(
    model: Model, clips: Sequence[Clip], *, method: Method = "attention", seeds: int = 3
) -> dict[Modality, float]:
    """Rank correlation of salience under trained and under shuffled weights.

    The model parameter randomisation test of Adebayo et al. 2018, Sanity Checks for Saliency Maps,
    all layers at once. Near 0: salience shows what was learned. Near 1: it shows the architecture
    (positions, masks, the residual of the last step), and explains nothing.

    Args:
        model: trained.
        clips: already normalised.
        method: see :func:`salience`.
        seeds: shuffles that are tried.

    Returns:
        By modality the mean of Spearman's rho, in [-1, 1], over clips with 3 steps or more and
        over shuffles; NaN where there is no such clip, or salience is the same for all steps.
    """
    trained = saliences(model, clips, method=method)
    by_modality: dict[Modality, list[float]] = {name: [] for name in model.modalities}
    for seed in range(seeds):
        random = saliences(shuffled(model, seed=seed), clips, method=method)
        for name, values in by_modality.items():
            pairs = [(a[name], b[name]) for a, b in zip(trained, random, strict=True)]
            values += [rank_correlation(a, b) for a, b in pairs if len(a) >= 3]
    return {name: _mean(values) for name, values in by_modality.items()}


def _mean(values: Sequence[float]) -> float:
    defined = [x for x in values if not math.isnan(x)]
    return sum(defined) / len(defined) if defined else math.nan
