"""Data sets in the HDF5 layout of the MFN release: MOSI, MOSEI, POM, YouTube and ICT-MMMO."""

import dataclasses
from pathlib import Path

import numpy as np

from deadpan.data.assembly import assemble
from deadpan.data.dataset import Dataset
from deadpan.data.layouts.label_columns import task_of
from deadpan.data.readers.mfn_hdf5 import mfn_clips
from deadpan.errors import DataError


def mfn_dataset(path: Path) -> Dataset:
    """A data set from a folder of MFN's HDF5 files (see ``mfn_clips``).

    The files tell neither ids (clips are named by split and place) nor what labels mean (see
    ``task_of``).

    Args:
        path: the folder.

    Raises:
        DataError: not such files, or labels that are not finite.
    """
    raw = mfn_clips(path)
    if not raw.clips:
        raise DataError(f"{path}: has no clips; give labels of one or more")
    clips = [dataclasses.replace(clip, label=clip.label.reshape(-1)) for clip in raw.clips]
    widths = {str(clip.split): len(clip.label) for clip in clips}
    if len(set(widths.values())) > 1 or 0 in widths.values():
        told = ", ".join(f"{width} in {split}" for split, width in widths.items())
        raise DataError(f"{path}: labels per clip: {told}; wanted one number of labels everywhere")
    task, names = task_of(np.array([clip.label for clip in clips]))
    return assemble(
        path,
        dataclasses.replace(raw, clips=clips),
        layout="MFN's HDF5 files",
        task=task,
        labels=names,
    )
