"""Which steps of MMSA's padded arrays are real: by lengths and BERT's mask, held against zeros."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from deadpan.data.readers.padding import Arrays, Ends, zero_padding
from deadpan.types import TEXT, Modality


def real_steps(
    arrays: Arrays,
    *,
    mask: Bool[np.ndarray, "clip step"] | None,
    lengths: Mapping[Modality, Float[np.ndarray, " clip"]],
    aligned: bool,
    repairs: Counter[str],
) -> dict[Modality, Ends]:
    """First real step and the step after the last of each clip; a sequence of zeros has none.

    Lengths: MMSA found them by looking for the first step of zeros, and wrote 1 for clips without
    any other (thuiar/MMSA, data/getLengths.py). So a length is followed where all that is not zero
    fits into it, and steps of zeros within it are real; where more follows, zeros tell. A length
    beyond the array means that the sequence was cut to it.

    Text: the steps that BERT's mask has, [CLS] and [SEP] among them, up to the last that is not
    zero. BERT's output for padding, which some files hold, is no step.

    Args:
        arrays: of one split.
        mask: of the steps of text; None where none fits it.
        lengths: of each modality that has some, whole numbers.
        aligned: a step is the same token in all modalities: all get the steps of all.
        repairs: receives the number of lengths that were not followed.
    """
    ends = zero_padding(arrays, aligned=False)
    if mask is not None and TEXT in ends:
        ends[TEXT] = _masked(mask, ends[TEXT])
    for name, declared in lengths.items():
        if name in ends:
            ends[name] = _declared(name, declared, ends[name], arrays[name].shape[1], repairs)
    return _together(ends) if aligned and ends else ends


def _masked(mask: Bool[np.ndarray, "clip step"], ends: Ends) -> Ends:
    first, end = ends
    start = mask.argmax(axis=1)
    stop = np.minimum(end, mask.shape[1] - mask[:, ::-1].argmax(axis=1))
    fits = mask.any(axis=1) & (start < stop) & (first < stop)  # else the mask is of other steps
    return np.where(fits, start, first), np.where(fits, stop, end)


def _declared(
    name: Modality,
    lengths: Float[np.ndarray, " clip"],
    ends: Ends,
    steps: int,
    repairs: Counter[str],
) -> Ends:
    first, end = ends
    present = end > first
    if beyond := int((present & (lengths > steps)).sum()):
        repairs[f"{name}: lengths beyond the array taken as its end"] += beyond
    length = np.clip(lengths, 0, steps).astype(np.int64)
    right = present & (end <= length)
    left = present & ~right & (first >= steps - length)
    if short := int((present & ~right & ~left).sum()):
        repairs[f"{name}: lengths that leave out steps replaced by where zeros begin"] += short
    first = np.where(right, 0, np.where(left, steps - length, first))
    end = np.where(right, length, np.where(left, steps, end))
    return first, end


def _together(ends: Mapping[Modality, Ends]) -> dict[Modality, Ends]:
    """The steps that any modality of a clip has, for each that it has."""
    none = np.iinfo(np.int64).max
    first = np.min([np.where(end > start, start, none) for start, end in ends.values()], axis=0)
    last = np.max([end for _, end in ends.values()], axis=0)
    return {
        name: (np.where(end > start, first, 0), np.where(end > start, last, 0))
        for name, (start, end) in ends.items()
    }
