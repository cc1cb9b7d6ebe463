"""Data sets of transcripts: a clip table in the MMSA convention and a file of word vectors."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deadpan.data.dataset import Clip, Dataset, shared_groups
from deadpan.data.readers.clip_table import ClipRow, read_clip_table
from deadpan.data.readers.files import shown
from deadpan.data.readers.word_vectors import read_word_vectors
from deadpan.errors import DataError, unknown_name
from deadpan.types import SPLITS, TEXT

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def clip_table_dataset(path: Path, *, vectors: Path) -> Dataset:
    """The text of a clip table as vectors; voice and face are not in such a data set.

    A transcript's words are looked up in lower case. A word without a vector keeps its step, with
    zeros, so that every word keeps its place (and no clip runs empty); such steps are counted among
    the repairs. A transcript without any word makes a clip without text. Ids are ``VIDEO_CLIP``, as
    in the pickles of the MulT release, and the group is the video.

    Args:
        path: CSV with the columns video_id, clip_id, text, label (in [-3, 3]) and mode (the split).
        vectors: word vectors in GloVe's text format; any width.

    Raises:
        DataError: a file that does not fit, a label out of range, an unknown split, a clip twice.
    """
    rows = read_clip_table(path)
    _check(path, rows)
    words = [_words(row.text) for row in rows]
    vocabulary = {word for clip in words for word in clip}
    known, width = read_word_vectors(vectors, vocabulary)
    if vocabulary and not known:
        raise DataError(f"{vectors}: has a vector for no word of {path}; give vectors that fit")
    absent = sum(word not in known for clip in words for word in clip)
    silent = sum(not clip for clip in words)
    splits: dict[str, list[Clip]] = {name: [] for name in SPLITS}
    for row, clip in zip(rows, words, strict=True):
        splits[row.mode].append(_clip(row, clip, known, width))
    dataset = Dataset(
        name=path.stem,
        task="regression",
        labels=("sentiment",),
        widths={TEXT: width},
        splits=splits,
        repairs={"text: words without a vector set to 0": absent} if absent else {},
    )
    warnings = shared_groups(dataset)
    if silent:
        warnings.append(f"{silent} clips have a transcript without words: they lack text")
    return replace(dataset, warnings=tuple(warnings))


def _check(path: Path, rows: Sequence[ClipRow]) -> None:
    seen: dict[str, int] = {}
    for row in rows:
        where = f"{path}: line {row.line}"
        if row.mode not in SPLITS:
            raise DataError(f"{where}: {unknown_name('mode', shown(row.mode), SPLITS)}")
        if not abs(row.label) <= 3:  # also true of NaN
            raise DataError(f"{where}: label is {row.label:g}; wanted a number in [-3, 3]")
        if _id(row) in seen:
            raise DataError(
                f"{where}: clip '{shown(_id(row))}' is already on line {seen[_id(row)]}; "
                f"give each clip one row"
            )
        seen[_id(row)] = row.line


def _id(row: ClipRow) -> str:
    return f"{row.video}_{row.clip}"


def _words(transcript: str) -> tuple[str, ...]:
    """Runs of letters and digits, apostrophes within; all else, underscores too, parts words."""
    return tuple(WORD.findall(transcript.lower().replace("\u2019", "'")))


def _clip(
    row: ClipRow,
    words: tuple[str, ...],
    known: Mapping[str, Float[np.ndarray, " width"]],
    width: int,
) -> Clip:
    zeros = np.zeros(width, dtype=np.float32)
    steps = [known.get(word, zeros) for word in words]
    return Clip(
        id=_id(row),
        sequences={TEXT: np.stack(steps)} if steps else {},
        label=np.array([row.label], dtype=np.float32),
        group=row.video,
        words=words,
    )
