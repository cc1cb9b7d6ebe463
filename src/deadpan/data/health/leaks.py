"""What is in a data set more than once: clips, ids, and videos in two splits."""

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
"""How ``clip_names.unique`` tells apart clips of one id."""


class Twins:
    """Clips that have the same modalities with the same features, found by a hash of each."""

    def __init__(self) -> None:
        """No clip was seen yet."""
        self._clips: dict[bytes, dict[str, list[str]]] = {}

    def add(self, split: str, clip: str, digests: Mapping[Modality, bytes]) -> None:
        """See a clip, by the digest of each modality; one without any is like no other."""
        if digests:
            key = b"".join(name.encode() + digests[name] for name in in_order(digests))
            self._clips.setdefault(key, {}).setdefault(split, []).append(clip)

    def figures(self) -> dict[str, Any]:
        """Pairs in all, and by the two splits they are in, each with its first pair."""
        pairs: Counter[tuple[str, str]] = Counter()
        first: dict[tuple[str, str], list[str]] = {}
        twins = [found for found in self._clips.values() if sum(map(len, found.values())) > 1]
        for found in twins:
            for one, other in combinations_with_replacement([s for s in SPLITS if s in found], 2):
                some, others = found[one], found[other]
                if one == other and len(some) == 1:
                    continue
                same = len(some) * (len(some) - 1) // 2
                pairs[one, other] += same if one == other else len(some) * len(others)
                first.setdefault((one, other), [some[0], others[one == other]])
        return {
            "pairs": sum(pairs.values()),
            "across_splits": sum(n for (one, other), n in pairs.items() if one != other),
            "clips": sum(len(ids) for found in twins for ids in found.values()),
            "by_splits": [
                {"splits": list(place), "pairs": pairs[place], "first": first[place]}
                for place in combinations_with_replacement(SPLITS, 2)
                if place in pairs
            ],
        }


def digest(steps: Float[np.ndarray, "step width"]) -> bytes:
    """What tells a sequence from every other one, in 16 bytes."""
    content = np.ascontiguousarray(steps)
    hashed = hashlib.blake2b(f"{content.shape} {content.dtype}".encode(), digest_size=16)
    hashed.update(content.view(np.uint8).data)
    return hashed.digest()


def repeated_ids(ids: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Clips that were renamed because their id was taken, and ids that are in two splits.

    Args:
        ids: of the clips of each split.
    """
    known = {clip for clips in ids.values() for clip in clips}
    homes: dict[str, set[str]] = {}
    renamed = 0
    for split, clips in ids.items():
        for clip in clips:
            match = RENAMED.fullmatch(clip)
            was_renamed = match is not None and match["id"] in known
            renamed += was_renamed
            homes.setdefault(match["id"] if match and was_renamed else clip, set()).add(split)
    return {"repeated": renamed, **_in_two(homes)}


def shared_videos(groups: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """Videos or speakers: how many there are, and how many are in two splits.

    Args:
        groups: of the clips of each split, where known.
    """
    homes: dict[str, set[str]] = {}
    for split, names in groups.items():
        for name in names:
            homes.setdefault(name, set()).add(split)
    return {"count": len(homes), **_in_two(homes)}


def _in_two(homes: Mapping[str, set[str]]) -> dict[str, Any]:
    shared = [name for name, splits in homes.items() if len(splits) > 1]
    return {"in_two_splits": len(shared), "first": shared[:FIRST]}
