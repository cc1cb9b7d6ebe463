"""Clips changed: at once where they are in memory, else whenever they are taken."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from deadpan.data.dataset import Clip, LazyClips
from deadpan.types import Modality

Change = Callable[[Clip], Clip]
"""A function of the clip alone that moves no step and no label."""


def changed(clips: Sequence[Clip], change: Change) -> Sequence[Clip]:
    """The same clips, each changed."""
    if isinstance(clips, LazyClips):
        return ChangedClips(clips, change)
    return [change(clip) for clip in clips]


class ChangedClips(LazyClips):
    """Clips each of which is changed whenever it is taken."""

    def __init__(self, clips: LazyClips, change: Change) -> None:
        self._clips = clips
        self._change = change

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._clips)

    @property
    def labels(self) -> Float[np.ndarray, "clip label"]:
        """See :class:`LazyClips`."""
        return self._clips.labels

    @property
    def steps(self) -> Mapping[Modality, Int[np.ndarray, " clip"]]:
        """See :class:`LazyClips`."""
        return self._clips.steps

    def take(self, index: int) -> Clip:
        """See :class:`LazyClips`."""
        return self._change(self._clips.take(index))

    def part(self, places: range) -> "ChangedClips":
        """See :class:`LazyClips`."""
        return ChangedClips(self._clips.part(places), self._change)

    def only(self, modalities: Sequence[Modality]) -> "ChangedClips":
        """See :class:`LazyClips`."""
        return ChangedClips(self._clips.only(modalities), self._change)
