"""Raw clips: what every format reads from its files, before ``assembly`` checks and repairs it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Num

from deadpan.types import Modality


@dataclasses.dataclass(frozen=True, kw_only=True)
class RawClip:
    """One clip of a file, not yet checked.

    Attributes:
        name: the parts of its id; empty if the file has no ids.
        split: ``train``, ``valid`` or ``test``; None if the file has no splits.
        sequences: real steps only, of any type of number, finite or not; views of the file's arrays
            where possible. A modality the clip lacks is left out.
        label: the label as stored, of any shape; may be NaN.
        group: the video or speaker; None derives it from the name, "" means that it is unknown.
        id: the id as stored, if it must not be derived from ``name``; else "".
        words: the words, one per step of ``text``; empty if unknown.
        times: start and end of each step in seconds from the start of the clip, where known.
    """

    name: tuple[str, ...]
    split: str | None
    sequences: Mapping[Modality, Num[np.ndarray, "_ _"]]
    label: Num[np.ndarray, "*shape"]
    group: str | None = None
    id: str = ""
    words: tuple[str, ...] = ()
    times: Mapping[Modality, Float[np.ndarray, "_ 2"]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Padding:
    """How a file pads the sequences of a modality.

    Attributes:
        side: the padded side; "both" if clips differ.
        share: share of the file's steps that are padding, in [0, 1].
    """

    side: Literal["left", "right", "both", "none"]
    share: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class RawClips:
    """The clips of a file.

    Attributes:
        clips: the clips in the order of the file.
        widths: features per step of each modality the file has.
        padding: the padding of each modality that is padded.
        ignored: names of keys or files that were not used.
    """

    clips: Sequence[RawClip]
    widths: Mapping[Modality, int]
    padding: Mapping[Modality, Padding] = dataclasses.field(default_factory=dict)
    ignored: tuple[str, ...] = ()
