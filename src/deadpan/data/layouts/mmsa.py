"""Data sets in the pickle layout of MMSA: MOSI, MOSEI, CH-SIMS and what MMSA-FET extracts."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np

from deadpan.data.assembly import assemble
from deadpan.data.dataset import Dataset
from deadpan.data.readers.mmsa_pickle import LABELS, mmsa_clips
from deadpan.errors import DataError, unknown_name


def mmsa_dataset(path: Path, content: object, *, label: str = "M") -> Dataset:
    """A data set from the value of a pickle in MMSA's layout (see ``mmsa_clips``).

    Labels are sentiment in [-3, 3], as in MOSI, unless the file is of CH-SIMS's kind: then they are
    scores. Of that kind is a file that also has labels of single modalities, and whose labels, the
    ones not chosen included, all lie in [-1, 1]. So a part of MOSI with small labels is not of that
    kind, and which label is chosen does not change the task.

    Args:
        path: of the pickle.
        content: its value, as ``read_pickle`` gives it.
        label: M (multimodal), or T, A or V (of text, audio or vision alone).

    Raises:
        DataError: not such a file, no such labels, or some that are missing or out of range.
    """
    repairs: Counter[str] = Counter()
    raw = mmsa_clips(path, content, repairs)
    values = np.array([clip.label for clip in raw.clips]).reshape(-1, len(LABELS))
    known = [
        name
        for name, column in zip(LABELS, values.T, strict=True)
        if name == "M" or not np.isnan(column).all()
    ]
    if label not in known:
        raise DataError(f"{path}: {unknown_name('label', str(label), known)}")
    small = not (np.abs(values) > 1).any()  # NaN is not above 1
    place = list(LABELS).index(label)
    clips = [dataclasses.replace(clip, label=clip.label[place : place + 1]) for clip in raw.clips]
    return assemble(
        path,
        dataclasses.replace(raw, clips=clips),
        layout="a pickle in MMSA's layout",
        task="scores" if small and len(known) > 1 else "regression",
        labels=("sentiment",),
        repairs=repairs,
    )
