"""Data sets in the pickle layout of the MulT release: MOSI, MOSEI, IEMOCAP and others like them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from deadpan.data.clip_names import group_of, joined, unique
from deadpan.data.dataset import Clip, Dataset, TaskName, shared_groups
from deadpan.data.readers.files import shown
from deadpan.data.readers.mult_pickle import MultSplit, read_mult_pickle
from deadpan.data.repair import finite
from deadpan.errors import DataError
from deadpan.types import MODALITIES, SPLITS, Modality, in_order

IEMOCAP_EMOTIONS = ("Neutral", "Happy", "Sad", "Angry")


def mult_dataset(path: Path) -> Dataset:
    """A data set from a pickle in MulT's layout.

    Padding: steps of zeros at either end of a sequence are padding, a step of zeros within it is
    kept, and a sequence of zeros alone means that the clip lacks the modality. Where the arrays of
    a file are word-aligned (one length for all, and padding that ends at the same step in most
    clips) a step is padding only if it is zero in every modality the clip has, so that the steps of
    a clip stay aligned. Words and times are not in such files.

    Labels: [N,1,1], [N,1] or [N] in [-3, 3] are sentiment; [N,E,2] are pairs (absent, present) of
    emotions, named as in IEMOCAP where there are four. Features that are not finite are set to 0
    and counted (see ``repair.finite``). Clips of one id are told apart as ``id#2``, with a warning.

    Raises:
        DataError: not such a file, or labels that are missing, out of range or no pairs.
    """
    splits = read_mult_pickle(path)
    widths = {m: s.sequences[m].shape[2] for s in splits.values() for m in s.sequences}
    ignored = sorted({key for split in splits.values() for key in split.ignored})
    task, names = _task(path, splits)
    labels = {name: _labels(path, name, split, task) for name, split in splits.items()}
    aligned = _aligned(splits)
    repairs: Counter[str] = Counter()
    clips = {
        name: _clips(name, splits[name], labels[name], aligned=aligned, repairs=repairs)
        for name in SPLITS
        if name in splits
    }
    clips, repeated = unique(clips)
    dataset = Dataset(
        name=path.stem,
        task=task,
        labels=names,
        widths={modality: widths[modality] for modality in in_order(widths)},
        splits=clips,
        repairs=dict(repairs),
    )
    warnings = shared_groups(dataset)
    if repeated:
        warnings.append(f"{repeated} clips repeat an id; they are told apart as 'id#2'")
    if ignored:
        warnings.append(f"keys that mean nothing here were ignored: {', '.join(ignored)}")
    return replace(dataset, warnings=tuple(warnings))


def _task(path: Path, splits: Mapping[str, MultSplit]) -> tuple[TaskName, tuple[str, ...]]:
    shapes = {split.labels.shape[1:] for split in splits.values()}
    if shapes <= {(1, 1), (1,), ()}:
        return "regression", ("sentiment",)
    shape = next(iter(shapes))
    if len(shapes) > 1 or len(shape) != 2 or shape[1] != 2 or not shape[0]:
        told = ", ".join(f"{split.labels.shape} in {name}" for name, split in splits.items())
        raise DataError(
            f"{path}: 'labels' has shape {told}; wanted [clip, 1, 1] or [clip, emotion, 2]"
        )
    if shape[0] == len(IEMOCAP_EMOTIONS):
        return "emotions", IEMOCAP_EMOTIONS
    return "emotions", tuple(f"emotion {index + 1}" for index in range(shape[0]))


def _labels(
    path: Path, name: str, split: MultSplit, task: TaskName
) -> Float[np.ndarray, "clip label"]:
    raw = split.labels.astype(np.float64)
    if task == "regression":
        values = raw.reshape(len(split), 1)
        wrong = ~(np.abs(values) <= 3).all(axis=1)  # not <= is also true of NaN
        wanted = "numbers in [-3, 3]"
    else:
        values = raw[..., 1]
        wrong = ~(np.isin(raw, (0, 1)).all(axis=2) & (raw[..., 0] != raw[..., 1])).all(axis=1)
        wanted = "one 1 and one 0 in each pair"
    if wrong.any():
        kind = "NaN" if np.isnan(raw[wrong]).any() else "unusable"
        which = [shown(joined(split.ids[i])) or f"clip {i}" for i in np.flatnonzero(wrong)[:3]]
        raise DataError(
            f"{path}: split '{name}': {int(wrong.sum())} labels are {kind} "
            f"(first: {', '.join(which)}); wanted {wanted}"
        )
    return values.astype(np.float32)


def _clips(
    name: str,
    split: MultSplit,
    labels: Float[np.ndarray, "clip label"],
    *,
    aligned: bool,
    repairs: Counter[str],
) -> list[Clip]:
    filled = {m: _filled(array) for m, array in split.sequences.items()}
    frame = np.logical_or.reduce(list(filled.values())) if aligned and filled else None
    sequences: list[dict[Modality, np.ndarray]] = [{} for _ in range(len(split))]
    for modality in MODALITIES:
        if modality not in split.sequences:
            continue
        # Popped, so that the padded array is gone before the next modality is copied.
        array = split.sequences.pop(modality)
        present = np.logical_or.reduce(filled[modality], axis=1)
        first, end = _ends(filled[modality] if frame is None else frame)
        for index in np.flatnonzero(present):
            sequences[index][modality] = finite(
                array[index, first[index] : end[index]], modality=modality, repairs=repairs
            )
    return [
        Clip(
            id=joined(parts) or f"{name}:{index}",
            sequences=sequences[index],
            label=labels[index],
            group=group_of(parts),
        )
        for index, parts in enumerate(split.ids)
    ]


def _filled(array: Num[np.ndarray, "clip step width"]) -> Bool[np.ndarray, "clip step"]:
    return np.logical_or.reduce(array, axis=2)  # NaN and infinities are not zero


def _ends(
    filled: Bool[np.ndarray, "clip step"],
) -> tuple[Int[np.ndarray, " clip"], Int[np.ndarray, " clip"]]:
    """First filled step, and the step after the last; (0, steps) where none is filled."""
    if not filled.shape[1]:
        none = np.zeros(len(filled), dtype=np.int64)
        return none, none
    return filled.argmax(axis=1), filled.shape[1] - filled[:, ::-1].argmax(axis=1)


def _aligned(splits: Mapping[str, MultSplit]) -> bool:
    """Whether a step is the same word in all modalities, as far as zeros can tell."""
    agree = total = 0
    for split in splits.values():
        arrays = list(split.sequences.values())
        if len(arrays) < 2 or len({array.shape[1] for array in arrays}) > 1:
            return False
        starts = [_ends(_filled(array))[0] for array in arrays]
        agree += int(np.logical_and.reduce([start == starts[0] for start in starts]).sum())
        total += len(split)
    return 2 * agree > total
