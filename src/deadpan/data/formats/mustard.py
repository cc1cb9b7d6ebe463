"""MUStARD as released: sarcasm_data.json beside pickles and HDF5 files of features by clip."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Num

from deadpan.data.assembly import ASSUMED_TEXT, WORD_VECTORS, RawClip, RawClips, sequence_widths
from deadpan.data.containers.files import open_file, printable
from deadpan.data.containers.hdf5 import looks_like_hdf5, open_hdf5
from deadpan.data.containers.unpickling import read_pickle
from deadpan.data.dataset import Dataset
from deadpan.data.formats.pickled_values import as_text, number_rows
from deadpan.data.formats.word_vectors import embed_words, tokenize
from deadpan.data.labels import labelled_dataset
from deadpan.errors import DataError, unknown_name
from deadpan.types import AUDIO, TEXT, VISION, Modality, in_order

DATA = "sarcasm_data.json"
AUDIO_FEATURES = "audio_features.p"
VISION_FEATURES = "features/utterances_final"
BERT = "bert-output.jsonl"
FOLDS = "split_indices.p"
CLASSES = ("not sarcastic", "sarcastic")
BY_SHOW = "show"
"""The speaker-independent split of the authors' code: the clips of one show are the test split."""
TEST_SHOW = "FRIENDS"

Steps = Mapping[str, Num[np.ndarray, "_ _"]]
Clips = Mapping[str, Mapping[str, object]]


def looks_like_mustard(path: Path) -> bool:
    """Whether a folder holds MUStARD's file of clips; never raises."""
    return (path / DATA).is_file()


def mustard_dataset(
    path: Path,
    *,
    fold: str = "",
    vision: str = "",
    vectors: Path | None = None,
    task: str = "auto",
    labels: str = "",
) -> Dataset:
    """Read a data set from MUStARD's folder ``data``.

    ::

        sarcasm_data.json                       {id: {"utterance", "speaker", "show", "sarcasm"}}
        audio_features.p                        {id: [width, steps]}
        features/utterances_final/NAME.hdf5     an array [frames, width] per id
        bert-output.jsonl                       a line per clip, in order: BERT's layers by token
        split_indices.p                         [(train, test), ...]: the five folds of the paper

    A clip is the last utterance of a scene; the context before it is not read. Its group is its
    speaker. Text is the tokens of bert-output.jsonl, each the mean of its layers, or the words of
    the utterance that have ``vectors``.

    Args:
        path: the folder.
        fold: 0 to 4, a fold of the paper; show, its speaker-independent split, which tests on
            Friends; "" makes splits by speaker. A tenth of the training clips is validation.
        vision: name of the HDF5 file, if there are several.
        vectors: word vectors in GloVe's text format.
        task: regression, emotions, classes or scores; "auto" takes classes.
        labels: names of the labels to predict, separated by commas; "" is all.

    Raises:
        DataError: a file does not fit, or there are no features.
    """
    clips = _clips(path / DATA)
    splits = _splits(path, clips, fold)
    warnings: list[str] = []
    repairs: Counter[str] = Counter()
    features: dict[Modality, Steps] = {}
    words: dict[str, tuple[str, ...]] = {}
    if (path / AUDIO_FEATURES).exists():
        features[AUDIO] = _audio(path / AUDIO_FEATURES, clips)
    if file := _vision_file(path, vision):
        features[VISION] = _vision(file, clips)
    if vectors is not None:
        words = {clip: tokenize(_text(x, "utterance")) for clip, x in clips.items()}
        steps, _ = embed_words(path / DATA, list(words.values()), vectors, repairs)
        features[TEXT] = {clip: x for clip, x in zip(words, steps, strict=True) if len(x)}
    elif (path / BERT).exists():
        features[TEXT], words = _bert(path / BERT, clips)
    else:
        warnings.append("the utterances were not used; give --data_options.vectors glove.txt")
    features = {name: steps for name, steps in features.items() if steps}
    if not features:
        raise DataError(
            f"{path}: has no features beside {DATA}; add {AUDIO_FEATURES} or {VISION_FEATURES}, or "
            f"give --data_options.vectors glove.txt"
        )
    for name in in_order(features):
        if missing := len(clips) - len(features[name]):
            warnings.append(f"{missing} clips have no {name}")
    entries = [
        RawClip(
            name=(clip,),
            id=clip,
            split=splits.get(clip),
            sequences={m: steps[clip] for m, steps in features.items() if clip in steps},
            label=np.array([float(bool(values["sarcasm"]))]),
            group=_text(values, "speaker"),
            words=words.get(clip, ()),
            transcript=_text(values, "utterance"),
        )
        for clip, values in clips.items()
    ]
    return labelled_dataset(
        path,
        RawClips(
            clips=entries,
            widths=sequence_widths(path, entries),
            unscaled=ASSUMED_TEXT if vectors is None else WORD_VECTORS,
        ),
        layout="MUStARD's files",
        task=task,
        labels=labels,
        classes=CLASSES,
        hold_out=True,
        repairs=repairs,
        warnings=warnings,
    )


def _clips(file: Path) -> Clips:
    with open_file(file, "MUStARD's clips (JSON)") as stream:
        try:
            content: object = json.loads(stream.read())
        except (ValueError, RecursionError) as error:
            raise DataError(f"{file}: no JSON ({printable(error)}); get it anew") from None
    if not isinstance(content, dict) or not content:
        raise DataError(f"{file}: holds no clips; wanted {{id: {{'utterance', 'sarcasm', ...}}}}")
    for clip, values in cast("dict[str, object]", content).items():
        if not isinstance(values, dict) or values.get("sarcasm") not in (True, False):
            raise DataError(
                f"{file}: clip '{printable(clip)}' has no sarcasm; wanted true or false"
            )
    return cast("Clips", content)


def _text(values: Mapping[str, object], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _splits(path: Path, clips: Clips, fold: str) -> dict[str, str]:
    """The split of each clip, train or test; none without a fold."""
    if not fold:
        return {}
    if fold == BY_SHOW:
        return {
            clip: "test" if _text(x, "show").upper() == TEST_SHOW else "train"
            for clip, x in clips.items()
        }
    content = read_pickle(path / FOLDS)
    folds = cast("list[object]", content) if isinstance(content, list) else []
    choices = [*map(str, range(len(folds))), BY_SHOW]
    if fold not in choices:
        raise DataError(f"{path / FOLDS}: {unknown_name('fold', printable(fold), choices)}")
    names = list(clips)
    splits: dict[str, str] = {}
    pair = folds[int(fold)]
    pairs = list(cast("Sequence[object]", pair)) if isinstance(pair, list | tuple) else []
    for split, part in zip(("train", "test"), pairs, strict=False):
        index = number_rows(path / FOLDS, f"fold {fold}", part).ravel()
        if not ((index >= 0) & (index < len(names)) & (index == np.floor(index))).all():
            raise DataError(
                f"{path / FOLDS}: fold {fold} counts other clips than the {len(names)} of {DATA}"
            )
        splits |= dict.fromkeys((names[int(i)] for i in index), split)
    if len(splits) != len(names):
        raise DataError(f"{path / FOLDS}: fold {fold} has {len(splits)} of {len(names)} clips")
    return splits


def _audio(file: Path, clips: Clips) -> Steps:
    """The features of the voice, which librosa gives as [width, steps]."""
    content = read_pickle(file)
    if not isinstance(content, dict):
        raise DataError(f"{file}: is a {type(content).__name__}; wanted an array by clip")
    steps: dict[str, np.ndarray] = {}
    for key, value in cast("dict[object, object]", content).items():
        try:
            clip = as_text(key)
        except DataError as error:
            raise DataError(f"{file}: {error}") from None
        if clip in clips:
            array = number_rows(file, printable(clip), value).T
            if array.size:
                steps[clip] = array
    return steps


def _vision_file(path: Path, name: str) -> Path | None:
    """The HDF5 file of the face; None if there is none."""
    home = path / VISION_FEATURES
    files = {x.name: x for x in sorted(home.glob("*.h*5")) if looks_like_hdf5(x)}
    if name and name not in files:
        raise DataError(f"{home}: {unknown_name('file', printable(name), files)}")
    if not name and len(files) > 1:
        raise DataError(
            f"{home}: has {printable(', '.join(files))}; give --data_options.vision NAME"
        )
    return files[name] if name else next(iter(files.values()), None)


def _vision(file: Path, clips: Clips) -> Steps:
    steps: dict[str, np.ndarray] = {}
    with open_hdf5(file, "an HDF5 file of MUStARD") as root:
        for clip in clips:
            if clip not in root.names:
                continue
            array = root.numbers(clip)
            if array.ndim != 2 or (array.size and not array.shape[1]):
                raise root.error(clip, f"has shape {array.shape}; wanted [frames, width]")
            if array.size:
                steps[clip] = array
    return steps


def _bert(file: Path, clips: Clips) -> tuple[Steps, dict[str, tuple[str, ...]]]:
    """The tokens of each clip and their vectors: the mean of the layers that a line has."""
    steps: dict[str, np.ndarray] = {}
    words: dict[str, tuple[str, ...]] = {}
    names = iter(clips)
    for number, line in _lines(file):
        clip = next(names, None)
        if clip is None:
            raise DataError(f"{file}: has more lines than {DATA} has clips ({len(clips)})")
        try:
            tokens = json.loads(line)["features"]
            words[clip] = tuple(str(token["token"]) for token in tokens)
            layers = [[layer["values"] for layer in token["layers"]] for token in tokens]
            array = np.array(layers, dtype=np.float32)
        except (ValueError, TypeError, LookupError, RecursionError, OverflowError):
            raise DataError(
                f"{file}: line {number}: no output of BERT's extract_features"
            ) from None
        if array.ndim != 3 or not array.size:
            raise DataError(f"{file}: line {number}: has tokens without layers; wanted vectors")
        steps[clip] = array.mean(axis=1)
    if len(steps) != len(clips):
        raise DataError(f"{file}: has {len(steps)} lines; wanted {len(clips)}, one per clip")
    return steps, words


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    with open_file(file, "BERT's output (JSON lines)") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield number, line
