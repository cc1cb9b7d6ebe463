"""MERTools' folders (MER2023, MER2024, MERBench): label.npz beside folders of vectors by name."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path, PureWindowsPath
from typing import cast

import numpy as np
from jaxtyping import Num

from deadpan.data.assembly import (
    ASSUMED_TEXT,
    WORD_VECTORS,
    RawClip,
    RawClips,
    sequence_widths,
    video_groups,
)
from deadpan.data.containers.files import printable
from deadpan.data.containers.numpy_values import npz_names, read_npz_values
from deadpan.data.containers.tables import read_table
from deadpan.data.dataset import Dataset
from deadpan.data.formats.own.feature_files import read_features
from deadpan.data.formats.pickled_values import as_text
from deadpan.data.formats.word_vectors import embed_words, tokenize
from deadpan.data.labels import labelled_dataset
from deadpan.errors import DataError, unknown_name
from deadpan.types import AUDIO, TEXT, VISION, Modality, split_name

CORPUS = "_corpus"
"""How the names of the arrays end: ``train_corpus``, ``test1_corpus``, ..., ``whole_corpus``."""
WHOLE = "whole"
"""The array of clips that have no splits."""
ROLES: Mapping[Modality, re.Pattern[str]] = {
    AUDIO: re.compile(
        r"wavlm|hubert|wav2vec|data2vec-audio|whisper|emotion2vec|vggish|egemaps|is\d\d|audio|"
        r"acoustic",
        re.I,
    ),
    VISION: re.compile(
        r"clip-vit|data2vec-vision|videomae|eva0|manet|emonet|resnet|senet|msceleb|imagenet|dino|"
        r"vision|visual|video|face",
        re.I,
    ),
    TEXT: re.compile(
        r"bert|electra|xlnet|^t5|gpt|opt-|bloom|llama|vicuna|alpaca|moss|stablelm|chatglm|falcon|"
        r"baichuan|mpnet|taiyi|text|lexical",
        re.I,
    ),
}
"""Patterns of the names of feature folders by modality, after MERTools' lists of extractors; the
first that matches decides."""
FEATURES = "features"
SENTENCES = ("english", "sentence", "chinese")
"""Columns of a transcription; the first that exists is used."""
SOME = 100
"""Entries of a folder that are looked at to see what it holds."""
UNKNOWN = {"emo": "neutral", "val": -10.0}
"""What MERTools writes for every clip of a test set whose labels are not published."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A clip of label.npz: its split, its emotion ("" if unknown) and valence (NaN if unknown)."""

    name: str
    split: str | None
    emotion: str
    valence: float


def looks_like_mertools(path: Path) -> bool:
    """Whether a folder has one label file of MERTools or more; never raises."""
    try:
        return bool(_label_files(path))
    except OSError:
        return False


def _label_files(path: Path) -> list[Path]:
    return [
        file
        for file in sorted(path.glob("*label*.npz"))
        if {f"{name}{CORPUS}" for name in ("train", WHOLE)} & set(npz_names(file))
    ]


def mertools_dataset(
    path: Path,
    *,
    label: str = "",
    file: str = "",
    test: str = "",
    text: str = "",
    audio: str = "",
    vision: str = "",
    vectors: Path | None = None,
    task: str = "auto",
    labels: str = "",
) -> Dataset:
    """Read a data set from a folder that MERTools has prepared.

    ::

        folder/label-6way.npz               train_corpus, test1_corpus, ...: {name: {"emo", "val"}}
        folder/features/EXTRACTOR-UTT/      NAME.npy [width], or NAME/ with an array per frame
        folder/features/EXTRACTOR-FRA/      NAME.npy [steps, width]
        folder/transcription.csv            name, and sentence, english or chinese

    The folders of features may also lie beside the labels. The modality of each is told by the name
    of its extractor. ``val_corpus`` is the validation split; without it, a tenth of the training
    clips is taken. ``whole_corpus`` has no splits, and they are made. A test set in which every
    clip is neutral is left out: MERTools writes that where labels are not published.

    Args:
        path: the folder.
        label: emo (classes) or val (a score); "" is emo if it has two classes or more.
        file: name of the label file, if there are several.
        test: the test set, such as test1, if there are several.
        text: name of the folder of text features, if there are several.
        audio: name of the folder of features of the voice, if there are several.
        vision: name of the folder of features of the face, if there are several.
        vectors: word vectors in GloVe's text format, which make the transcription the text.
        task: regression, emotions, classes or scores; "auto" takes the file's own.
        labels: names of the labels to predict, separated by commas; "" is all.

    Raises:
        DataError: a file or folder is missing or does not fit.
    """
    source = _chosen_file(path, file)
    warnings: list[str] = []
    entries = _entries(source, test, warnings)
    classes, values, entries = _labels(source, entries, label, warnings)
    folders = _folders(path, {TEXT: text, AUDIO: audio, VISION: vision}, warnings)
    repairs: Counter[str] = Counter()
    if vectors is not None and TEXT in folders:
        del folders[TEXT]
    sequences = {m: _sequences(folder, entries, m, warnings) for m, folder in folders.items()}
    words: dict[str, tuple[str, ...]] = {}
    if vectors is not None:
        words = _transcripts(path, entries)
        steps, _ = embed_words(path, list(words.values()), vectors, repairs)
        sequences[TEXT] = {n: x for n, x in zip(words, steps, strict=True) if len(x)}
    elif TEXT not in folders and _transcriptions(path):
        warnings.append("the transcription was not used; give --data_options.vectors glove.txt")
    sequences = {name: clips for name, clips in sequences.items() if clips}
    if not sequences:
        raise DataError(
            f"{path}: has no features of its clips; put a file per clip into "
            f"{FEATURES}/EXTRACTOR/NAME.npy beside {source.name}"
        )
    clips = [
        RawClip(
            name=(entry.name,),
            id=entry.name,
            split=entry.split,
            sequences={m: x[entry.name] for m, x in sequences.items() if entry.name in x},
            label=value,
            group=group,
            words=words.get(entry.name, ()),
        )
        for entry, value, group in zip(entries, values, _groups(entries), strict=True)
    ]
    return labelled_dataset(
        path,
        RawClips(
            clips=clips,
            widths=sequence_widths(path, clips),
            unscaled=ASSUMED_TEXT if vectors is None else WORD_VECTORS,
        ),
        layout="a folder of MERTools",
        task=task,
        labels=labels,
        classes=classes,
        hold_out=True,
        repairs=repairs,
        warnings=warnings,
    )


def _chosen_file(path: Path, name: str) -> Path:
    files = {file.name: file for file in _label_files(path)}
    if name and name not in files:
        raise DataError(f"{path}: {unknown_name('label file', printable(name), files)}")
    if not name and len(files) > 1:
        raise DataError(f"{path}: has {printable(', '.join(files))}; give --data_options.file NAME")
    return files[name or next(iter(files))]


def _entries(file: Path, test: str, warnings: list[str]) -> list[Entry]:
    """The clips of the splits, of one test set, in the order of the file."""
    arrays = {
        name.removesuffix(CORPUS): array
        for name, array in read_npz_values(file).items()
        if name.endswith(CORPUS)
    }
    corpora = {name: _corpus(file, name, array) for name, array in arrays.items()}
    splits = {name: split_name(name) for name in corpora}
    tests = [name for name, split in splits.items() if name != WHOLE and split in (None, "test")]
    published = [name for name in tests if any(_published(x) for x in corpora[name].values())]
    if hidden := [name for name in tests if name not in published]:
        warnings.append(
            f"{', '.join(map(printable, hidden))} left out: every clip is neutral or has no label "
            f"there, which MERTools writes where labels are not published"
        )
    if test and test not in published:
        raise DataError(f"{file}: {unknown_name('test set', printable(test), published)}")
    if not test and len(published) > 1:
        raise DataError(
            f"{file}: has the test sets {printable(', '.join(published))}; give "
            f"--data_options.test {published[0]}"
        )
    entries: list[Entry] = []
    for name, corpus in corpora.items():
        if name not in tests:
            entries += [_entry(clip, splits[name], value) for clip, value in corpus.items()]
        elif name in published and test in ("", name):
            entries += [_entry(clip, "test", value) for clip, value in corpus.items()]
    if not entries:
        raise DataError(
            f"{file}: has no labelled clips; wanted {{name: {{'emo': ..., 'val': ...}}}}"
        )
    return entries


Values = Mapping[str, object]


def _corpus(file: Path, name: str, array: np.ndarray) -> dict[str, Values]:
    """The dict that an array of one object holds: the labels of each clip."""
    content = array[()] if array.shape == () else None
    where = f"{file}: '{printable(name)}{CORPUS}'"
    if not isinstance(content, dict):
        raise DataError(f"{where} holds no dict; wanted {{name: {{'emo': ..., 'val': ...}}}}")
    corpus: dict[str, Values] = {}
    for key, value in cast("dict[object, object]", content).items():
        try:
            clip = as_text(key)
        except DataError as error:
            raise DataError(f"{where}: {error}") from None
        if not isinstance(value, dict) or "emo" not in value:
            raise DataError(f"{where}: clip '{printable(clip)}' has no 'emo'; wanted its emotion")
        parts = PureWindowsPath(clip)  # which knows /, \ and drives
        if parts.anchor or ".." in parts.parts or any(x in clip for x in ("\\", "\0")):
            raise DataError(
                f"{where}: name '{printable(clip)}' leads elsewhere; wanted a file name"
            )
        corpus[clip] = cast("Values", value)
    return corpus


def _published(values: Values) -> bool:
    """Whether the labels of a clip are other than MERTools' placeholder."""
    emotion = _emotion(values["emo"])
    return emotion not in ("", UNKNOWN["emo"]) or not np.isnan(_valence(values.get("val")))


def _emotion(value: object) -> str:
    """The emotion as text; "" where it is missing, blank or NaN."""
    scalar = isinstance(value, str | bytes | int | float | np.generic)
    missing = isinstance(value, float | np.floating) and np.isnan(value)
    return as_text(value).strip() if scalar and not missing else ""


def _valence(value: object) -> float:
    """The valence; NaN where it is missing, empty, or the placeholder -10."""
    try:
        number = float(value) if isinstance(value, str | int | float | np.number) else np.nan
    except (ValueError, OverflowError):
        return np.nan
    return np.nan if number == UNKNOWN["val"] else number


def _entry(name: str, split: str | None, values: Values) -> Entry:
    return Entry(
        name=name,
        split=split,
        emotion=_emotion(values["emo"]),
        valence=_valence(values.get("val")),
    )


def _labels(
    file: Path, entries: Sequence[Entry], label: str, warnings: list[str]
) -> tuple[tuple[str, ...], Num[np.ndarray, "clip 1"], list[Entry]]:
    """The names of the classes, none for valence, the labels, and the clips that have one."""
    emotions = sorted({entry.emotion for entry in entries if entry.emotion})
    if label not in ("", "emo", "val"):
        raise DataError(f"{file}: {unknown_name('label', printable(label), ('emo', 'val'))}")
    valent = [entry for entry in entries if np.isfinite(entry.valence)]
    if not label and len(emotions) < 2 and not valent:
        raise DataError(f"{file}: has no two emotions and no valence; wanted one or the other")
    if label == "emo" or (not label and len(emotions) > 1):
        if len(emotions) < 2:
            raise DataError(f"{file}: has no two emotions; give --data_options.label val")
        emotional = [entry for entry in entries if entry.emotion]
        _warn_of_missing("emotion", len(entries) - len(emotional), warnings)
        rows = [[emotions.index(entry.emotion)] for entry in emotional]
        return tuple(emotions), np.array(rows), emotional
    if not valent:
        raise DataError(f"{file}: has no valence; give --data_options.label emo")
    _warn_of_missing("valence", len(entries) - len(valent), warnings)
    return (), np.array([[entry.valence] for entry in valent]), valent


def _warn_of_missing(label: str, count: int, warnings: list[str]) -> None:
    if count:
        warnings.append(f"{count} clips have no {label}; they were left out")


def _groups(entries: Sequence[Entry]) -> list[str]:
    """The session, dialogue or video of each clip, as its name tells; "" if unknown."""
    patterns = (re.compile(r"(Ses\d\d)\w*"), re.compile(r"(.*dia\d+)_utt\d+"))
    for pattern in patterns:
        matches = [pattern.fullmatch(entry.name) for entry in entries]
        if all(matches):
            return [match[1] for match in matches if match]
    return video_groups([entry.name for entry in entries])


def _folders(
    path: Path, chosen: Mapping[Modality, str], warnings: list[str]
) -> dict[Modality, Path]:
    """The folder of features of each modality."""
    home = path / FEATURES if (path / FEATURES).is_dir() else path
    folders = {entry.name: entry for entry in sorted(home.iterdir()) if entry.is_dir()}
    result: dict[Modality, Path] = {}
    for modality, name in chosen.items():
        if name and name not in folders:
            raise DataError(f"{home}: {unknown_name('folder', printable(name), folders)}")
        if name:
            result[modality] = folders[name]
    candidates: dict[Modality, list[str]] = {}
    for name in folders:
        role = next((m for m, pattern in ROLES.items() if pattern.search(name)), "")
        if role and name not in chosen.values() and _holds_arrays(folders[name]):
            candidates.setdefault(role, []).append(name)
    for modality, names in candidates.items():
        if modality in result:
            continue
        if len(names) > 1:
            raise DataError(
                f"{home}: {printable(', '.join(names))} all hold {modality}; give "
                f"--data_options.{modality} NAME"
            )
        result[modality] = folders[names[0]]
    used = {folder.name for folder in result.values()}
    if unused := [name for name in folders if home != path and name not in used]:
        warnings.append(f"folders that were not used: {printable(', '.join(unused))}")
    return result


def _holds_arrays(folder: Path) -> bool:
    """Whether a folder holds arrays, or folders of them: pictures are not."""
    for entry in islice(folder.iterdir(), SOME):
        inner = islice(entry.iterdir(), SOME) if entry.is_dir() else (entry,)
        if any(file.suffix == ".npy" for file in inner):
            return True
    return False


def _sequences(
    folder: Path, entries: Sequence[Entry], modality: Modality, warnings: list[str]
) -> dict[str, Num[np.ndarray, "_ _"]]:
    """The sequence of each clip that has one."""
    sequences: dict[str, np.ndarray] = {}
    for entry in entries:
        array = _sequence(folder, entry.name)
        if array.size:
            sequences[entry.name] = array
    if missing := len(entries) - len(sequences):
        warnings.append(f"{missing} clips have no {modality} in {printable(folder.name)}")
    return sequences


def _sequence(folder: Path, name: str) -> Num[np.ndarray, "_ _"]:
    """The steps of a clip: those of its file, or of the files in its folder; [0, 0] if none."""
    file = folder / f"{name}.npy"
    if file.is_file():
        return read_features(file).values
    inner = folder / name
    if not inner.is_dir():
        return np.zeros((0, 0))
    frames = [
        read_features(frame).values for frame in sorted(inner.iterdir()) if frame.suffix == ".npy"
    ]
    frames = [frame for frame in frames if frame.size]
    if len({frame.shape[1] for frame in frames}) > 1:
        raise DataError(f"{inner}: has arrays of different widths; wanted one")
    return np.concatenate(frames) if frames else np.zeros((0, 0))


def _transcriptions(path: Path) -> list[Path]:
    return sorted(path.glob("*transcription*.csv"))


def _transcripts(path: Path, entries: Sequence[Entry]) -> dict[str, tuple[str, ...]]:
    """The words of each clip, of the transcription with the longest name (the most refined)."""
    files = _transcriptions(path)
    if not files:
        raise DataError(f"{path}: has no transcription*.csv; leave out the option vectors")
    file = max(files, key=lambda file: len(file.name))
    table = read_table(file)
    column = next((name for name in SENTENCES if name in table.columns), "")
    if "name" not in table.columns or not column:
        names = printable(", ".join(table.columns))
        raise DataError(f"{file}: has columns {names}; wanted name, and {' or '.join(SENTENCES)}")
    sentences = {x.cells.get("name", "").strip(): x.cells.get(column, "") for x in table.rows}
    return {entry.name: tokenize(sentences.get(entry.name, "")) for entry in entries}
