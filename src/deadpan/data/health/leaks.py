"""Duplicate clips, repeated ids, and videos that are in two splits."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from jaxtyping import Float

from deadpan.types import SPLITS, Modality, in_order

FIRST = 5
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
        pairs: Counter[tuple[str, str]] = Counter()
        first: dict[tuple[str, str], list[str]] = {}
        duplicates = [
            by_split for by_split in self._clips.values() if sum(map(len, by_split.values())) > 1
        ]
        for by_split in duplicates:
            for one, other in combinations_with_replacement(
                [s for s in SPLITS if s in by_split], 2
            ):
                some, others = by_split[one], by_split[other]
                if one == other and len(some) == 1:
                    continue
                same = len(some) * (len(some) - 1) // 2
                pairs[one, other] += same if one == other else len(some) * len(others)
                first.setdefault((one, other), [some[0], others[one == other]])
        return {
            "pairs": sum(pairs.values()),
            "across_splits": sum(n for (one, other), n in pairs.items() if one != other),
            "clips": sum(len(ids) for by_split in duplicates for ids in by_split.values()),
            "by_splits": [
                {"splits": list(pair), "pairs": pairs[pair], "first": first[pair]}
                for pair in combinations_with_replacement(SPLITS, 2)
                if pair in pairs
            ],
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
