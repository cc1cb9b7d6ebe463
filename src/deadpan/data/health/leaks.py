"""Duplicate clips, repeated ids, and videos that are in two splits."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from jaxtyping import Float

from deadpan.types import SPLITS, Modality, in_order

FIRST = 5
"""Largest number of names or indices that are listed of each kind."""
RENAMED = re.compile(r"(?P<id>.+)#\d+")
"""An id that ``assembly.rename_repeated_ids`` made."""


class Duplicates:
    """Clips with the same features in all modalities, detected by hashes."""

    def __init__(self) -> None:
        """Start without clips."""
        self._clips: dict[bytes, dict[str, list[str]]] = {}

    def add(self, split: str, clip: str, digests: Mapping[Modality, bytes]) -> None:
        """Add a clip by the digest of each modality; a clip without modalities is no duplicate."""
        if digests:
            key = b"".join(name.encode() + digests[name] for name in in_order(digests))
            self._clips.setdefault(key, {}).setdefault(split, []).append(clip)

    def as_dict(self) -> dict[str, Any]:
        """Count pairs of duplicates, in all and by their splits, with the first pair of each."""
        duplicates = [ids for ids in self._clips.values() if sum(map(len, ids.values())) > 1]
        by_splits: list[dict[str, Any]] = []
        for one, other in combinations_with_replacement(SPLITS, 2):
            pairs, first = 0, list[str]()
            for ids in duplicates:
                some, others = ids.get(one, []), ids.get(other, [])
                same = len(some) * (len(some) - 1) // 2
                if count := same if one == other else len(some) * len(others):
                    first = first or [some[0], others[one == other]]
                    pairs += count
            if pairs:
                by_splits.append({"splits": [one, other], "pairs": pairs, "first": first})
        across = [part["pairs"] for part in by_splits if part["splits"][0] != part["splits"][1]]
        return {
            "pairs": sum(part["pairs"] for part in by_splits),
            "across_splits": sum(across),
            "clips": sum(len(clips) for ids in duplicates for clips in ids.values()),
            "by_splits": by_splits,
        }


def sequence_digest(steps: Float[np.ndarray, "step width"]) -> bytes:
    """Hash of the values, shape and type of a sequence, in 16 bytes."""
    content = np.ascontiguousarray(steps)
    hashed = hashlib.blake2b(f"{content.shape} {content.dtype}".encode(), digest_size=16)
    hashed.update(content.view(np.uint8).data)
    return hashed.digest()


def repeated_ids(ids: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Count clips that were renamed because their id was repeated, and ids in two splits."""
    all_ids = {clip for clips in ids.values() for clip in clips}
    matches = {clip: RENAMED.fullmatch(clip) for clip in all_ids}
    originals = {clip: m["id"] for clip, m in matches.items() if m and m["id"] in all_ids}
    names = {split: [originals.get(clip, clip) for clip in clips] for split, clips in ids.items()}
    figures = groups_in_two_splits(names)
    renamed = sum(clip in originals for clips in ids.values() for clip in clips)
    return {
        "repeated": renamed,
        "in_two_splits": figures["in_two_splits"],
        "first": figures["first"],
    }


def groups_in_two_splits(groups: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """Count the groups (videos or speakers), and those that are in two splits."""
    homes: dict[str, set[str]] = {}
    for split, names in groups.items():
        for name in names:
            homes.setdefault(name, set()).add(split)
    shared = [name for name, splits in homes.items() if len(splits) > 1]
    return {"count": len(homes), "in_two_splits": len(shared), "first": shared[:FIRST]}
