"""Data sets of computational sequences, as CMU-MultimodalSDK distributes MOSI, MOSEI and POM."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from deadpan.data.assembly import assemble, task_of
from deadpan.data.containers.files import shown
from deadpan.data.corpora.corpus import corpus_of_videos, standard_folds
from deadpan.data.dataset import Dataset, TaskName
from deadpan.data.formats.csd.file import CsdFile, csd_file, csd_paths
from deadpan.data.formats.csd.segments import (
    COLLAPSE,
    EPSILON,
    Part,
    Segment,
    cut,
    parts_of,
    segments_of,
    spoken,
    to_words,
)
from deadpan.data.raw import RawClip, RawClips
from deadpan.errors import DataError, unknown_name
from deadpan.types import AUDIO, TEXT, VISION, Modality, in_order

LABELS = "labels"
NAMES = {
    LABELS: re.compile(r"label|opinion|annotation|sentiment|persuasion|personality", re.I),
    TEXT: re.compile(r"glove|word|bert|embedding", re.I),
    AUDIO: re.compile(r"covarep|opensmile|acoustic|audio", re.I),
    VISION: re.compile(r"facet|openface|visual|vision|face", re.I),
}
"""What the name of a sequence says of it; the first that fits."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Roles:
    """The files of a data set.

    Attributes:
        labels: the segments and their labels.
        streams: features of each modality.
        words: the words spoken; None where no file holds them.
        unused: names of the files that are nothing of these.
    """

    labels: CsdFile
    streams: Mapping[Modality, CsdFile]
    words: CsdFile | None
    unused: tuple[str, ...]


def roles_of(folder: Path, files: Sequence[CsdFile], chosen: Mapping[str, str]) -> Roles:
    """Tell which file is which.

    A file that is not chosen is known by the name of its root group or else by the description in
    its metadata; one of numbers whose name says nothing is a modality of that name. Of files of
    texts only the words are used.

    Args:
        folder: for messages.
        files: all sequences in the folder.
        chosen: per role (a modality or "labels") the name of its file, as the user gave it; "" is
            no choice.

    Raises:
        DataError: no such file, two files for one role, no labels, or no features.
    """
    roles = {role: _named(folder, files, name) for role, name in chosen.items() if name}
    taken = {file.path for file in roles.values()}
    found: dict[str, list[CsdFile]] = {}
    for file in files:
        if file.path not in taken:
            found.setdefault(_role(file), []).append(file)
    words = found.pop("words", [])
    unused = [file.path.name for file in found.pop("", [])]
    for role, candidates in found.items():
        if role in roles:
            unused += [file.path.name for file in candidates]
        elif len(candidates) > 1:
            names = " and ".join(shown(file.path.name) for file in candidates)
            option = f"--data_options.{role} FILE" if role in NAMES else "one of them"
            raise DataError(f"{folder}: {names} both hold {shown(role)}; give {option}")
        else:
            roles[role] = candidates[0]
    if len(words) > 1:
        unused += [file.path.name for file in words]
    if LABELS not in roles or len(roles) == 1:
        held = ", ".join(f"{shown(file.path.name)} ({shown(file.root)})" for file in files)
        lacking = "features" if LABELS in roles else LABELS
        raise DataError(
            f"{folder}: no .csd file holds {lacking} (found {held}); add one, or say which does "
            f"with --data_options.{LABELS if lacking == LABELS else TEXT} FILE"
        )
    return Roles(
        labels=roles.pop(LABELS),
        streams=roles,
        words=words[0] if len(words) == 1 else None,
        unused=tuple(sorted(unused)),
    )


def _named(folder: Path, files: Sequence[CsdFile], name: str) -> CsdFile:
    for file in files:
        if name in (file.path.name, file.path.stem):
            if file.holds == "texts":
                raise DataError(f"{file.path}: holds texts; wanted a sequence of numbers")
            return file
    names = [file.path.name for file in files]
    raise DataError(f"{folder}: {unknown_name('computational sequence', name, names)}")


def _role(file: CsdFile) -> str:
    """A modality, "labels", "words", or "" for texts that are no words."""
    if file.holds == "texts":
        return "words" if re.search(r"word|transcript", file.root, re.I) else ""
    for name in (file.root, file.description):
        for role, pattern in NAMES.items():
            if pattern.search(name):
                return role
    return shown(file.root)


MOSEI_LABELS = ("sentiment", "happy", "sad", "anger", "surprise", "disgust", "fear")
"""Columns of MOSEI's labels: sentiment in [-3, 3], then the strength of emotions in [0, 3]."""

Parts = Mapping[Modality, Mapping[int, Part]]
"""What each modality has of each segment, by the segment's place."""


def csd_dataset(
    path: Path,
    *,
    align: bool = False,
    collapse: str = "mean",
    labels: str = "",
    column: str = "",
    text: str = "",
    audio: str = "",
    vision: str = "",
    corpus: str = "",
) -> Dataset:
    """A data set from a folder of .csd files: one of labels, and one per modality.

    A clip is a segment of the labels, called ``VIDEO_INDEX`` with the segments of a video counted
    in order of time. A step of features belongs to it if the two share more than 1e-5 s (see
    ``alignment.shared_steps``); its times are cut to the segment and count from the segment's
    start. A sequence without any such step is a modality that the clip lacks. Words are kept where
    they are step for step those of the text.

    Args:
        path: the folder.
        align: make every other modality one step per word of the text, as the SDK's examples do;
            else each keeps its own rate.
        collapse: what becomes of the steps within a word: "mean" or "max".
        labels: name of the file with the labels, where the sequences' own names do not tell.
        column: the one label to predict, where there are several; "" is all of them.
        text: name of the file with word vectors.
        audio: name of the file with features of the voice.
        vision: name of the file with features of the face.
        corpus: whose standard folds the splits are (MOSI, MOSEI, POM); "" finds it by the videos.

    Raises:
        DataError: files that cannot be read or told apart, or options that do not fit them.
    """
    if collapse not in COLLAPSE:
        raise DataError(unknown_name("way to collapse", collapse, COLLAPSE))
    chosen = {LABELS: labels, TEXT: text, AUDIO: audio, VISION: vision}
    roles = _roles(path, chosen)
    if align and TEXT not in roles.streams:
        raise DataError(f"{path}: align needs word vectors; add them, or leave align out")
    repairs: Counter[str] = Counter()
    warnings = [f"files that were not used: {', '.join(roles.unused)}"] if roles.unused else []
    segments, split_of = _segments(path, roles, corpus, warnings)
    values, task, names = _labels(roles, segments, column)
    parts = _parts(roles, segments, collapse if align else "", repairs)
    for modality in in_order(parts):
        if lacking := len(segments) - len(parts[modality]):
            warnings.append(f"{lacking} clips have no {modality}")
    words = _words(roles, segments, parts, repairs, warnings)
    clips = [
        _clip(place, segment, parts, values[place], words.get(place, ()), split_of[segment.video])
        for place, segment in enumerate(segments)
    ]
    return assemble(
        path,
        RawClips(clips=clips, widths={m: file.width for m, file in roles.streams.items()}),
        layout="computational sequences of CMU-MultimodalSDK",
        task=task,
        labels=names,
        repairs=repairs,
        warnings=warnings,
    )


def _roles(path: Path, chosen: Mapping[str, str]) -> Roles:
    if path.is_file():
        raise DataError(
            f"{path}: is one computational sequence, and a data set is several (features and "
            f"labels); give the folder they are in"
        )
    try:
        paths = csd_paths(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}); give a folder") from None
    if not paths:
        raise DataError(f"{path}: holds no .csd file; give a folder of them")
    return roles_of(path, [csd_file(file) for file in paths], chosen)


def _segments(
    path: Path, roles: Roles, corpus: str, warnings: list[str]
) -> tuple[list[Segment], dict[str, str | None]]:
    """The segments that are long enough and in a split, and the split of each video."""
    segments, short = segments_of(roles.labels)
    if not segments:
        raise DataError(f"{roles.labels.path}: has no segments; wanted one or more")
    if short:
        warnings.append(f"{short} segments are no longer than {EPSILON:g} s; they were left out")
    split_of = _splits(path, segments, corpus)
    kept = [segment for segment in segments if segment.video in split_of]
    if lost := len(segments) - len(kept):
        warnings.append(f"{lost} clips are of videos in no fold; they were left out")
    return kept, split_of


def _labels(
    roles: Roles, segments: Sequence[Segment], column: str
) -> tuple[np.ndarray, TaskName, tuple[str, ...]]:
    """The labels of all segments, their task and the names of their columns."""
    values = np.array([segment.label for segment in segments])
    file = roles.labels
    own = file.dimensions if len(set(file.dimensions)) == file.width else ()
    names = own or (MOSEI_LABELS if file.width == len(MOSEI_LABELS) else ())
    task, names = task_of(values, names)
    if not column:
        return values, task, names
    if column not in names:
        raise DataError(f"{file.path}: {unknown_name('label', column, names)}")
    values = values[:, [names.index(column)]]
    return values, task_of(values)[0], (column,)


def _splits(path: Path, segments: Sequence[Segment], corpus: str) -> dict[str, str | None]:
    """The split of each video; None of all where no corpus is known, absent where in no fold."""
    videos = dict.fromkeys(segment.video for segment in segments)
    name = corpus or corpus_of_videos(videos)
    if name is None:
        return dict.fromkeys(videos, None)
    try:
        folds = standard_folds(name)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    found = {video: split for split, fold in folds.items() for video in videos if video in fold}
    if not found:
        raise DataError(f"{path}: none of its videos is in the folds of {name}; leave corpus out")
    return {video: found[video] for video in videos if video in found}


def _parts(
    roles: Roles, segments: Sequence[Segment], collapse: str, repairs: Counter[str]
) -> dict[Modality, dict[int, Part]]:
    """What each modality has of each segment; text first, which others may be aligned to."""
    found: dict[Modality, dict[int, Part]] = {}
    for modality in in_order(roles.streams):
        take = cut
        if collapse and modality != TEXT:
            take = to_words(found[TEXT], modality, collapse, repairs)
        found[modality] = parts_of(roles.streams[modality], segments, take)
    return found


def _words(
    roles: Roles,
    segments: Sequence[Segment],
    parts: Parts,
    repairs: Counter[str],
    warnings: list[str],
) -> dict[int, tuple[str, ...]]:
    """The words of the clips whose text is step for step the words."""
    if roles.words is None or TEXT not in parts:
        return {}
    said = spoken(roles.words, segments, repairs)
    found: dict[int, tuple[str, ...]] = {}
    for place, text in parts[TEXT].items():
        words = said.get(place)
        if (
            words is not None
            and len(words.intervals) == len(text.intervals)
            and np.allclose(words.intervals, text.intervals, rtol=0, atol=EPSILON)
        ):
            found[place] = tuple(map(str, words.features[:, 0]))
    if other := len(parts[TEXT]) - len(found):
        warnings.append(f"{other} clips have words that are not those of the text: left out")
    return found


def _clip(
    place: int,
    segment: Segment,
    parts: Parts,
    label: np.ndarray,
    words: tuple[str, ...],
    split: str | None,
) -> RawClip:
    held = {modality: of[place] for modality, of in parts.items() if place in of}
    start, end = segment.span
    return RawClip(
        name=(f"{segment.video}_{segment.index}",),
        split=split,
        sequences={modality: part.features for modality, part in held.items()},
        label=label,
        group=segment.video,
        words=words,
        times={
            modality: np.clip(part.intervals, start, end) - start for modality, part in held.items()
        },
    )
