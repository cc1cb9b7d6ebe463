"""Finding the real steps of padded arrays, and cutting them out."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from deadpan.data.dataset import Padding
from deadpan.types import TEXT, Modality

Arrays = Mapping[Modality, Num[np.ndarray, "_ _ _"]]
StepRange = tuple[Int[np.ndarray, "_"], Int[np.ndarray, "_"]]
"""First real step of each clip, and the step after its last; equal where a clip has none."""


def nonzero_steps(arrays: Arrays, *, aligned: bool) -> dict[Modality, StepRange]:
    """Find the real steps where zeros at either end of a sequence are padding.

    A step of zeros within a sequence is real. A sequence of only zeros has no real step: the clip
    lacks the modality.

    Args:
        arrays: padded features, per modality; NaN and infinities are not zero.
        aligned: whether a step is the same word in all modalities. Then it is padding only if it is
            zero in every modality that the clip has.
    """
    ranges: dict[Modality, StepRange] = {}
    for name, array in arrays.items():
        filled = _filled(array)
        first, end = _filled_range(filled)
        present = filled.any(axis=1)
        ranges[name] = np.where(present, first, 0), np.where(present, end, 0)
    return _union(ranges) if aligned and ranges else ranges


def array_steps(arrays: Arrays) -> dict[Modality, int]:
    """Steps of each array, padding included."""
    return {name: array.shape[1] for name, array in arrays.items()}


def real_sequences(
    arrays: Arrays, ends: Mapping[Modality, StepRange], clip: int
) -> dict[Modality, np.ndarray]:
    """The real steps of one clip, as views; a modality without real steps is left out."""
    sequences: dict[Modality, np.ndarray] = {}
    for name, array in arrays.items():
        first, end = int(ends[name][0][clip]), int(ends[name][1][clip])
        if end > first:
            sequences[name] = array[clip, first:end]
    return sequences


def measure_padding(
    splits: Sequence[tuple[Arrays, Mapping[Modality, StepRange]]],
) -> dict[Modality, Padding]:
    """Side and share of the padding of each modality that any clip has, over all splits."""
    left, right, steps = Counter[Modality](), Counter[Modality](), Counter[Modality]()
    for arrays, ends in splits:
        for name, (first, end) in ends.items():
            present = end > first
            length = arrays[name].shape[1]
            left[name] += int(first[present].sum())
            right[name] += int((length - end[present]).sum())
            steps[name] += length * int(present.sum())
    return {
        name: Padding(
            side="both" if left[name] and right[name] else
            "left" if left[name] else "right" if right[name] else "none",
            share=(left[name] + right[name]) / count,
        )
        for name, count in steps.items()
        if count
    }  # fmt: skip


def _filled(array: Num[np.ndarray, "clip step width"]) -> Bool[np.ndarray, "clip step"]:
    with np.errstate(invalid="ignore"):  # a signalling NaN is one like any other
        return np.logical_or.reduce(array, axis=2)


def _filled_range(filled: Bool[np.ndarray, "clip step"]) -> StepRange:
    """First filled step and the step after the last; (0, steps) where no step is filled."""
    if not filled.shape[1]:
        none = np.zeros(len(filled), dtype=np.int64)
        return none, none
    return filled.argmax(axis=1), filled.shape[1] - filled[:, ::-1].argmax(axis=1)


def real_steps(
    arrays: Arrays,
    *,
    mask: Bool[np.ndarray, "clip step"] | None,
    lengths: Mapping[Modality, Float[np.ndarray, " clip"]],
    aligned: bool,
    repairs: Counter[str],
) -> dict[Modality, StepRange]:
    """Find the real steps of MMSA's arrays from BERT's mask, declared lengths and zeros.

    MMSA computed lengths as the index of the first step of zeros, and wrote 1 for clips without
    any other step (thuiar/MMSA, data/getLengths.py). So a length is used if everything that is not
    zero lies within it; steps of zeros within it are then real. Otherwise padding is found by
    zeros. A length beyond the array means that the sequence was truncated to the array.

    The steps of text are those of BERT's mask, [CLS] and [SEP] included, up to the last that is
    not zero. BERT's output for padding, which some files hold, is no step.

    Args:
        arrays: padded features of one split.
        mask: BERT's mask of the steps of text; None if the file has none that fits.
        lengths: declared lengths of each modality that has some, whole numbers of steps.
        aligned: whether a step is the same token in all modalities. Then every modality gets the
            union of the real steps of all.
        repairs: receives the number of lengths that were not used.
    """
    ends = nonzero_steps(arrays, aligned=False)
    if mask is not None and TEXT in ends:
        ends[TEXT] = _range_in_mask(mask, ends[TEXT])
    for name, declared in lengths.items():
        if name in ends:
            ends[name] = _range_by_length(
                name, declared, ends[name], arrays[name].shape[1], repairs
            )
    return _union(ends) if aligned and ends else ends


def _range_in_mask(mask: Bool[np.ndarray, "clip step"], ends: StepRange) -> StepRange:
    first, end = ends
    start = mask.argmax(axis=1)
    stop = np.minimum(end, mask.shape[1] - mask[:, ::-1].argmax(axis=1))
    fits = mask.any(axis=1) & (start < stop) & (first < stop)  # else the mask is of other steps
    return np.where(fits, start, first), np.where(fits, stop, end)


def _range_by_length(
    name: Modality,
    lengths: Float[np.ndarray, " clip"],
    ends: StepRange,
    steps: int,
    repairs: Counter[str],
) -> StepRange:
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


def _union(ends: Mapping[Modality, StepRange]) -> dict[Modality, StepRange]:
    """Give every modality of a clip the union of the real steps of all its modalities."""
    none = np.iinfo(np.int64).max
    first = np.min([np.where(end > start, start, none) for start, end in ends.values()], axis=0)
    last = np.max([end for _, end in ends.values()], axis=0)
    return {
        name: (np.where(end > start, first, 0), np.where(end > start, last, 0))
        for name, (start, end) in ends.items()
    }
