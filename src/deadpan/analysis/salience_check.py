"""Whether salience depends on what was learned: weights thrown into disorder must destroy it."""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float

from deadpan.analysis.attention_flow import Method
from deadpan.analysis.salience import salience
from deadpan.data.dataset import Clip
from deadpan.metrics.ranks import rank_correlation
from deadpan.models.base import Model
from deadpan.types import Modality


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
