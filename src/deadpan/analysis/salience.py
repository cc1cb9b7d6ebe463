"""How much each step of a clip counts for what a model says of it, read from its attention."""

import copy
import dataclasses
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Float

from deadpan.analysis.attention_flow import Method, attend, flow, paths_of
from deadpan.data.batching import lengths_of
from deadpan.data.dataset import Clip
from deadpan.errors import DeadpanError, unknown_name
from deadpan.metrics.ranks import rank_correlation
from deadpan.models.base import AttentionPath, Model
from deadpan.types import TEXT, VISION, Modality

BUDGET = 1 << 23
"""Pairs of steps whose weights are kept at once, over the clips of a batch."""


def salience(
    model: Model, clips: Sequence[Clip], *, method: Method = "attention"
) -> list[dict[Modality, Float[np.ndarray, " step"]]]:
    """How much each real step counts, by where attention leads from what is predicted from.

    A unit of worth stands on the step that is pooled (the last real one, or all alike where the
    model pools their mean) of each modality's final stream, shared alike among the modalities of
    the clip. It goes back through every encoder, last first (heads averaged; in a layer with
    weights A, a step with worth r hands r A to the steps it attends to):

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

    Args:
        model: with attention; put into evaluation mode.
        clips: already normalised.
        method: see above.

    Returns:
        Per clip, by every modality of the model, an array over its steps (none where it is
        missing): non-negative; they sum to 1 over all of them, or, under ``gradient``, to 0 where
        no weight has a positive gradient.

    Raises:
        DeadpanError: a model without attention.
    """
    found: dict[int, dict[Modality, np.ndarray]] = {}
    for chosen in _batches(clips):
        worth = flow(attend(model, [clips[i] for i in chosen], method=method))
        for row, i in enumerate(chosen):
            found[i] = {
                name: x[row, : len(clips[i].sequences.get(name, ()))].double().numpy()
                for name, x in worth.items()
            }
    return [found[i] for i in range(len(clips))]


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


def salience_given(
    model: Model, clip: Clip, target: Modality, *, method: Method = "attention"
) -> dict[tuple[Modality, ...], Float[np.ndarray, " step"]]:
    """The target's salience when the clip keeps only some of its other modalities.

    The others count as missing, as the models know it: with none of them only self-attention is
    left (the paper's experiment 2), with one it is that crossmodal attention alone (experiment 3).

    Returns:
        By the other modalities that are kept, none first and all last: an array over the target's
        steps that sums to 1 (or to 0; see :func:`salience`).

    Raises:
        DeadpanError: the model or the clip lacks the target.
    """
    require(model, clip, target)
    others = [name for name in model.modalities if name != target and name in present(clip)]
    kept = [which for size in range(len(others) + 1) for which in combinations(others, size)]
    reduced = [only(clip, (target, *which)) for which in kept]
    found = [each[target] for each in salience(model, reduced, method=method)]
    return {
        which: x / total if (total := x.sum()) else x for which, x in zip(kept, found, strict=True)
    }


def crossmodal_map(
    model: Model,
    clip: Clip,
    *,
    source: Modality,
    target: Modality,
    method: Method = "attention",
) -> Float[np.ndarray, "step source_step"]:
    """What each step of the target attends to in the source, over all heads and layers.

    Under ``attention`` the mean of the layers; under ``rollout`` layer l of L counts 2^l (each
    later one halves what the earlier ones left); rows sum to 1 under both, as the weights of a head
    do. Under ``gradient`` the sum of the layers. In HCT-MG the source of the primary is already
    enhanced by the other auxiliary.

    Args:
        model: with attention.
        clip: already normalised.
        source: who answers; a modality, or ``fused`` in LMF-MulT.
        target: who asks.
        method: see :func:`salience`.

    Raises:
        DeadpanError: a model without attention, unknown names, a pair that the model does not
            join, or a clip that lacks one of them.
    """
    path = crossmodal_path(model, source=source, target=target)
    for name in (source, target):
        if name in model.modalities:
            require(model, clip, name)
    record = attend(model, [clip], method=method)
    layers = record.layers[path.module]
    halves = [2.0**place for place in range(len(layers))]
    rates = [rate / sum(halves) for rate in halves] if method == "rollout" else [1.0] * len(layers)
    weighted = [rate * weights[0] for rate, weights in zip(rates, layers, strict=True)]
    found = torch.stack(weighted).sum(dim=0)
    rows, columns = int(record.lengths[target][0]), int(record.lengths[source][0])
    return found[:rows, :columns].double().numpy()


def crossmodal_path(
    model: Model, *, source: Modality | None = None, target: Modality | None = None
) -> AttentionPath:
    """The crossmodal encoder of a pair; what is left open is text as target, vision as source.

    Raises:
        DeadpanError: unknown names, or a pair that the model does not join.
    """
    paths = [path for path in paths_of(model) if path.stage == "crossmodal"]
    known = dict.fromkeys([*model.modalities, *(path.source for path in paths)])
    for kind, name in (("source", source), ("target", target)):
        if name is not None and name not in known:
            raise DeadpanError(unknown_name(f"{kind} of {type(model).__name__}", name, known))
    fitting = [p for p in paths if source in (None, p.source) and target in (None, p.target)]
    if not fitting:
        pairs = ", ".join(f"{path.source} to {path.target}" for path in paths) or "none"
        raise DeadpanError(
            f"{type(model).__name__}: {target or 'nothing'} does not attend to "
            f"{source or 'anything'} in this run; give --source and --target of one of its pairs "
            f"({pairs})"
        )
    return min(fitting, key=lambda path: (path.target != TEXT, path.source != VISION))


def present(clip: Clip) -> tuple[Modality, ...]:
    """The modalities of which the clip has a step."""
    return tuple(name for name, x in clip.sequences.items() if len(x))


def only(clip: Clip, modalities: Sequence[Modality]) -> Clip:
    """The clip without its other modalities."""
    kept = {name: x for name, x in clip.sequences.items() if name in modalities}
    return dataclasses.replace(clip, sequences=kept)


def require(model: Model, clip: Clip, modality: Modality) -> None:
    """Raise DeadpanError unless the model knows the modality and the clip has it."""
    if modality not in model.modalities:
        raise DeadpanError(
            unknown_name(f"modality of {type(model).__name__}", modality, model.modalities)
        )
    if modality not in present(clip):
        have = ", ".join(present(clip)) or "none"
        raise DeadpanError(
            f"clip '{clip.id}' has no {modality} (found {have}); give a clip that has, or another "
            "--source and --target"
        )


def randomised(model: Model, *, seed: int = 0) -> Model:
    """A copy whose every weight tensor has its numbers in a random order; the gate stays.

    Their distribution is kept, so that nothing changes but what training arranged; and with the
    gate the primary modality, so that the same maps are compared.
    """
    generator = torch.Generator().manual_seed(seed)
    twin = copy.deepcopy(model)
    kept = {id(parameter) for parameter in twin.gate_parameters()}
    with torch.no_grad():
        for parameter in twin.parameters():
            if id(parameter) not in kept:
                order = torch.randperm(parameter.numel(), generator=generator)
                parameter.copy_(parameter.flatten()[order].view_as(parameter))
    return twin


def randomisation_check(
    model: Model, clips: Sequence[Clip], *, method: Method = "attention", seeds: int = 3
) -> dict[Modality, float]:
    """Rank correlation of salience under trained and under disordered weights.

    The model parameter randomisation test of Adebayo et al. 2018, Sanity Checks for Saliency Maps,
    all layers at once. Near 0: salience shows what was learned. Near 1: it shows the architecture
    (positions, masks, the residual of the last step), and explains nothing.

    Args:
        model: trained.
        clips: already normalised.
        method: of :func:`deadpan.analysis.salience.salience`.
        seeds: disorders that are tried.

    Returns:
        By modality the mean of Spearman's rho, in [-1, 1], over clips with 3 steps or more and
        over disorders; NaN where there is no such clip, or salience is the same for all steps.
    """
    trained = salience(model, clips, method=method)
    found: dict[Modality, list[float]] = {name: [] for name in model.modalities}
    for seed in range(seeds):
        other = salience(randomised(model, seed=seed), clips, method=method)
        for name, values in found.items():
            pairs = [(mine[name], its[name]) for mine, its in zip(trained, other, strict=True)]
            values += [rank_correlation(a, b) for a, b in pairs if len(a) >= 3]
    return {name: _mean(values) for name, values in found.items()}


def _mean(values: Sequence[float]) -> float:
    known: Float[np.ndarray, " clip"] = np.array([x for x in values if x == x])  # noqa: PLR0124
    return float(known.mean()) if len(known) else float("nan")
