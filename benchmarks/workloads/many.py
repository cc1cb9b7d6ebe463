"""Stores of as many clips as one likes, written without holding them."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import SupportsIndex

from deadpan.data.dataset import Clip, Dataset
from deadpan.data.store.writing import write_store
from workloads.epochs import make_clips
from workloads.official import REAL, SPREAD

POOL = 1008
"""Clips that differ."""


class Repeated(Sequence[Clip]):
    """Some clips over and over, each time under a name of its own."""

    def __init__(self, pool: Sequence[Clip], count: int, prefix: str) -> None:
        self.pool, self.count, self.prefix = pool, count, prefix

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: SupportsIndex) -> Clip:  # pyright: ignore[reportIncompatibleMethodOverride]
        place = range(self.count)[index]
        name, group = f"{self.prefix}{place}", f"{self.prefix}{place // 7}"
        return dataclasses.replace(self.pool[place % len(self.pool)], id=name, group=group)


def write_clips(path: Path, widths: Mapping[str, int], *, train: int, valid: int) -> None:
    """A store of clips of speech-like lengths, the same ``POOL`` over and over."""
    pool = make_clips(min(train, POOL), REAL, widths, spread=SPREAD)
    dataset = Dataset(
        name=f"{train} clips",
        task="regression",
        labels=("sentiment",),
        widths=widths,
        splits={"train": Repeated(pool, train, "t"), "valid": Repeated(pool, valid, "v")},
    )
    write_store(dataset, path, source={})
