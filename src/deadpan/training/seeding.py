"""One seed for everything that draws."""

import torch


def seed_everything(*parts: int) -> None:
    """Seed torch from the run's seed and, say, the epoch and rank: any of them changes every draw.

    Reseeding each epoch is what lets a run that was killed go on bit for bit: no generator has to
    be stored. Numpy's generators are always made where they are used.
    """
    mixed = 0
    for part in parts:
        mixed = (mixed * 1_000_003 + part + 1) % (2**63 - 1)
    torch.manual_seed(mixed)
