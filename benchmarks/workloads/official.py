"""Pickles as the MulT release has them, filled with noise: layout, sizes, widths and lengths."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deadpan.types import MODALITIES, SPLITS

REAL = {"text": 12, "audio": 55, "vision": 65}
"""Steps of a MOSI clip of 4 s that are not padding, on average."""
SPREAD = 0.45
"""Standard deviation of the logarithm of a clip's length."""


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Features per step, padded steps, and clips of each split."""

    widths: Mapping[str, int]
    steps: Mapping[str, int]
    clips: Mapping[str, int]
    emotions: bool = False

    def smaller(self, clips: int) -> dict[str, int]:
        """About as many clips in all, split alike."""
        whole = sum(self.clips.values())
        return {split: max(1, round(clips * n / whole)) for split, n in self.clips.items()}


def _corpus(
    widths: tuple[int, ...], steps: tuple[int, ...], clips: tuple[int, ...], **more: bool
) -> Corpus:
    """A corpus from its numbers in the order of ``MODALITIES`` and of ``SPLITS``."""
    return Corpus(
        widths=dict(zip(MODALITIES, widths, strict=True)),
        steps=dict(zip(MODALITIES, steps, strict=True)),
        clips=dict(zip(SPLITS, clips, strict=True)),
        **more,
    )


CORPORA = {
    "mosi": _corpus((300, 5, 20), (50, 375, 500), (1284, 229, 686)),
    "mosei": _corpus((300, 74, 35), (50, 500, 500), (16326, 1871, 4659)),
    "iemocap": _corpus((300, 74, 35), (20, 400, 500), (2717, 798, 938), emotions=True),
}


def write(
    path: Path, corpus: Corpus, *, clips: Mapping[str, int] | None = None, aligned: bool = False
) -> None:
    """Write a pickle: zeros in front of log-normally many real steps; videos of seven clips.

    Args:
        path: of the file; folders are made.
        corpus: whose shapes.
        clips: of each split; None = as many as the corpus has.
        aligned: one step of every modality for each word, padded to the length of text.
    """
    random = np.random.default_rng(0)
    content: dict[str, dict[str, Any]] = {}
    for split, count in (clips or corpus.clips).items():
        stretch = random.lognormal(-(SPREAD**2) / 2, SPREAD, count)
        arrays: dict[str, Any] = {}
        for name, width in corpus.widths.items():
            kind = "text" if aligned else name
            steps = corpus.steps[kind]
            real = np.clip(np.rint(REAL[kind] * stretch).astype(int), 1, steps)
            array = np.zeros((count, steps, width), np.float32)
            for clip, own in zip(array, real, strict=True):
                clip[-own:] = random.standard_normal((own, width), np.float32)
            arrays[name] = array
        if corpus.emotions:
            arrays["labels"] = np.eye(2, dtype=np.int64)[random.integers(0, 2, (count, 4))]
        else:
            arrays["labels"] = random.uniform(-3, 3, (count, 1, 1)).astype(np.float32)
        arrays["id"] = np.array([[f"{split}{i // 7}", f"{i}"] for i in range(count)])
        content[split] = arrays
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")  # a killed writer leaves no file to reuse
    with unfinished.open("wb") as file:
        pickle.dump(content, file, protocol=4)
    unfinished.replace(path)
