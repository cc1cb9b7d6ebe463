"""Data sets of .csd files, as CMU-MultimodalSDK distributes MOSI, MOSEI and POM."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from deadpan.data.assembly import ASSUMED_TEXT, RawClip, RawClips
from deadpan.data.containers.files import printable
from deadpan.data.corpora.corpus import corpus_of_videos, standard_folds
from deadpan.data.dataset import Dataset
from deadpan.data.formats.csd.file import CsdFile, TimedSteps, csd_file, csd_paths
from deadpan.data.formats.csd.segments import (
    COLLAPSE,
    EPSILON,
    Segment,
    cut_segments,
    read_segments,
    spoken_words,
    steps_of_segment,
    word_aligner,
)
from deadpan.data.labels import MOSEI_LABELS, labelled_dataset
from deadpan.errors import DataError, unknown_name
from deadpan.types import AUDIO, TEXT, VISION, Modality, in_order

LABELS = "labels"
NAMES = {
    LABELS: re.compile(r"label|opinion|annotation|sentiment|persuasion|personality", re.I),
    TEXT: re.compile(r"glove|word|bert|embedding", re.I),
    AUDIO: re.compile(r"covarep|opensmile|acoustic|audio", re.I),
    VISION: re.compile(r"facet|openface|visual|vision|face", re.I),
}
"""Patterns of sequence names by role; the first that matches decides."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Roles:
    """The roles of a data set's files, and the names of those without one."""

    labels: CsdFile  # segments and their labels
    streams: Mapping[Modality, CsdFile]
    words: CsdFile | None  # the words spoken
    unused: tuple[str, ...]


def _assign_roles(folder: Path, files: Sequence[CsdFile], chosen: Mapping[str, str]) -> Roles:
    """Assign a role to every file of a folder.

    The role of a file that the user did not choose ("" in ``chosen``) follows from the name of its
    root group, or else from the description in its metadata. A file of numbers whose name matches
    no pattern is a modality of that name. Of files of texts only the words are used.
    """
    roles = {role: _file_named(folder, files, name) for role, name in chosen.items() if name}
    chosen_paths = {file.path for file in roles.values()}
    by_role: dict[str, list[CsdFile]] = {}
    for file in files:
        if file.path not in chosen_paths:
            by_role.setdefault(_role(file), []).append(file)
    words = by_role.pop("words", [])
    unused = [file.path.name for file in by_role.pop("", [])]
    for role, candidates in by_role.items():
        if role in roles:
            unused += [file.path.name for file in candidates]
        elif len(candidates) > 1:
            names = " and ".join(printable(file.path.name) for file in candidates)
            option = f"--data_options.{role} FILE" if role in NAMES else "one of them"
            raise DataError(f"{folder}: {names} both hold {printable(role)}; give {option}")
        else:
            roles[role] = candidates[0]
    if len(words) > 1:
        unused += [file.path.name for file in words]
    if LABELS not in roles or len(roles) == 1:
        contents = ", ".join(
            f"{printable(file.path.name)} ({printable(file.root)})" for file in files
        )
        missing = "features" if LABELS in roles else LABELS
        raise DataError(
            f"{folder}: no .csd file holds {missing} (found {contents}); add one, or say which "
            f"does with --data_options.{LABELS if missing == LABELS else TEXT} FILE"
        )
    return Roles(
        labels=roles.pop(LABELS),
        streams=roles,
        words=words[0] if len(words) == 1 else None,
        unused=tuple(sorted(unused)),
    )


def _file_named(folder: Path, files: Sequence[CsdFile], name: str) -> CsdFile:
    for file in files:
        if name in (file.path.name, file.path.stem):
            if file.holds == "texts":
                raise DataError(f"{file.path}: holds texts; wanted a sequence of numbers")
            return file
    names = [file.path.name for file in files]
    raise DataError(f"{folder}: {unknown_name('computational sequence', name, names)}")


def _role(file: CsdFile) -> str:
    """The role of a file: a modality, "labels", "words", or "" for texts that are no words."""
    if file.holds == "texts":
        return "words" if re.search(r"word|transcript", file.root, re.I) else ""
    for name in (file.root, file.description):
        for role, pattern in NAMES.items():
            if pattern.search(name):
                return role
    return printable(file.root)


Parts = Mapping[Modality, Mapping[int, TimedSteps]]
"""The part of each modality's sequence in each segment, by the segment's index."""


def csd_dataset(
    path: Path,
    *,
    align: bool = False,
    collapse: str = "mean",
    labels: str = "",
    column: str = "",
    task: str = "auto",
    text: str = "",
    audio: str = "",
    vision: str = "",
    corpus: str = "",
) -> Dataset:
    """Read a data set from a folder of .csd files: one of labels, and one per modality.

    A clip is a segment of the labels. Its id is ``VIDEO_INDEX``, where the segments of a video are
    counted in order of time. A step of features belongs to it if the two overlap by more than
    1e-5 s (see ``overlapping_steps``); the step's times are cut to the segment and count from its
    start. If no step of a sequence overlaps, the clip lacks that modality. A clip has words if they
    match the steps of its text one by one.

    Args:
        path: the folder.
        align: aggregate every other modality to one step per word of the text, as the SDK's
            examples do; otherwise each keeps its own rate.
        collapse: how the steps within a word are aggregated: "mean" or "max".
        labels: names of the labels to predict, separated by commas; "" is all, or the sentiment of
            MOSEI. Or the name of the file with the labels, if it cannot be recognised.
        column: the names of labels, where ``labels`` names the file.
        task: regression, emotions, classes or scores; "auto" infers it (see ``interpret_labels``).
        text: name of the file with word vectors.
        audio: name of the file with features of the voice.
        vision: name of the file with features of the face.
        corpus: the corpus whose standard folds are the splits (MOSI, MOSEI, POM); "" infers it from
            the videos.

    Raises:
        DataError: files cannot be read or recognised, or options do not fit them.
    """
    if collapse not in COLLAPSE:
        raise DataError(unknown_name("way to collapse", collapse, COLLAPSE))
    files = _files(path)
    if not any(labels in (file.path.name, file.path.stem) for file in files) and not column:
        labels, column = "", labels
    roles = _assign_roles(path, files, {LABELS: labels, TEXT: text, AUDIO: audio, VISION: vision})
    if align and TEXT not in roles.streams:
        raise DataError(f"{path}: align needs word vectors; add them, or leave align out")
    repairs: Counter[str] = Counter()
    warnings = [f"files that were not used: {', '.join(roles.unused)}"] if roles.unused else []
    segments, splits = _segments(path, roles, corpus, warnings)
    parts = _parts(roles, segments, collapse if align else "", repairs)
    for modality in in_order(parts):
        if missing := len(segments) - len(parts[modality]):
            warnings.append(f"{missing} clips have no {modality}")
    words = _words(roles, segments, parts, repairs, warnings)
    clips = [
        _clip(index, segment, parts, words.get(index, ()), splits[segment.video])
        for index, segment in enumerate(segments)
    ]
    return labelled_dataset(
        path,
        RawClips(
            clips=clips,
            widths={m: file.width for m, file in roles.streams.items()},
            unscaled=ASSUMED_TEXT,
        ),
        layout="computational sequences of CMU-MultimodalSDK",
        task=task,
        labels=column,
        names=_label_names(roles.labels),
        file=roles.labels.path,
        repairs=repairs,
        warnings=warnings,
    )


def _files(path: Path) -> list[CsdFile]:
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
    return [csd_file(file) for file in paths]


def _segments(
    path: Path, roles: Roles, corpus: str, warnings: list[str]
) -> tuple[list[Segment], dict[str, str | None]]:
    """The segments that are long enough and in a fold, and the split of each video."""
    segments, short = read_segments(roles.labels)
    if not segments:
        raise DataError(f"{roles.labels.path}: has no segments; wanted one or more")
    if short:
        warnings.append(f"{short} segments are no longer than {EPSILON:g} s; they were left out")
    splits = _splits(path, segments, corpus)
    used = [segment for segment in segments if segment.video in splits]
    if dropped := len(segments) - len(used):
        warnings.append(f"{dropped} clips are of videos in no fold; they were left out")
    return used, splits


def _label_names(file: CsdFile) -> Sequence[str]:
    """The names of the labels; () if the file has none of use."""
    if file.width == 1:
        return ()
    own = file.dimensions if len(set(file.dimensions)) == file.width else ()
    return own or (MOSEI_LABELS if file.width == len(MOSEI_LABELS) else ())


def _splits(path: Path, segments: Sequence[Segment], corpus: str) -> dict[str, str | None]:
    """The split of each video in a fold; without a known corpus, None for every video."""
    videos = dict.fromkeys(segment.video for segment in segments)
    name = corpus or corpus_of_videos(videos)
    if name is None:
        return dict.fromkeys(videos, None)
    try:
        folds = standard_folds(name)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    splits = {video: split for split, fold in folds.items() for video in videos if video in fold}
    if not splits:
        raise DataError(f"{path}: none of its videos is in the folds of {name}; leave corpus out")
    return {video: splits[video] for video in videos if video in splits}


def _parts(
    roles: Roles, segments: Sequence[Segment], collapse: str, repairs: Counter[str]
) -> dict[Modality, dict[int, TimedSteps]]:
    """The part of each modality in each segment; text first, to which others may be aligned."""
    parts: dict[Modality, dict[int, TimedSteps]] = {}
    for modality in in_order(roles.streams):
        take = steps_of_segment
        if collapse and modality != TEXT:
            take = word_aligner(parts[TEXT], modality, collapse, repairs)
        parts[modality] = cut_segments(roles.streams[modality], segments, take)
    return parts


def _words(
    roles: Roles, segments: list[Segment], parts: Parts, repairs: Counter[str], warnings: list[str]
) -> dict[int, tuple[str, ...]]:
    """The words of each segment, by its index, if they match the steps of its text one by one."""
    if roles.words is None or TEXT not in parts:
        return {}
    transcripts = spoken_words(roles.words, segments, repairs)
    words_by_segment: dict[int, tuple[str, ...]] = {}
    for index, text in parts[TEXT].items():
        words = transcripts.get(index)
        if (
            words is not None
            and len(words.intervals) == len(text.intervals)
            and np.allclose(words.intervals, text.intervals, rtol=0, atol=EPSILON)
        ):
            words_by_segment[index] = tuple(map(str, words.features[:, 0]))
    if mismatches := len(parts[TEXT]) - len(words_by_segment):
        warnings.append(f"{mismatches} clips have words that are not those of the text: left out")
    return words_by_segment


def _clip(
    index: int,
    segment: Segment,
    parts: Parts,
    words: tuple[str, ...],
    split: str | None,
) -> RawClip:
    present = {
        modality: by_segment[index] for modality, by_segment in parts.items() if index in by_segment
    }
    start, end = segment.span
    return RawClip(
        name=(f"{segment.video}_{segment.index}",),
        split=split,
        sequences={modality: part.features for modality, part in present.items()},
        label=segment.label,
        group=segment.video,
        words=words,
        times={
            modality: np.clip(part.intervals, start, end) - start
            for modality, part in present.items()
        },
    )
