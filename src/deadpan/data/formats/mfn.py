"""The HDF5 files of the MFN release: MOSI, MOSEI, POM, YouTube and ICT-MMMO."""

import dataclasses
from pathlib import Path

import numpy as np
from jaxtyping import Num

from deadpan.data.assembly import RawClips
from deadpan.data.containers.hdf5 import looks_like_hdf5, open_hdf5
from deadpan.data.dataset import Dataset
from deadpan.data.formats.mult import mult_clips
from deadpan.data.labels import labelled_dataset
from deadpan.errors import DataError
from deadpan.types import AUDIO, SPLITS, TEXT, VISION, Modality

FILES: dict[Modality, str] = {
    TEXT: "text_{}_emb.h5",
    AUDIO: "audio_{}.h5",
    VISION: "video_{}.h5",
}
LABELS = "y_{}.h5"
CONCATENATED = "X_{}.h5"
"""All modalities concatenated by features, as in MFN's own MOSI."""
CONCATENATED_WIDTHS: dict[Modality, int] = {TEXT: 300, AUDIO: 5, VISION: 20}
"""Features of each modality in MFN's MOSI: GloVe, selected COVAREP, selected FACET."""
KEYS = ("d1", "data")
"""Names that the one array of a file may have."""


def looks_like_mfn(folder: Path) -> bool:
    """Whether a folder holds MFN's HDF5 files of labels; never raises."""
    return any(looks_like_hdf5(folder / LABELS.format(split)) for split in SPLITS)


def _clips(folder: Path, aligned: bool | None) -> RawClips:
    """Read the clips of a folder; padding is cut as in MulT's pickles."""
    content: dict[object, object] = {}
    used: set[str] = set()
    for split in SPLITS:
        arrays = {
            modality: _array(folder / name.format(split))
            for modality, name in FILES.items()
            if (folder / name.format(split)).exists()
        }
        used |= {FILES[modality].format(split) for modality in arrays}
        if not arrays and (folder / CONCATENATED.format(split)).exists():
            arrays = _separate_modalities(folder / CONCATENATED.format(split))
            used.add(CONCATENATED.format(split))
        labels = folder / LABELS.format(split)
        if labels.exists():
            content[split] = {**arrays, "labels": _array(labels)}
            used.add(labels.name)
        elif arrays:
            raise DataError(f"{folder}: has features of split '{split}' but no {labels.name}")
    unused = {path.name for path in folder.glob("*.h5")} - used
    raw = mult_clips(folder, content, aligned=aligned)
    return dataclasses.replace(raw, ignored=tuple(sorted(unused)))


def _array(path: Path) -> Num[np.ndarray, "*shape"]:
    with open_hdf5(path, "an HDF5 file of MFN") as root:
        for key in KEYS:
            if key in root.names:
                return root.numbers(key)
        return root.numbers(KEYS[0])  # whose error lists the names that there are


def _separate_modalities(path: Path) -> dict[Modality, Num[np.ndarray, "clip step _"]]:
    joined = _array(path)
    width = sum(CONCATENATED_WIDTHS.values())
    if joined.ndim != 3 or joined.shape[2] != width:
        widths = " + ".join(f"{name} {count}" for name, count in CONCATENATED_WIDTHS.items())
        raise DataError(
            f"{path}: has shape {joined.shape}; wanted [clip, step, {width}] ({widths}), or a file "
            f"per modality ({', '.join(FILES.values()).format('SPLIT', 'SPLIT', 'SPLIT')})"
        )
    arrays: dict[Modality, np.ndarray] = {}
    start = 0
    for modality, count in CONCATENATED_WIDTHS.items():
        arrays[modality] = joined[:, :, start : start + count]
        start += count
    return arrays


def mfn_dataset(
    path: Path, *, task: str = "auto", labels: str = "", aligned: bool | None = None
) -> Dataset:
    """Read a data set from a folder of MFN's HDF5 files.

    The files of a split (train, valid or test) are ``text_SPLIT_emb.h5``, ``audio_SPLIT.h5`` and
    ``video_SPLIT.h5`` of shape [clip, step, width], or ``X_SPLIT.h5`` with text, audio and vision
    concatenated (325 features), and ``y_SPLIT.h5`` of shape [clip] or [clip, label]. Each holds one
    array, ``d1`` or ``data``. A missing file means that the split lacks the modality. Such files
    have no ids (clips are named by split and index), words, times or names of labels, whose meaning
    ``interpret_labels`` infers.

    Args:
        path: the folder.
        task: regression, emotions, classes or scores; "auto" infers it.
        labels: names of the labels to predict (label 1, label 2, ...), separated by commas; "" is
            all.
        aligned: whether step k is the same word in every modality; without it, the padding tells.

    Raises:
        DataError: a file cannot be read or is missing, shapes do not match, labels are not finite
            or do not fit the task, or the padding does not tell whether steps are aligned.
    """
    raw = _clips(path, aligned)
    if not raw.clips:
        raise DataError(f"{path}: has no clips; give labels of one or more")
    return labelled_dataset(path, raw, layout="MFN's HDF5 files", task=task, labels=labels)
