"""What a gate does that has nothing to learn: the null of the claim that it converges."""

import dataclasses
from functools import cache

import numpy as np
import torch

from deadpan.models.hct_mg import converged

RUNS, SEED = 400, 20261127


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoisyGates:
    """Gates that noise moves.

    Attributes:
        frozen: the share that are frozen before the last epoch.
        largest: the mean of their largest weights in the last epoch.
        furthest: the largest weight of a gate all of whose steps go to one modality, in that epoch.
    """

    frozen: float
    largest: float
    furthest: float


@cache
def moved_by_noise(
    modalities: int, epochs: int, steps: int, learning_rate: float, runs: int = RUNS
) -> NoisyGates:
    """Simulate gates whose gradients are noise alone.

    The logits start at 0 and are moved by Adam, as in training, with gradients that are independent
    normal numbers. Adam divides by the size of the gradients, so their scale does not matter: its
    steps are as small where there is nothing to learn, and the rule of convergence sees weights
    that hardly move.

    Args:
        modalities: number of weights.
        epochs: in which the gate may be frozen; the last one does not count.
        steps: training steps in an epoch.
        learning_rate: of the gate.
        runs: simulated gates.
    """
    random = np.random.default_rng((SEED, modalities, epochs, steps))
    logits = np.zeros((runs, modalities))
    first, second = np.zeros_like(logits), np.zeros_like(logits)
    means = np.zeros((runs, epochs, modalities))
    step = 0
    for epoch in range(epochs):
        for _ in range(steps):
            means[:, epoch] += _softmax(logits) / steps
            step += 1
            gradient = random.normal(size=logits.shape)
            gradient -= gradient.mean(axis=1, keepdims=True)  # softmax: no common direction
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            size = np.sqrt(second / (1 - 0.999**step)) + 1e-8
            logits -= learning_rate * first / (1 - 0.9**step) / size
    frozen = [
        any(converged(torch.from_numpy(one[:epoch])) for epoch in range(1, epochs)) for one in means
    ]
    ends = np.arange((epochs - 1) * steps, epochs * steps)[:, None] * learning_rate
    logits = np.where(np.arange(modalities) == 0, ends, -ends)
    return NoisyGates(
        frozen=float(np.mean(frozen)),
        largest=float(means[:, -1].max(axis=1).mean()),
        furthest=float(_softmax(logits)[:, 0].mean()),
    )


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
