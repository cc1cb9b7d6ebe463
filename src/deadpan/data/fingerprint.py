"""What a run remembers of its data, and how it knows them again."""

import hashlib
from typing import Any

import numpy as np

from deadpan.data.dataset import Dataset
from deadpan.types import SPLITS, in_order


def describe(dataset: Dataset) -> dict[str, Any]:
    """What a run remembers of its data."""
    return {
        "name": dataset.name,
        "task": dataset.task,
        "splits": {name: len(clips) for name, clips in dataset.splits.items()},
        "fingerprint": fingerprint(dataset),
        "repairs": dict(dataset.repairs),
        "warnings": list(dataset.warnings),
    }


def fingerprint(dataset: Dataset) -> str:
    """A hash of all that training sees of the clips: ids, groups, labels, features, splits."""
    digest = hashlib.sha256()
    for split in SPLITS:
        for clip in dataset.splits.get(split, ()):
            digest.update(f"{split} {clip.id} {clip.group} {clip.label.tolist()}".encode())
            for name in in_order(clip.sequences):
                x = np.ascontiguousarray(clip.sequences[name])
                digest.update(f"{name} {x.shape}".encode())
                digest.update(x.view(np.uint8).data)
    return digest.hexdigest()[:16]
