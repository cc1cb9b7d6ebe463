"""UR-FUNNY as released (V1 and V2): six pickles of words, voice, face and labels by clip."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Num

from deadpan.data.assembly import ASSUMED_TEXT, RawClip, RawClips, sequence_widths
from deadpan.data.containers.files import printable
from deadpan.data.containers.memory import charge
from deadpan.data.containers.unpickling import looks_like_pickle, read_pickle
from deadpan.data.dataset import Dataset
from deadpan.data.formats.pickled_values import NUMBER, as_text, number_rows
from deadpan.data.labels import labelled_dataset
from deadpan.errors import DataError, unknown_name
from deadpan.types import AUDIO, SPLITS, TEXT, VISION, Modality, split_name

FOLDS, LABELS, VECTORS = "data_folds.pkl", "humor_label_sdk.pkl", "word_embedding_list.pkl"
WORDS = ("language_sdk.pkl", "word_embedding_indexes_sdk.pkl")
"""The words of each clip as numbers of ``VECTORS``: in V2, whose file has sentences too, and V1."""
FEATURES: Mapping[Modality, str] = {
    AUDIO: "covarep_features_sdk.pkl",
    VISION: "openface_features_sdk.pkl",
}
CLASSES = ("not humorous", "humorous")
WORD = 64
"""Bytes of memory of an id or a word."""

Sequence2d = Num[np.ndarray, "_ _"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A pickled dict by id of a clip."""

    path: Path
    values: Mapping[str, object]


def looks_like_ur_funny(path: Path) -> bool:
    """Whether a folder has UR-FUNNY's pickles of folds and labels; never raises."""
    return all(looks_like_pickle(path / name) for name in (FOLDS, LABELS))


def ur_funny_dataset(
    path: Path, *, context: bool = False, task: str = "auto", labels: str = ""
) -> Dataset:
    """Read a data set from the folder of UR-FUNNY's pickles.

    ::

        data_folds.pkl              {"train": [id, ...], "dev": [...], "test": [...]}
        humor_label_sdk.pkl         {id: 0 or 1}
        covarep_features_sdk.pkl    {id: {"punchline_features": [[...], ...],
                                          "context_features": [[[...], ...], ...]}}
        openface_features_sdk.pkl   the same
        language_sdk.pkl            {id: {"punchline_embedding_indexes": [...], ...}}; in V1
                                    word_embedding_indexes_sdk.pkl
        word_embedding_list.pkl     [vector, ...]

    A clip is a punchline, a step is a word. A file of features that is missing means that the data
    set lacks the modality. The folds have no speaker in two splits, and the files do not name them.

    Args:
        path: the folder.
        context: put the sentences before the punchline in front of it.
        task: regression, emotions, classes or scores; "auto" takes classes.
        labels: names of the labels to predict, separated by commas; "" is all.

    Raises:
        DataError: a file is missing or does not fit.
    """
    folds, humour = (_table(path / name) for name in (FOLDS, LABELS))
    features = {m: _table(path / name) for m, name in FEATURES.items() if (path / name).exists()}
    words = next((_table(path / name) for name in WORDS if (path / name).exists()), None)
    vectors = _vectors(path / VECTORS) if words and (path / VECTORS).exists() else None
    clips: list[RawClip] = []
    for fold, ids in folds.values.items():
        split = split_name(fold)
        if split is None:
            raise DataError(f"{folds.path}: {unknown_name('split', printable(fold), SPLITS)}")
        for clip in _ids(folds, fold, ids):
            sequences = {m: _sequence(clip, x, "features", context) for m, x in features.items()}
            if words and vectors is not None:
                sequences[TEXT] = _spoken(clip, words, vectors, context)
            clips.append(
                RawClip(
                    name=(clip,),
                    id=clip,
                    split=split,
                    sequences={m: x for m, x in sequences.items() if x.size},
                    label=_label(clip, humour),
                    group="",
                    words=_words(clip, words) if words and not context else (),
                )
            )
    widths = sequence_widths(path, clips)
    if not widths:
        wanted = ", ".join((*FEATURES.values(), WORDS[0], VECTORS))
        raise DataError(f"{path}: has no features; wanted {wanted}")
    clips = [
        clip
        if len(clip.words) == len(clip.sequences.get(TEXT, ()))
        else dataclasses.replace(clip, words=())
        for clip in clips
    ]
    return labelled_dataset(
        path,
        RawClips(
            clips=clips,
            widths=widths,
            alignment="steps are aligned: the format has one for each word",
            unscaled=ASSUMED_TEXT,
        ),
        layout="UR-FUNNY's pickles",
        task=task,
        labels=labels,
        classes=CLASSES,
    )


def _table(path: Path) -> Table:
    content = read_pickle(path)
    if not isinstance(content, dict):
        raise DataError(f"{path}: is a {type(content).__name__}; wanted a dict by clip")
    items = cast("dict[object, object]", content).items()
    return Table(path=path, values={_text(path, k): x for k, x in items})


def _text(path: Path, value: object) -> str:
    try:
        return as_text(value)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _ids(folds: Table, fold: str, value: object) -> list[str]:
    if not isinstance(value, list | tuple | np.ndarray):
        raise DataError(f"{folds.path}: '{fold}' is a {type(value).__name__}; wanted a list of ids")
    charge(WORD * len(value))
    return [_text(folds.path, entry) for entry in cast("list[object]", value)]


def _vectors(path: Path) -> Sequence2d:
    return number_rows(path, "the list of vectors", read_pickle(path))


def _sequence(clip: str, table: Table, key: str, context: bool) -> Sequence2d:  # noqa: FBT001
    """The steps of the context's sentences, if they are wanted, and of the punchline."""
    if clip not in table.values:
        return np.zeros((0, 0))
    where = f"clip '{printable(clip)}'"
    value = table.values[clip]
    parts = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    if f"punchline_{key}" not in parts:
        raise DataError(f"{table.path}: {where} has no punchline_{key}; wanted UR-FUNNY's pickle")
    sentences = parts.get(f"context_{key}", []) if context else []
    if not isinstance(sentences, list | tuple | np.ndarray):
        raise DataError(f"{table.path}: context_{key} of {where} is no list of sentences")
    values = [*cast("list[object]", sentences), parts[f"punchline_{key}"]]
    arrays = [number_rows(table.path, printable(clip), value) for value in values]
    arrays = [array for array in arrays if array.size]
    if len({array.shape[1] for array in arrays}) > 1:
        raise DataError(f"{table.path}: {where} has sentences of different widths; wanted one")
    if len(arrays) > 1:
        charge(sum(NUMBER * array.size for array in arrays))
        return np.concatenate(arrays)
    return arrays[0] if arrays else np.zeros((0, 0))


def _spoken(clip: str, words: Table, vectors: Sequence2d, context: bool) -> Sequence2d:  # noqa: FBT001
    """The vectors of a clip's words."""
    numbers = _sequence(clip, words, "embedding_indexes", context).ravel()
    valid = (numbers >= 0) & (numbers < len(vectors)) & (numbers == np.floor(numbers))
    if not valid.all():
        raise DataError(
            f"{words.path}: clip '{printable(clip)}' has word {numbers[~valid][0]:g}; wanted whole "
            f"numbers below {len(vectors)}, the vectors of {VECTORS}"
        )
    charge(len(numbers) * vectors[:1].nbytes)
    return vectors[numbers.astype(np.int64)]


def _words(clip: str, words: Table) -> tuple[str, ...]:
    """The words of a punchline; () in V1, which has none."""
    table = words.values.get(clip)
    value = table.get("punchline_sentence") if isinstance(table, dict) else None
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return tuple(cast("list[str]", value))
    if not isinstance(value, str):
        return ()
    charge(WORD * (value.count(" ") + 1))
    return tuple(value.split())


def _label(clip: str, labels: Table) -> Num[np.ndarray, "1"]:
    if clip not in labels.values:
        raise DataError(f"{labels.path}: has no label of clip '{printable(clip)}'; add it")
    value = number_rows(labels.path, printable(clip), [labels.values[clip]])
    if value.size != 1 or value.item() not in (0, 1):
        raise DataError(
            f"{labels.path}: clip '{printable(clip)}' has the label "
            f"{printable(value[0].tolist())}; wanted 0 or 1"
        )
    return value.reshape(1)
