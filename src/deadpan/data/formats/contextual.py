"""Utterance vectors of whole videos: the pickles of bc-LSTM and its kin, and the .npz of CIM."""

import dataclasses
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Num

from deadpan.data.assembly import ASSUMED_TEXT, RawClip, RawClips
from deadpan.data.containers.files import printable
from deadpan.data.containers.numpy_values import looks_like_npz, npz_names, read_npz_values
from deadpan.data.containers.unpickling import looks_like_pickle, read_pickle
from deadpan.data.dataset import Dataset
from deadpan.data.formats.pickled_values import as_list, as_text, number_column, numeric_array
from deadpan.data.labels import labelled_dataset
from deadpan.errors import DataError, unknown_name
from deadpan.types import AUDIO, SPLITS, TEXT, VISION, Modality, split_name

ROLES: Mapping[Modality, re.Pattern[str]] = {
    TEXT: re.compile(r"text|transcript", re.I),
    AUDIO: re.compile(r"audio|acoustic|speech", re.I),
    VISION: re.compile(r"video|visual|vision|face", re.I),
}
"""Patterns of the names of files by modality."""
SUFFIXES = (".pickle", ".pkl", ".p", ".npz")
TUPLES: Mapping[int, Mapping[str, tuple[int, int, int]]] = {
    7: {"train": (0, 1, 5), "test": (2, 3, 6)},
    13: {"train": (0, 1, 7), "valid": (2, 3, 8), "test": (4, 5, 9)},
}
"""Positions of features, labels and lengths of each split in a tuple of so many parts."""
EMOTIONS = ("anger", "disgust", "fear", "happy", "sad", "surprise")
"""The columns of ``EmoLabel``, whose numbers are strengths: above 0 is present."""
WANTED = (
    "(train, labels, test, labels, length, lengths, lengths), or train_data, train_length and "
    "labels of each split"
)
ALIGNED = "steps are aligned: an utterance is one in every modality"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Videos:
    """The videos of one split, padded to one number of utterances."""

    features: Mapping[Modality, Num[np.ndarray, "video utterance _"]]
    labels: Num[np.ndarray, "video utterance *shape"]
    lengths: tuple[int, ...]  # utterances of each video
    names: tuple[str, ...]  # of the videos; empty if the file has none


def looks_like_contextual(content: object) -> bool:
    """Whether a value is a tuple of bc-LSTM's parts, or a dict of arrays of whole videos."""
    if isinstance(content, list | tuple):
        parts = cast("Sequence[object]", content)
        return len(parts) in TUPLES and isinstance(parts[0], np.ndarray) and parts[0].ndim == 3
    return isinstance(content, dict) and _has_keys(cast("dict[object, object]", content))


def _has_keys(names: Iterable[object]) -> bool:
    keys = {name.decode("latin-1") if isinstance(name, bytes) else name for name in names}
    return any({f"train_{first}", f"train_{second}"} <= keys for first, second in KEYS)


KEYS = (("data", "length"), ("mask", "label"))
"""Keys by which a dict of arrays is recognised: of CIM, and of unimodal activations."""


def looks_like_contextual_file(path: Path) -> bool:
    """Whether a file is .npz with the keys of such a value; never raises."""
    return looks_like_npz(path) and _has_keys(npz_names(path))


def looks_like_contextual_folder(path: Path) -> bool:
    """Whether a folder has such a file for two modalities or more; never raises.

    That a pickle is one is told by its name alone.
    """
    try:
        return len(_files(path)) > 1
    except OSError:
        return False


def _files(path: Path) -> dict[Modality, list[Path]]:
    """The files of each modality, by their names; no other entry of the folder is opened."""
    files: dict[Modality, list[Path]] = {}
    for entry in sorted(path.iterdir()):
        modality = next((m for m, role in ROLES.items() if role.match(entry.stem)), None)
        if modality is None or entry.suffix.lower() not in SUFFIXES:
            continue
        if looks_like_pickle(entry) or looks_like_contextual_file(entry):
            files.setdefault(modality, []).append(entry)
    return files


def _variant(file: Path) -> str:
    """The rest of a file's name after the word that tells its modality: "_2way"."""
    return re.sub(r"^[a-z]+", "", file.stem, flags=re.I)


def _variant_options(variants: Iterable[str]) -> str:
    """The options that choose variants, as a shell takes them, also of names such as "-2way"."""
    return " or ".join(f"--data_options.variant={shlex.quote(name)}" for name in variants)


def contextual_folder_dataset(
    path: Path, *, label: str = "", variant: str = "", task: str = "auto", labels: str = ""
) -> Dataset:
    """Read a data set from a folder with a file of each modality (see ``contextual_dataset``).

    ::

        folder/text.pickle, audio.pickle, video.pickle     of bc-LSTM; or text_2way.pickle, ...
        folder/text.npz, audio.npz, video.npz              of CIM

    Args:
        path: the folder.
        label: see ``contextual_dataset``.
        variant: the rest of the names, such as "_2way", if there are several files of a modality.
        task: see ``contextual_dataset``.
        labels: see ``contextual_dataset``.

    Raises:
        DataError: a file does not fit, files differ in their videos or labels, or several are of
            one modality.
    """
    files = _files(path)
    variants = sorted({_variant(entry) for entries in files.values() for entry in entries})
    named = [name for name in variants if name]
    if variant and variant not in named:
        plain = "; or leave it out" if "" in variants else ""
        raise DataError(f"{path}: {unknown_name('variant', printable(variant), named)}{plain}")
    if not variant and "" not in variants and len(named) > 1:
        raise DataError(f"{path}: has files of several variants; give {_variant_options(named)}")
    chosen = variant or variants[0]
    warnings: list[str] = []
    if others := [name for name in named if name != chosen]:
        warnings.append(f"other variants were not used; for them give {_variant_options(others)}")
    splits: dict[str, Videos] = {}
    for modality, entries in files.items():
        fitting = [entry for entry in entries if _variant(entry) == chosen]
        if len(fitting) > 1:
            names = printable(" and ".join(entry.name for entry in fitting))
            raise DataError(f"{path}: {names} are all of {modality}; leave one of them there")
        if not fitting:
            warnings.append(f"no file of {modality} is called as the others are; it was left out")
        for entry in fitting:
            content = read_npz_values(entry) if looks_like_npz(entry) else read_pickle(entry)
            for split, videos in _videos(entry, content, modality, label, warnings).items():
                splits[split] = _joined(entry, split, splits.get(split), videos)
    return _dataset(path, splits, label, task, labels, warnings)


def contextual_file_dataset(
    path: Path, *, label: str = "", modality: str = "", task: str = "auto", labels: str = ""
) -> Dataset:
    """Read a data set from one .npz of whole videos, which holds one modality.

    Args:
        path: the file.
        label: see ``contextual_dataset``.
        modality: the modality; "" takes it from the name of the file.
        task: see ``contextual_dataset``.
        labels: see ``contextual_dataset``.

    Raises:
        DataError: the file does not fit.
    """
    content = read_npz_values(path)
    return contextual_dataset(
        path, content, label=label, modality=modality, task=task, labels=labels
    )


def contextual_dataset(
    path: Path,
    content: object,
    *,
    label: str = "",
    modality: str = "",
    task: str = "auto",
    labels: str = "",
) -> Dataset:
    """Read a data set from a value that holds one vector per utterance, padded by video.

    A clip is an utterance, and each of its sequences one step. Its group is its video, and the
    utterances of a video keep their order, which CIA reads. A vector of zeros means that the clip
    lacks the modality. Where there is no validation split, a tenth of the training videos is taken.

    The value is bc-LSTM's tuple of seven parts, or of thirteen for MOSEI, a dict of CIM's arrays
    (``train_data``, ``train_length``, ``trainSentiLabel``, ``trainEmoLabel``, ...), or one of
    unimodal activations (``text_train``, ..., ``train_mask``, ``train_label``).
    ``interpret_labels`` decides on the task; the strengths of emotions become present or absent.

    Args:
        path: path of the file.
        content: its value.
        label: sentiment or emotions, if the file has both.
        modality: the modality of a file that holds one; "" takes it from the name of the file.
        task: regression, emotions, classes or scores; "auto" infers it.
        labels: names of the labels to predict, separated by commas; "" is all.

    Raises:
        DataError: the value does not fit the format.
    """
    warnings: list[str] = []
    several = isinstance(content, dict) and not {"train_mask", b"train_mask"}.isdisjoint(content)
    if several and modality:
        raise DataError(
            f"{path}: got modality '{printable(modality)}' and the file names its own; leave it out"
        )
    modality = modality or ("" if several else _modality_of(path))
    splits = _videos(path, content, modality, label, warnings)
    return _dataset(path, splits, label, task, labels, warnings)


def _modality_of(path: Path) -> Modality:
    """The modality that the name of a file tells."""
    for modality, pattern in ROLES.items():
        if pattern.search(path.stem):
            return modality
    raise DataError(
        f"{path}: holds one modality and its name tells none of {', '.join(ROLES)}; give "
        f"--data_options.modality NAME"
    )


def _videos(
    path: Path, content: object, modality: Modality, label: str, warnings: list[str]
) -> dict[str, Videos]:
    """The videos of each split in an unpickled value."""
    try:
        if not isinstance(content, list | tuple | dict):
            raise DataError(f"is a {type(content).__name__}; wanted {WANTED}")
        table: dict[str, object] = {}
        if isinstance(content, dict):
            table = {as_text(key): x for key, x in cast("dict[object, object]", content).items()}
            if "train_mask" not in table:
                return _from_arrays(table, modality, label, warnings)
        if label:
            raise DataError(
                f"has one label a clip, and got label '{printable(label)}'; leave it out"
            )
        if table:
            return _from_activations(table)
        return _from_tuple(cast("Sequence[object]", content), modality)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def _from_tuple(parts: Sequence[object], modality: Modality) -> dict[str, Videos]:
    if len(parts) not in TUPLES:
        raise DataError(f"has {len(parts)} parts; wanted {WANTED}")
    splits: dict[str, Videos] = {}
    for split, (features, labels, lengths) in TUPLES[len(parts)].items():
        if split == "valid" and not isinstance(parts[features], np.ndarray):
            continue
        splits[split] = _split(split, {modality: parts[features]}, parts[labels], parts[lengths])
    return splits


def _from_activations(table: Mapping[str, object]) -> dict[str, Videos]:
    splits: dict[str, Videos] = {}
    for split, key in _split_keys(table, "_mask").items():
        if f"{key}_label" not in table:
            raise DataError(f"has '{key}_mask' and no '{key}_label'; wanted {WANTED}")
        features = {
            modality: table[name]
            for modality, pattern in ROLES.items()
            for name in table
            if name.endswith(f"_{key}") and pattern.match(name)
        }
        mask = numeric_array(f"{key}_mask", table[f"{key}_mask"])
        if mask.ndim != 2 or not np.isin(mask, (0, 1)).all():
            raise DataError(f"'{key}_mask' has shape {mask.shape}; wanted 0 or 1 per utterance")
        splits[split] = _split(key, features, table[f"{key}_label"], mask.sum(axis=1))
    return splits


def _from_arrays(
    table: Mapping[str, object], modality: Modality, label: str, warnings: list[str]
) -> dict[str, Videos]:
    splits: dict[str, Videos] = {}
    for split, key in _split_keys(table, "_data").items():
        names = {
            "sentiment": f"{key}SentiLabel",
            "emotions": f"{key}EmoLabel",
            "": f"{key}_label",
        }
        available = [name for name, column in names.items() if column in table]
        wanted = label or next(iter(available), "sentiment")
        if wanted not in available:
            raise DataError(unknown_name("label", printable(wanted), [x for x in available if x]))
        if not label and len(available) > 1:
            others = [f"--data_options.label {name}" for name in available[1:] if name]
            sentence = f"{wanted} was taken of several labels"
            sentence += f"; others: {', '.join(others)}" if others else ""
            warnings += [sentence] if sentence not in warnings else []
        splits[split] = _split(
            key,
            {modality: table[f"{key}_data"]},
            table[names[wanted]],
            table.get(f"{key}_length"),
            table.get(f"{key}_idName"),
        )
    return splits


def _split_keys(table: Iterable[str], end: str) -> dict[str, str]:
    """How keys that end so call each split: ``{"valid": "dev"}`` for ``dev_data``."""
    keys = [name.removesuffix(end) for name in table if name.endswith(end)]
    key_of: dict[str, str] = {}
    for key in sorted(keys, key=lambda key: SPLITS.index(split_name(key) or SPLITS[-1])):
        split = split_name(key)
        if split in key_of:
            raise DataError(f"has '{key_of[split]}{end}' and '{key}{end}'; leave one of them out")
        if split:
            key_of[split] = key
    return key_of


def _split(
    split: str,
    features: Mapping[Modality, object],
    labels: object,
    lengths: object,
    names: object = None,
) -> Videos:
    """Check the parts of a split: their shapes agree, and lengths are within them."""
    if not features:
        raise DataError(f"split '{split}' has no features; wanted {WANTED}")
    arrays = {name: numeric_array(f"features of {split}", x) for name, x in features.items()}
    shape = next(iter(arrays.values())).shape
    for array in arrays.values():
        if array.ndim != 3 or array.shape[:2] != shape[:2] or not array.shape[2]:
            raise DataError(
                f"features of '{split}' have shape {array.shape}; wanted [video, utterance, width]"
            )
    values = numeric_array(f"labels of {split}", labels)
    if values.shape[:2] != shape[:2] or values.ndim > 3:
        raise DataError(
            f"labels of '{split}' have shape {values.shape}; wanted {shape[:2]}, one per utterance"
        )
    counts = number_column(f"lengths of {split}", lengths)
    whole = (counts >= 0) & (counts <= shape[1]) & (counts == np.floor(counts))
    if len(counts) != shape[0] or not whole.all():
        raise DataError(
            f"lengths of '{split}' are of {len(counts)} videos; wanted {shape[0]} whole numbers up "
            f"to {shape[1]}"
        )
    texts: tuple[str, ...] = ()
    if isinstance(names, np.ndarray) and names.shape[:1] == shape[:1] and names.size == shape[0]:
        texts = tuple(as_text(name) for name in as_list("idName", names.reshape(-1)))
    return Videos(
        features=arrays, labels=values, lengths=tuple(int(x) for x in counts), names=texts
    )


def _joined(path: Path, split: str, before: Videos | None, videos: Videos) -> Videos:
    """The videos of a split with the features of another modality."""
    if before is None:
        return videos
    if before.lengths != videos.lengths or not np.array_equal(before.labels, videos.labels):
        raise DataError(
            f"{path}: split '{split}' has other videos or labels than the file of "
            f"{' and '.join(before.features)}; give files of one data set"
        )
    return dataclasses.replace(before, features={**before.features, **videos.features})


def _dataset(
    path: Path,
    splits: Mapping[str, Videos],
    label: str,
    task: str,
    labels: str,
    warnings: Sequence[str],
) -> Dataset:
    clips = [clip for split, videos in splits.items() for clip in _clips(split, videos)]
    if not clips:
        raise DataError(f"{path}: has no utterances; wanted {WANTED}")
    widths: dict[Modality, int] = {}
    for split, videos in splits.items():
        for name, array in videos.features.items():
            if widths.setdefault(name, array.shape[2]) != array.shape[2]:
                raise DataError(
                    f"{path}: {name} has width {array.shape[2]} in {split}; wanted {widths[name]}"
                )
    return labelled_dataset(
        path,
        RawClips(clips=clips, widths=widths, alignment=ALIGNED, unscaled=ASSUMED_TEXT),
        layout="utterance vectors of whole videos (bc-LSTM, CIM)",
        task="emotions" if label == "emotions" and task == "auto" else task,
        labels=labels,
        names=EMOTIONS,
        hold_out=True,
        warnings=warnings,
    )


def _clips(split: str, videos: Videos) -> list[RawClip]:
    """The utterances of a split, video by video."""
    clips: list[RawClip] = []
    for index, count in enumerate(videos.lengths):
        video = videos.names[index] if videos.names else f"{split}{index}"
        for utterance in range(count):
            vectors = {m: x[index, utterance : utterance + 1] for m, x in videos.features.items()}
            clips.append(
                RawClip(
                    name=(f"{video}_{utterance}",),
                    split=split,
                    sequences={m: x for m, x in vectors.items() if x.any()},
                    label=videos.labels[index, utterance].reshape(-1),
                    group=video,
                )
            )
    return clips
