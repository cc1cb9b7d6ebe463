"""The pickles of the MulT release: MOSI, MOSEI, IEMOCAP and other data in the same format."""

import dataclasses
from pathlib import Path

import numpy as np

from deadpan.data.alignment import judge_alignment
from deadpan.data.assembly import RawClips
from deadpan.data.containers.files import printable
from deadpan.data.dataset import Dataset
from deadpan.data.formats.pickled_values import (
    PaddedSplit,
    SplitTable,
    clip_ids,
    counting_key,
    cut_clips,
    every_split_has,
    numeric_array,
    padded_arrays,
    parse_splits,
)
from deadpan.data.labels import labelled_dataset
from deadpan.data.padding import array_steps, nonzero_steps
from deadpan.types import MODALITIES


def looks_like_mult(content: object) -> bool:
    """Whether an unpickled value is a dict of splits that each have ``labels``, or features."""
    return every_split_has(content, "labels") or every_split_has(content, *MODALITIES)


def mult_clips(path: Path, content: object, *, aligned: bool | None = None) -> RawClips:
    """Parse the clips of a pickle in MulT's format, cut to their real steps.

    A split, a modality or the ids may be missing, and the labels, which then are NaN. Ids are str,
    bytes or numbers, one per clip or a row of several parts.

    Steps of zeros at either end of a sequence are padding; a step of zeros within it is real. A
    sequence of only zeros means that the clip lacks the modality. If the arrays of a file are
    word-aligned, a step is padding only if it is zero in every modality the clip has, so that the
    steps of a clip stay aligned. Such files have no words or times.

    Args:
        path: path of the pickle.
        content: its value, as ``read_pickle`` returns it.
        aligned: whether the arrays are word-aligned; None infers it (see ``judge_alignment``).

    Raises:
        DataError: the value does not fit the format, shapes do not match, or it is not clear
            whether the arrays are aligned.
    """
    splits = mult_splits(path, content)
    alignment = judge_alignment(
        path,
        [
            (array_steps(split.sequences), nonzero_steps(split.sequences, aligned=False))
            for split in splits.values()
        ],
        aligned,
    )
    raw = cut_clips(splits, lambda split: nonzero_steps(split.sequences, aligned=alignment.aligned))
    return dataclasses.replace(raw, alignment=alignment.reason)


def mult_splits(path: Path, content: object) -> dict[str, PaddedSplit]:
    """Parse the arrays of a pickle in MulT's format, padding included (see ``mult_clips``)."""
    return parse_splits(path, content, "text, audio, vision, labels", _split)


def _split(table: SplitTable) -> PaddedSplit:
    beside, count = counting_key(table, "labels", "MulT")
    labels = numeric_array(beside, table[beside]) if beside == "labels" else np.full(count, np.nan)
    return PaddedSplit(
        sequences=padded_arrays(table, count, beside),
        labels=labels,
        ids=clip_ids(table, count, beside),
        ignored=tuple(map(printable, sorted(table.keys() - {*MODALITIES, "labels", "id"}))),
    )


def mult_dataset(
    path: Path,
    content: object,
    *,
    task: str = "auto",
    labels: str = "",
    aligned: bool | None = None,
) -> Dataset:
    """Read a data set from an unpickled value in MulT's format (see ``mult_clips``).

    Labels are one number a clip, several, or pairs (absent, present) of shape [clip, emotion, 2],
    which are named as in IEMOCAP if there are four; ``interpret_labels`` decides on the task.

    Args:
        path: path of the pickle.
        content: its value, as ``read_pickle`` returns it.
        task: regression, emotions, classes or scores; "auto" infers it.
        labels: names of the labels to predict, separated by commas; "" is all.
        aligned: whether step k is the same word in every modality; without it, the padding tells.

    Raises:
        DataError: the value does not fit the format, labels are missing or do not fit the task, or
            the padding does not tell whether steps are aligned.
    """
    raw = mult_clips(path, content, aligned=aligned)
    return labelled_dataset(path, raw, layout="a pickle in MulT's format", task=task, labels=labels)
