"""MUStARD as released: sarcasm_data.json beside pickles and HDF5 files of features by clip."""

import itertools
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
from deadpan.data.containers.memory import charge
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
CONTEXT_VISION = "features/context_final"
BERT = "bert-output.jsonl"
CONTEXT_BERT = "bert-output-context.jsonl"
FOLDS = "split_indices.p"
CLASSES = ("not sarcastic", "sarcastic")
BY_SHOW = "show"
"""The speaker-independent split of the authors' code: the clips of one show are the test split."""
TEST_SHOW = "FRIENDS"
BY_SPEAKERS, SPEAKER_GROUPS = "speakers", 10
"""Groups of speakers, to be left out in turn; no speaker is in two."""

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
    context: bool = False,
    task: str = "auto",
    labels: str = "",
) -> Dataset:
    """Read a data set from MUStARD's folder ``data``.

    ::

        sarcasm_data.json                       {id: {"utterance", "speaker", "context",
                                                      "context_speakers", "show", "sarcasm"}}
        audio_features.p                        {id: [width, steps]}
        features/utterances_final/NAME.hdf5     an array [frames, width] per id
        features/context_final/NAME.hdf5        the same of the context
        bert-output.jsonl                       a line per clip, in order: BERT's layers by token
        bert-output-context.jsonl               a line per sentence of the contexts, in order
        split_indices.p                         [(train, test), ...]: the five folds of the paper

    A clip is the last utterance of a scene. Its group is its speaker. Text is the tokens of
    bert-output.jsonl, each the mean of its layers, or the words that have ``vectors``.

    Args:
        path: the folder.
        fold: 0 to 4, a fold of the paper, in which speakers are on both sides; show, its
            speaker-independent split, which tests on Friends. A tenth of the training clips is
            validation. "" makes splits by speaker; speakers makes ten groups of speakers, of about
            as many clips each, which a grid's leave_one_out leaves out in turn.
        vision: name of the HDF5 file, if there are several.
        vectors: word vectors in GloVe's text format.
        context: put what is said and seen before the utterance in front of it; the release has no
            voice of it.
        task: regression, emotions, classes or scores; "auto" takes classes.
        labels: names of the labels to predict, separated by commas; "" is all.

    Raises:
        DataError: a file does not fit, or there are no features.
    """
    clips = _clips(path / DATA)
    splits = _splits(path, clips, fold)
    groups = _groups(clips, fold)
    spoken = _spoken(path / DATA, clips, context=context)
    repairs: Counter[str] = Counter()
    features, words, warnings = _features(
        path, clips, spoken, vision=vision, vectors=vectors, context=context, repairs=repairs
    )
    entries = [
        RawClip(
            name=(clip,),
            id=clip,
            split=splits.get(clip),
            sequences={m: steps[clip] for m, steps in features.items() if clip in steps},
            label=np.array([float(bool(values["sarcasm"]))]),
            group=groups[clip],
            words=words.get(clip, ()),
            transcript=" ".join(spoken[clip]),
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


def _features(
    path: Path,
    clips: Clips,
    spoken: Mapping[str, Sequence[str]],
    *,
    vision: str,
    vectors: Path | None,
    context: bool,
    repairs: Counter[str],
) -> tuple[dict[Modality, Steps], dict[str, tuple[str, ...]], list[str]]:
    """The steps of each modality by clip, the words of each clip, and warnings."""
    warnings: list[str] = []
    features: dict[Modality, Steps] = {}
    words: dict[str, tuple[str, ...]] = {}
    with_context: list[Modality] = []
    if (path / AUDIO_FEATURES).exists():
        features[AUDIO] = _audio(path / AUDIO_FEATURES, clips)
    if file := _vision_file(path, vision):
        features[VISION] = _vision(file, clips)
        if context and (before := path / CONTEXT_VISION / file.name).exists():
            features[VISION] = _joined(before, _vision(before, clips), features[VISION])
            with_context.append(VISION)
    if vectors is not None:
        words = {clip: tokenize(" ".join(parts)) for clip, parts in spoken.items()}
        steps, _ = embed_words(path / DATA, list(words.values()), vectors, repairs)
        features[TEXT] = {clip: x for clip, x in zip(words, steps, strict=True) if len(x)}
        with_context.append(TEXT)
    elif (path / BERT).exists():
        features[TEXT], words = _bert_text(path, spoken, context=context)
        with_context += [TEXT] if (path / CONTEXT_BERT).exists() else []
    else:
        warnings.append("the utterances were not used; give --data_options.vectors glove.txt")
    features = {name: steps for name, steps in features.items() if steps}
    without = set(features) - set(with_context) if context else set[Modality]()
    return features, words, [*warnings, *_lacks(path, clips, features, without)]


def _lacks(
    path: Path, clips: Clips, features: Mapping[Modality, Steps], without: set[Modality]
) -> list[str]:
    """What the features lack, as warnings: the context in some modalities, and single clips.

    Raises:
        DataError: there are none, or no modality has the context that is wanted.
    """
    if not features:
        raise DataError(
            f"{path}: has no features beside {DATA}; add {AUDIO_FEATURES} or {VISION_FEATURES}, or "
            f"give --data_options.vectors glove.txt"
        )
    if without == set(features):
        raise DataError(
            f"{path}: has no features of the context; add {CONTEXT_BERT} or {CONTEXT_VISION}, give "
            f"--data_options.vectors glove.txt, or leave --data_options.context out"
        )
    told: list[str] = [f"the context has no {name}" for name in in_order(without)]
    for name in in_order(features):
        if missing := len(clips) - len(features[name]):
            told.append(f"{missing} clips have no {name}")
    return told


def _spoken(file: Path, clips: Clips, *, context: bool) -> dict[str, list[str]]:
    """The sentences of each clip: those of its context, if they are wanted, and the utterance."""
    spoken: dict[str, list[str]] = {}
    for clip, values in clips.items():
        before = values.get("context", []) if context else []
        if not isinstance(before, list) or not all(isinstance(x, str) for x in before):
            raise DataError(
                f"{file}: the context of clip '{printable(clip)}' is no list of sentences"
            )
        spoken[clip] = [*cast("list[str]", before), _text(values, "utterance")]
    return spoken


def _groups(clips: Clips, fold: str) -> dict[str, str]:
    """The speaker of each clip; or the group that its speaker is in, groups of about one size."""
    speakers = {clip: _text(values, "speaker") for clip, values in clips.items()}
    if fold != BY_SPEAKERS:
        return speakers
    counts = Counter(speakers.values())
    if len(counts) < SPEAKER_GROUPS:
        raise DataError(
            f"{DATA} has {len(counts)} speakers; {SPEAKER_GROUPS} groups need as many at least: "
            f"leave --data_options.fold out, which splits by speaker"
        )
    sizes = [0] * SPEAKER_GROUPS
    group: dict[str, str] = {}
    # The speaker with most clips first, into the smallest group: the same whatever their order.
    for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        smallest = sizes.index(min(sizes))
        sizes[smallest] += count
        group[name] = f"{BY_SPEAKERS} {smallest}"
    return {clip: group[name] for clip, name in speakers.items()}


def _splits(path: Path, clips: Clips, fold: str) -> dict[str, str]:
    """The split of each clip, train or test; none without a fold."""
    if fold in ("", BY_SPEAKERS):
        return {}
    if fold == BY_SHOW:
        return {
            clip: "test" if _text(x, "show").upper() == TEST_SHOW else "train"
            for clip, x in clips.items()
        }
    content = read_pickle(path / FOLDS)
    folds = cast("list[object]", content) if isinstance(content, list) else []
    choices = [*map(str, range(len(folds))), BY_SHOW, BY_SPEAKERS]
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


def _joined(file: Path, before: Steps, after: Steps) -> Steps:
    """The steps of each clip behind those of its context."""
    joined: dict[str, np.ndarray] = {}
    for clip, steps in after.items():
        parts = [before[clip], steps] if clip in before else [steps]
        if len({part.shape[1] for part in parts}) > 1:
            widths = " and ".join(str(part.shape[1]) for part in parts)
            raise DataError(
                f"{file}: the context of clip '{printable(clip)}' and its utterance have {widths} "
                "features; wanted as many"
            )
        charge(sum(part.nbytes for part in parts))
        joined[clip] = np.concatenate(parts)
    return joined


def _bert_text(
    path: Path, spoken: Mapping[str, Sequence[str]], *, context: bool
) -> tuple[Steps, dict[str, tuple[str, ...]]]:
    """The vectors of each clip's tokens, and the tokens, those of its context in front."""
    context = context and (path / CONTEXT_BERT).exists()
    counts = [len(parts) - 1 if context else 0 for parts in spoken.values()]
    before = iter(_bert(path / CONTEXT_BERT, sum(counts), "sentence") if context else ())
    steps: dict[str, np.ndarray] = {}
    words: dict[str, tuple[str, ...]] = {}
    outputs = _bert(path / BERT, len(spoken), "clip")
    for clip, count, output in zip(spoken, counts, outputs, strict=True):
        parts = [*itertools.islice(before, count), output]
        if len({array.shape[1] for _, array in parts}) > 1:
            raise DataError(
                f"{path / CONTEXT_BERT}: clip '{printable(clip)}' has vectors of another width "
                f"than in {BERT}; wanted those of one encoder"
            )
        words[clip] = tuple(token for tokens, _ in parts for token in tokens)
        steps[clip] = np.concatenate([array for _, array in parts])
    return steps, words


def _bert(file: Path, wanted: int, unit: str) -> list[tuple[tuple[str, ...], np.ndarray]]:
    """The tokens of each line and their vectors: the mean of the layers that it has."""
    outputs: list[tuple[tuple[str, ...], np.ndarray]] = []
    for number, line in _lines(file):
        if len(outputs) == wanted:
            raise DataError(f"{file}: has more lines than {DATA} has {unit}s ({wanted})")
        try:
            tokens = json.loads(line)["features"]
            words = tuple(str(token["token"]) for token in tokens)
            layers = [[layer["values"] for layer in token["layers"]] for token in tokens]
            array = np.array(layers, dtype=np.float32)
        except (ValueError, TypeError, LookupError, RecursionError, OverflowError):
            raise DataError(
                f"{file}: line {number}: no output of BERT's extract_features"
            ) from None
        if array.ndim != 3 or not array.size:
            raise DataError(f"{file}: line {number}: has tokens without layers; wanted vectors")
        outputs.append((words, array.mean(axis=1)))
    if len(outputs) != wanted:
        raise DataError(f"{file}: has {len(outputs)} lines; wanted {wanted}, one per {unit}")
    return outputs


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    with open_file(file, "BERT's output (JSON lines)") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                yield number, line
