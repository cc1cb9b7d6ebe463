"""The pickles of the MulT release: MOSI, MOSEI, IEMOCAP and other data in the same format."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deadpan.data.assembly import RawClip, RawClips, assemble
from deadpan.data.containers.files import printable
from deadpan.data.dataset import Dataset, TaskName
from deadpan.data.formats.pickled_values import (
    PaddedSplit,
    SplitTable,
    clip_ids,
    cut_clips,
    every_split_has,
    first_key,
    numeric_array,
    padded_arrays,
    parse_splits,
)
from deadpan.data.padding import looks_aligned, nonzero_steps
from deadpan.errors import DataError
from deadpan.types import MODALITIES


def looks_like_mult(content: object) -> bool:
    """Whether an unpickled value is a dict of splits that each have ``labels``, or features."""
    return every_split_has(content, "labels") or every_split_has(content, *MODALITIES)


def mult_clips(path: Path, content: object) -> RawClips:
    """Parse the clips of a pickle in MulT's format, cut to their real steps.

    A split, a modality or the ids may be missing, and the labels, which then are NaN. Ids are str, bytes or numbers, one per clip or a
    row of several parts.

    Steps of zeros at either end of a sequence are padding; a step of zeros within it is real. A
    sequence of only zeros means that the clip lacks the modality. If the arrays of a file are
    word-aligned (see ``looks_aligned``), a step is padding only if it is zero in every modality the
    clip has, so that the steps of a clip stay aligned. Such files have no words or times.

    Raises:
        DataError: the value does not fit the format, or shapes do not match.
    """
    splits = mult_splits(path, content)
    aligned = looks_aligned([split.sequences for split in splits.values()])
    return cut_clips(splits, lambda split: nonzero_steps(split.sequences, aligned=aligned))


def mult_splits(path: Path, content: object) -> dict[str, PaddedSplit]:
    """Parse the arrays of a pickle in MulT's format, padding included (see ``mult_clips``)."""
    return parse_splits(path, content, "text, audio, vision, labels", _split)


def _split(table: SplitTable) -> PaddedSplit:
    beside = first_key(table, "labels", "MulT")
    labels = numeric_array(beside, table[beside])
    if not labels.ndim:
        raise DataError(f"'{beside}' is a single number; wanted one entry per clip")
    count = len(labels)
    if count and not labels.size:  # checked before memory is allocated per declared clip
        raise DataError(f"'{beside}' has shape {labels.shape}; wanted one entry per clip")
    return PaddedSplit(
        sequences=padded_arrays(table, count, beside),
        labels=labels if beside == "labels" else np.full(count, np.nan),
        ids=clip_ids(table, count, beside),
        ignored=tuple(map(printable, sorted(table.keys() - {*MODALITIES, "labels", "id"}))),
    )


IEMOCAP_EMOTIONS = ("Neutral", "Happy", "Sad", "Angry")


def mult_dataset(path: Path, content: object) -> Dataset:
    """Read a data set from an unpickled value in MulT's format (see ``mult_clips``).

    Labels of shape [clip, 1, 1], [clip, 1] or [clip] in [-3, 3] are sentiment. Labels of shape
    [clip, emotion, 2] are pairs (absent, present), named as in IEMOCAP if there are four emotions.

    Raises:
        DataError: the value does not fit the format, or labels are missing, out of range or no
            pairs.
    """
    raw = mult_clips(path, content)
    task, names = _task(path, raw.clips)
    clips = [dataclasses.replace(clip, label=_label(clip, task)) for clip in raw.clips]
    return assemble(
        path,
        dataclasses.replace(raw, clips=clips),
        layout="a pickle in MulT's format",
        task=task,
        labels=names,
    )


def _task(path: Path, clips: Sequence[RawClip]) -> tuple[TaskName, tuple[str, ...]]:
    shapes = {str(clip.split): clip.label.shape for clip in clips}
    if set(shapes.values()) <= {(1, 1), (1,), ()}:
        return "regression", ("sentiment",)
    shape = next(iter(shapes.values()))
    if len(set(shapes.values())) > 1 or len(shape) != 2 or shape[1] != 2 or not shape[0]:
        description = ", ".join(
            f"{label_shape} in {split}" for split, label_shape in shapes.items()
        )
        raise DataError(
            f"{path}: the label of a clip has shape {description}; wanted (1, 1) or (emotions, 2)"
        )
    if shape[0] == len(IEMOCAP_EMOTIONS):
        return "emotions", IEMOCAP_EMOTIONS
    return "emotions", tuple(f"emotion {index + 1}" for index in range(shape[0]))


def _label(clip: RawClip, task: TaskName) -> np.ndarray:
    """The score; or per emotion 1 if present, 0 if absent, NaN or -1 if the pair is invalid."""
    values = clip.label.astype(np.float64)
    if task == "regression":
        return values.reshape(1)
    pair = np.isin(values, (0, 1)).all(axis=1) & (values[:, 0] != values[:, 1])
    return np.where(pair, values[:, 1], np.where(np.isnan(values).any(axis=1), np.nan, -1.0))
