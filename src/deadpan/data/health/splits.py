"""What is counted of one split while its clips pass by, each seen once."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from deadpan.data.dataset import Clip
from deadpan.data.health.numbers import summary
from deadpan.data.health.streams import Stream
from deadpan.types import Modality


@dataclasses.dataclass
class SplitTally:
    """The clips of a split seen so far, without their sequences."""

    ids: list[str] = dataclasses.field(default_factory=list)
    groups: set[str] = dataclasses.field(default_factory=set)
    labels: list[Float[np.ndarray, " label"]] = dataclasses.field(default_factory=list)
    seconds: list[float] = dataclasses.field(default_factory=list)
    kinds: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, clip: Clip) -> None:
        """See a clip."""
        self.ids.append(clip.id)
        self.labels.append(clip.label)
        if clip.group is not None:
            self.groups.add(clip.group)
        if ends := last_seconds(clip):
            self.seconds.append(max(ends.values()))
        if clip.truth is not None:
            self.kinds[clip.truth.kind] += 1

    def figures(
        self, split: str, streams: Mapping[Modality, Stream], labels: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What ``inspect`` says of the split."""
        if not self.ids:
            return {"clips": 0}
        figures: dict[str, Any] = {
            "clips": len(self.ids),
            "groups": len(self.groups),
            "labels": labels,
            "modalities": {
                name: self._modality(stream.lengths[split]) for name, stream in streams.items()
            },
        }
        if self.seconds:
            figures["seconds"] = summary(self.seconds)
        if self.kinds:
            figures["kinds"] = dict(sorted(self.kinds.items()))
        return figures

    def _modality(self, steps: list[int]) -> dict[str, Any]:
        figures: dict[str, Any] = {"missing": 1 - len(steps) / len(self.ids)}
        if steps:
            figures["steps"] = summary(steps)
        return figures


def last_seconds(clip: Clip) -> dict[Modality, float]:
    """Where each modality ends, in seconds from the start of the clip, where known."""
    return {name: float(times[:, 1].max()) for name, times in clip.times.items() if len(times)}
