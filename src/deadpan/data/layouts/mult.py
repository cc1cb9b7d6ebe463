"""Data sets in the pickle layout of the MulT release: MOSI, MOSEI, IEMOCAP and others like them."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deadpan.data.assembly import assemble
from deadpan.data.dataset import Dataset, TaskName
from deadpan.data.readers.mult_pickle import mult_clips
from deadpan.data.readers.raw import RawClip
from deadpan.errors import DataError

IEMOCAP_EMOTIONS = ("Neutral", "Happy", "Sad", "Angry")


def mult_dataset(path: Path, content: object) -> Dataset:
    """A data set from the value of a pickle in MulT's layout (see ``mult_clips``).

    Labels: [N,1,1], [N,1] or [N] in [-3, 3] are sentiment; [N,E,2] are pairs (absent, present) of
    emotions, named as in IEMOCAP where there are four.

    Raises:
        DataError: not such a file, or labels that are missing, out of range or no pairs.
    """
    raw = mult_clips(path, content)
    task, names = _task(path, raw.clips)
    clips = [dataclasses.replace(clip, label=_label(clip, task)) for clip in raw.clips]
    return assemble(
        path,
        dataclasses.replace(raw, clips=clips),
        layout="a pickle in MulT's layout",
        task=task,
        labels=names,
    )


def _task(path: Path, clips: Sequence[RawClip]) -> tuple[TaskName, tuple[str, ...]]:
    shapes = {str(clip.split): clip.label.shape for clip in clips}
    if set(shapes.values()) <= {(1, 1), (1,), ()}:
        return "regression", ("sentiment",)
    shape = next(iter(shapes.values()))
    if len(set(shapes.values())) > 1 or len(shape) != 2 or shape[1] != 2 or not shape[0]:
        told = ", ".join(f"{found} in {split}" for split, found in shapes.items())
        raise DataError(
            f"{path}: the label of a clip has shape {told}; wanted (1, 1) or (emotions, 2)"
        )
    if shape[0] == len(IEMOCAP_EMOTIONS):
        return "emotions", IEMOCAP_EMOTIONS
    return "emotions", tuple(f"emotion {index + 1}" for index in range(shape[0]))


def _label(clip: RawClip, task: TaskName) -> np.ndarray:
    """The score, or 1 where an emotion is present, 0 where absent, NaN where the pair is none."""
    values = clip.label.astype(np.float64)
    if task == "regression":
        return values.reshape(1)
    pair = np.isin(values, (0, 1)).all(axis=1) & (values[:, 0] != values[:, 1])
    return np.where(pair, values[:, 1], np.where(np.isnan(values).any(axis=1), np.nan, -1.0))
