"""Data sets in the HDF5 layout of the MFN release: MOSI, MOSEI, POM, YouTube and ICT-MMMO."""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import Num

from deadpan.data.assembly import assemble, task_of
from deadpan.data.containers.hdf5 import looks_like_hdf5, opened_hdf5
from deadpan.data.dataset import Dataset
from deadpan.data.formats.mult import mult_clips
from deadpan.data.raw import RawClips
from deadpan.errors import DataError
from deadpan.types import AUDIO, SPLITS, TEXT, VISION, Modality

FILES: dict[Modality, str] = {
    TEXT: "text_{}_emb.h5",
    AUDIO: "audio_{}.h5",
    VISION: "video_{}.h5",
}
LABELS = "y_{}.h5"
JOINED = "X_{}.h5"
"""All modalities side by side, as MFN's own MOSI has them."""
JOINED_WIDTHS: dict[Modality, int] = {TEXT: 300, AUDIO: 5, VISION: 20}
"""Of MFN's configuration for MOSI: GloVe, selected COVAREP, selected FACET."""
KEYS = ("d1", "data")
"""What the one array of a file is called."""


def looks_like_mfn(folder: Path) -> bool:
    """Whether a folder holds labels as MFN names them, in HDF5; never raises."""
    return any(looks_like_hdf5(folder / LABELS.format(split)) for split in SPLITS)


def mfn_clips(folder: Path) -> RawClips:
    """The clips of MFN's files, cut to their real steps as those of MulT's pickles are.

    Files of a split (train, valid or test): ``text_SPLIT_emb.h5``, ``audio_SPLIT.h5`` and
    ``video_SPLIT.h5`` of [clip, step, width], or ``X_SPLIT.h5`` with text, audio and vision side by
    side (325 wide), and ``y_SPLIT.h5`` of [clip] or [clip, label]. Each holds one array, ``d1`` or
    ``data``. A missing file is a modality that the split lacks. Such files have no ids, no words
    and no times.

    Raises:
        DataError: a file that cannot be read, features without labels, or arrays that do not fit
            together.
    """
    content: dict[object, object] = {}
    used: set[str] = set()
    for split in SPLITS:
        arrays = {
            modality: _array(folder / name.format(split))
            for modality, name in FILES.items()
            if (folder / name.format(split)).exists()
        }
        used |= {FILES[modality].format(split) for modality in arrays}
        if not arrays and (folder / JOINED.format(split)).exists():
            arrays = _parts(folder / JOINED.format(split))
            used.add(JOINED.format(split))
        labels = folder / LABELS.format(split)
        if labels.exists():
            content[split] = {**arrays, "labels": _array(labels)}
            used.add(labels.name)
        elif arrays:
            raise DataError(f"{folder}: has features of split '{split}' but no {labels.name}")
    others = {path.name for path in folder.glob("*.h5")} - used
    return dataclasses.replace(mult_clips(folder, content), ignored=tuple(sorted(others)))


def _array(path: Path) -> Num[np.ndarray, "*shape"]:
    with opened_hdf5(path, "an HDF5 file of MFN") as root:
        for key in KEYS:
            if key in root.names:
                return root.numbers(key)
        return root.numbers(KEYS[0])  # which says what there is instead


def _parts(path: Path) -> dict[Modality, Num[np.ndarray, "clip step _"]]:
    joined = _array(path)
    width = sum(JOINED_WIDTHS.values())
    if joined.ndim != 3 or joined.shape[2] != width:
        told = " + ".join(f"{name} {count}" for name, count in JOINED_WIDTHS.items())
        raise DataError(
            f"{path}: has shape {joined.shape}; wanted [clip, step, {width}] ({told}), or a file "
            f"per modality ({', '.join(FILES.values()).format('SPLIT', 'SPLIT', 'SPLIT')})"
        )
    arrays: dict[Modality, np.ndarray] = {}
    start = 0
    for modality, count in JOINED_WIDTHS.items():
        arrays[modality] = joined[:, :, start : start + count]
        start += count
    return arrays


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
