"""What every reader returns: clips with ragged sequences, as their file has them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Num

from deadpan.types import Modality


@dataclasses.dataclass(frozen=True, kw_only=True)
class RawClip:
    """One clip of a file, not yet judged.

    Attributes:
        name: the parts of its id; none where the file has no ids.
        split: ``train``, ``valid`` or ``test``; None where the file does not tell.
        sequences: real steps only, of any type of number, finite or not; views of the file's arrays
            where they can be. A modality the clip lacks is left out.
        label: as the file has it, of any shape; may be NaN.
        group: the video or speaker; None where only the name can tell, "" where nothing does.
        id: as the file has it, where it must not be made of the name's parts; else "".
        words: one per step of ``text``, where known.
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
        side: where the padding stands; "both" where clips differ.
        share: of all steps in the file, those that are padding, in [0, 1].
    """

    side: Literal["left", "right", "both", "none"]
    share: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class RawClips:
    """The clips of a file.

    Attributes:
        clips: in the order of the file.
        widths: features per step of each modality the file has.
        padding: per modality, where the file pads.
        ignored: what the file has and nobody here understands.
    """

    clips: Sequence[RawClip]
    widths: Mapping[Modality, int]
    padding: Mapping[Modality, Padding] = dataclasses.field(default_factory=dict)
    ignored: tuple[str, ...] = ()
