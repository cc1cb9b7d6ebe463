"""Data sets in the pickle layout of MISA and BERT-MAG: MOSI and MOSEI, aligned by words."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from deadpan.data.assembly import assemble
from deadpan.data.clip_names import joined
from deadpan.data.dataset import Dataset
from deadpan.data.readers.files import shown
from deadpan.data.readers.misa_pickle import misa_clips, misa_folder, misa_splits
from deadpan.data.readers.raw import RawClip, RawClips
from deadpan.data.readers.unpickling import read_pickle
from deadpan.data.words import embedded
from deadpan.errors import DataError
from deadpan.types import TEXT

MOSEI_LABELS = 7
"""Sentiment, then the intensities of six emotions."""


def misa_dataset(path: Path, content: object, *, vectors: Path | None = None) -> Dataset:
    """A data set from the value of a pickle in MISA's layout (see ``misa_clips``).

    The words of such files are numbers of a vocabulary that lies elsewhere, or just words: they
    become text by way of ``vectors``, looked up in lower case. Labels are sentiment in [-3, 3]; of
    the seven of MOSEI the first is taken.

    Args:
        path: of the pickle.
        content: its value, as ``read_pickle`` gives it: a dict of splits, or one list of clips.
        vectors: word vectors in GloVe's text format; without them the clips lack text, unless the
            file holds vectors itself.

    Raises:
        DataError: not such a file, labels out of range, or vectors that cannot be used.
    """
    return _dataset(path, misa_splits(path, content), vectors)


def misa_folder_dataset(path: Path, *, vectors: Path | None = None) -> Dataset:
    """A data set from a folder with train.pkl, dev.pkl (or valid.pkl) and test.pkl.

    Args:
        path: the folder.
        vectors: see ``misa_dataset``.

    Raises:
        DataError: a file is missing or does not fit, labels out of range, vectors of no use.
    """
    files = misa_folder(path)
    return _dataset(path, {split: read_pickle(file) for split, file in files.items()}, vectors)


def _dataset(path: Path, splits: Mapping[str | None, object], vectors: Path | None) -> Dataset:
    raw = misa_clips(path, splits)
    repairs: Counter[str] = Counter()
    warnings: list[str] = []
    if any(clip.label.size == MOSEI_LABELS for clip in raw.clips):
        warnings.append(
            "labels have seven numbers, sentiment and six emotions as in MOSEI; the first was taken"
        )
    raw = dataclasses.replace(
        raw, clips=[dataclasses.replace(clip, label=_label(path, clip)) for clip in raw.clips]
    )
    if TEXT not in raw.widths:
        raw = _with_text(path, raw, vectors, repairs, warnings)
    elif vectors is not None:
        raise DataError(f"{path}: holds vectors of the words itself; leave out the option vectors")
    return assemble(
        path,
        raw,
        layout="pickles in MISA's layout",
        task="regression",
        labels=("sentiment",),
        repairs=repairs,
        warnings=warnings,
    )


def _label(path: Path, clip: RawClip) -> np.ndarray:
    if clip.label.size not in (1, MOSEI_LABELS):
        raise DataError(
            f"{path}: clip '{shown(joined(clip.name))}' has a label of shape {clip.label.shape}; "
            f"wanted one number, or seven as in MOSEI"
        )
    return clip.label.ravel()[:1]


def _with_text(
    path: Path,
    raw: RawClips,
    vectors: Path | None,
    repairs: Counter[str],
    warnings: list[str],
) -> RawClips:
    if vectors is None:
        warnings.append(
            "text was left out, the file has words and no vectors: give --data_options.vectors FILE"
            if any(clip.words for clip in raw.clips)
            else "text was left out: its words are numbers of a vocabulary that is not in the file"
        )
        return dataclasses.replace(
            raw, clips=[dataclasses.replace(clip, words=()) for clip in raw.clips]
        )
    if not any(clip.words for clip in raw.clips):
        raise DataError(
            f"{path}: has words as numbers of a vocabulary that is not in the file, so vectors of "
            f"words are of no use; leave out the option vectors"
        )
    lower = [[word.lower() for word in clip.words] for clip in raw.clips]
    sequences, width = embedded(path, lower, vectors, repairs)
    clips = [
        dataclasses.replace(clip, sequences={**clip.sequences, TEXT: sequence})
        if len(sequence)
        else clip
        for clip, sequence in zip(raw.clips, sequences, strict=True)
    ]
    return dataclasses.replace(raw, clips=clips, widths={**raw.widths, TEXT: width})
