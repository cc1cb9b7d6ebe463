"""Padded arrays cut to their real steps."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from deadpan.data.raw import Padding
from deadpan.types import TEXT, Modality

Arrays = Mapping[Modality, Num[np.ndarray, "_ _ _"]]
Ends = tuple[Int[np.ndarray, "_"], Int[np.ndarray, "_"]]
"""First real step of each clip, and the step after its last."""


def zero_padding(arrays: Arrays, *, aligned: bool) -> dict[Modality, Ends]:
    """Where zeros at either end of a sequence are padding; a step of zeros within it is real.

    A sequence of zeros alone has no real step: the clip lacks the modality.

    Args:
        arrays: per modality; NaN and infinities are not zero.
        aligned: a step is the same word in all modalities: it is padding only if it is zero in
            every one of them that the clip has.
    """
    filled = {name: _filled(array) for name, array in arrays.items()}
    frame = np.logical_or.reduce(list(filled.values())) if aligned and filled else None
    found: dict[Modality, Ends] = {}
    for name, steps in filled.items():
        first, end = _ends(steps if frame is None else frame)
        present = steps.any(axis=1)
        found[name] = np.where(present, first, 0), np.where(present, end, 0)
    return found


def looks_aligned(splits: Sequence[Arrays]) -> bool:
    """Whether a step is the same word in all modalities, as far as zeros can tell.

    One length for all, and padding that ends at the same step in most clips.
    """
    agree = total = 0
    for arrays in splits:
        if len(arrays) < 2 or len({array.shape[1] for array in arrays.values()}) > 1:
            return False
        starts = [_ends(_filled(array))[0] for array in arrays.values()]
        agree += int(np.logical_and.reduce([start == starts[0] for start in starts]).sum())
        total += len(starts[0])
    return 2 * agree > total


def cut(arrays: Arrays, ends: Mapping[Modality, Ends], clip: int) -> dict[Modality, np.ndarray]:
    """The real steps of a clip, as views; a modality without any is left out."""
    sequences: dict[Modality, np.ndarray] = {}
    for name, array in arrays.items():
        first, end = int(ends[name][0][clip]), int(ends[name][1][clip])
        if end > first:
            sequences[name] = array[clip, first:end]
    return sequences


def padding_of(splits: Sequence[tuple[Arrays, Mapping[Modality, Ends]]]) -> dict[Modality, Padding]:
    """Side and share of padding over all splits, of each modality, where any clip has it."""
    left: dict[Modality, int] = {}
    right: dict[Modality, int] = {}
    steps: dict[Modality, int] = {}
    for arrays, ends in splits:
        for name, (first, end) in ends.items():
            present = end > first
            length = arrays[name].shape[1]
            left[name] = left.get(name, 0) + int(first[present].sum())
            right[name] = right.get(name, 0) + int((length - end[present]).sum())
            steps[name] = steps.get(name, 0) + length * int(present.sum())
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


def _ends(filled: Bool[np.ndarray, "clip step"]) -> Ends:
    """(0, steps) where none is filled."""
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
