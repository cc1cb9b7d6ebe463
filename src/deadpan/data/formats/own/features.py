"""Features beside a clip table: a folder of files per modality, or word vectors of transcripts."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from deadpan.data.containers.files import printable
from deadpan.data.containers.tables import SUFFIXES as TABLE_SUFFIXES
from deadpan.data.containers.tables import looks_like_spreadsheet
from deadpan.data.formats.foreign import foreign_format
from deadpan.data.formats.own.extractors import Features, clock_offsets
from deadpan.data.formats.own.feature_files import SUFFIXES, read_features
from deadpan.data.formats.own.folders import MEDIA, FeatureFolder, feature_folders
from deadpan.data.formats.own.table import ClipTable, looks_like_clip_table
from deadpan.data.formats.word_vectors import embed_words, tokenize
from deadpan.errors import DataError
from deadpan.types import TEXT, Modality, is_reserved

FEWEST = 3
"""Clips that must agree before their arrays are taken for transposed."""


def looks_like_run(path: Path) -> bool:
    """Whether a path is the folder of a run, whose predictions.csv is no clip table."""
    return all((path / name).is_file() for name in ("config.yaml", "environment.json"))


def looks_like_own(path: Path) -> bool:
    """Whether a path is a folder with a table whose columns are a clip table's; never raises.

    Folders of features are not required: ``own_dataset`` reports that they are missing. It also
    reports a second table. A spreadsheet, whose columns are not known, and JSON, which may be
    settings, do not tell by themselves; nor does a table of a run.
    """
    try:
        tables = table_files(path) if path.is_dir() and not looks_like_run(path) else []
        return any(looks_like_clip_table(table) and not may_be_other(table) for table in tables)
    except (DataError, OSError):
        return False


def may_be_other(table: Path) -> bool:
    """Whether a table may be other data than clips, whatever ``looks_like_clip_table`` says."""
    return "json" in table.suffix.lower() or looks_like_spreadsheet(table)


def find_clip_table(folder: Path) -> Path:
    """Find the one table of a folder, or the one whose columns tell that it is a clip table.

    Raises:
        DataError: there is none or more than one, or the folder cannot be read.
    """
    tables = table_files(folder)
    if not tables:
        raise DataError(f"{folder}: has no clip table; give it one, such as labels.csv")
    certain = [table for table in tables if looks_like_clip_table(table)]
    if len(certain or tables) > 1:
        names = printable(", ".join(table.name for table in certain or tables))
        raise DataError(f"{folder}: has {len(certain or tables)} tables: {names}; give one of them")
    return (certain or tables)[0]


def table_files(folder: Path) -> list[Path]:
    """The tables of a folder by name; those of JSON, which may be settings, if there are no others.

    Raises:
        DataError: the folder cannot be read.
    """
    try:
        tables = sorted(
            entry
            for entry in folder.iterdir()
            if entry.suffix.lower() in TABLE_SUFFIXES
            and entry.name[0] not in ".~"
            and not entry.is_dir()
        )
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); give a folder") from None
    return [table for table in tables if "json" not in table.suffix.lower()] or tables


def read_modality(
    folder: FeatureFolder, files: Mapping[str, Path], ids: Sequence[str], table: str
) -> tuple[dict[str, Features], list[str]]:
    """Read the features of these clips from a folder.

    Args:
        folder: the folder.
        files: the file of each clip that has one (see ``FeatureFolder.files_of``).
        ids: ids of all clips.
        table: name of the clip table, for messages.

    Returns:
        The features of one clip or more, by id, and warnings: clips without a file, files without a
        step and files that belong to no clip are left out.

    Raises:
        DataError: no file belongs to a clip, a file cannot be read, files differ in width or in the
            names of their features, or no file has a step.
    """
    if not re.fullmatch(r"[\w-]+", folder.path.name):
        raise DataError(
            f"{folder.path}: a modality's name has only letters, digits, - and _; rename the folder"
        )
    if is_reserved(name := folder.path.name):
        raise DataError(f"{folder.path}: no model takes a modality named '{name}'; rename it")
    if not files:
        example = next(iter(folder.files.values())).name
        raise DataError(
            f"{folder.path}: no file is named by an id (a file is '{printable(example)}', an id "
            f"'{printable(ids[0])}'); name the files by ids, or move the folder elsewhere"
        )
    features = {clip: read_features(file) for clip, file in files.items()}
    modality = folder.path.name
    warnings = _remarks(modality, files, features)
    clips = {clip: x for clip, x in features.items() if len(x.values)}
    if not clips:
        why = f" ({warnings[0]})" if warnings else ""
        raise DataError(f"{folder.path}: no file has a step{why}; give a row of features per step")
    if _are_transposed(list(clips.values())):
        width = len(next(iter(clips.values())).values)
        warnings.append(
            f"arrays in '{modality}' are [{width}, steps], as only their second axis varies: they "
            f"were transposed to [steps, {width}]"
        )
        clips = {
            clip: dataclasses.replace(x, values=x.values.T, names=()) for clip, x in clips.items()
        }
    first = next(iter(clips))
    for clip in clips:
        _check_same(files[clip], clips[clip], files[first], clips[first])
    return clips, warnings + _left_out(folder, files, features, ids, table)


def _remarks(
    modality: Modality, files: Mapping[str, Path], features: Mapping[str, Features]
) -> list[str]:
    """What was done to files, a sentence for all files of each kind."""
    entries: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for clip, x in features.items():
        for remark in x.remarks:
            of_kind = entries.setdefault((remark.noun, remark.predicate), [])
            of_kind.append((remark.count, files[clip].name))
    return [
        f"{sum(count for count, _ in of_kind)} {noun} in '{modality}' {predicate} (first: "
        f"'{printable(of_kind[0][1])}')"
        for (noun, predicate), of_kind in entries.items()
    ]


def _left_out(
    folder: FeatureFolder,
    files: Mapping[str, Path],
    features: Mapping[str, Features],
    ids: Sequence[str],
    table: str,
) -> list[str]:
    """Which clips have no file or no step, and which files are of no clip."""
    modality, used, warnings = folder.path.name, set(files.values()), list[str]()
    if missing := [clip for clip in ids if clip not in files]:
        warnings.append(
            f"{len(missing)} clips have no file in '{modality}' (first: "
            f"'{printable(missing[0])}'): they lack {modality}"
        )
    if empty := [files[clip].name for clip, x in features.items() if not len(x.values)]:
        warnings.append(
            f"{len(empty)} files in '{modality}' have no step (first: "
            f"'{printable(empty[0])}'): their clips lack {modality}"
        )
    if unknown := [path.name for path in folder.files.values() if path not in used]:
        names = ", ".join(f"'{printable(name)}'" for name in unknown[:3])
        warnings.append(
            f"{len(unknown)} files in '{modality}' are of no clip in {table} "
            f"(first: {names}): they were ignored"
        )
    return warnings


def _are_transposed(clips: Sequence[Features]) -> bool:
    """Whether arrays are [width, steps]: their first axis is of one length, their second varies.

    A few files of another width than most do not make them so.
    """
    has_names = any(not name.isdecimal() for x in clips for name in x.names)  # pandas counts
    if len(clips) < FEWEST or has_names or any(x.times is not None for x in clips):
        return False
    first, second = zip(*(x.values.shape for x in clips), strict=True)
    return len(set(first)) == 1 and 2 * max(Counter(second).values()) <= len(clips)


def _check_same(path: Path, features: Features, other: Path, others: Features) -> None:
    width, expected = features.values.shape[1], others.values.shape[1]
    if width != expected:
        raise DataError(
            f"{path}: has {width} features per step, {other.name} has {expected}; wanted one width"
        )
    if features.names and others.names and features.names != others.names:
        index = next(i for i in range(width) if features.names[i] != others.names[i])
        raise DataError(
            f"{path}: feature {index + 1} is '{printable(features.names[index])}', in {other.name} "
            f"'{printable(others.names[index])}'; wanted the same columns in one order"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnFeatures:
    """The features of all clips of a table in all modalities, and sentences for the user."""

    clips: Mapping[Modality, Mapping[str, Features]]  # by id, without clips that lack the modality
    widths: Mapping[Modality, int]
    words: Mapping[str, tuple[str, ...]]  # by id, one per step of text; none without vectors
    repairs: Counter[str]  # words without a vector
    warnings: tuple[str, ...]


def own_features(
    path: Path, table: ClipTable, vectors: Path | None, *, featureless: bool = False
) -> OwnFeatures:
    """Read the folders of features beside a clip table, and look up the words of transcripts.

    Args:
        path: the table's.
        table: the clips.
        vectors: word vectors in GloVe's text format; None reads no words.
        featureless: whether a table of transcripts needs no features.

    Raises:
        DataError: a folder or file does not fit, or there are no features.
    """
    ids = [row.id for row in table.rows]
    transcribed = featureless and "text" in table.columns
    folders, ignored = _folders(path, ids, optional=transcribed or vectors is not None)
    if vectors is not None or not transcribed:
        _check_sources(path, table, [folder.path.name for folder, _ in folders], ignored, vectors)
    warnings = [f"{reason}: it was ignored" for reason in ignored]
    clips: dict[Modality, dict[str, Features]] = {}
    for folder, files in folders:
        clips[folder.path.name], left_out = read_modality(folder, files, ids, path.name)
        warnings += left_out
    warnings += _count_from_first(ids, clips)
    widths = {name: next(iter(x.values())).values.shape[1] for name, x in clips.items()}
    words: dict[str, tuple[str, ...]] = {}
    repairs: Counter[str] = Counter()
    if vectors is not None:
        words = {row.id: tokenize(row.cells["text"]) for row in table.rows}
        steps, widths[TEXT] = embed_words(path, list(words.values()), vectors, repairs)
        clips[TEXT] = {
            clip: Features(values=x) for clip, x in zip(words, steps, strict=True) if len(x)
        }
        if wordless := len(words) - len(clips[TEXT]):
            warnings.append(f"{wordless} clips have a transcript without words: they lack text")
    elif "text" in table.columns and TEXT not in clips and not featureless:
        warnings.append("the column text was not used; give --data_options.vectors glove.txt")
    return OwnFeatures(
        clips=clips, widths=widths, words=words, repairs=repairs, warnings=tuple(warnings)
    )


def _folders(
    path: Path, ids: Sequence[str], *, optional: bool
) -> tuple[list[tuple[FeatureFolder, Mapping[str, Path]]], list[str]]:
    """The folders of modalities and their clips' files, and the reasons why others are ignored.

    With ``optional`` there are features already, and a folder may be no part of the data.
    """
    folders: list[tuple[FeatureFolder, Mapping[str, Path]]] = []
    ignored: list[str] = []
    for folder in feature_folders(path.parent):
        name = printable(folder.path.name)
        files = folder.files_of(ids)
        if folder.files and not files and (optional or not folder.is_of_features()):
            ignored.append(f"folder '{name}' has no file named by an id")
        elif folder.files:
            folders.append((folder, files))
        elif folder.has_other_files:
            _refuse_foreign(folder.path, ids)
            ignored.append(f"folder '{name}' has no files of {', '.join(SUFFIXES)}")
    return folders, ignored


def _refuse_foreign(folder: Path, ids: Sequence[str]) -> None:
    """Raise DataError, with the way out, if a folder is a database or its files are of a tool."""
    entries = [x for x in sorted(folder.iterdir()) if x.suffix.lower() not in MEDIA]
    clips = {*ids}
    for path in (folder, *(entry for entry in entries if entry.stem in clips)):
        if sentence := foreign_format(path):
            raise DataError(f"{path}: {sentence}")


def _check_sources(
    path: Path,
    table: ClipTable,
    modalities: Sequence[Modality],
    ignored: Sequence[str],
    vectors: Path | None,
) -> None:
    spoken = "text" in table.columns
    if vectors is None and not modalities:
        why = f" ({'; '.join(ignored[:3])})" if ignored else ""
        also = (
            ", so its text needs the option 'vectors'; give --data_options.vectors glove.txt, make "
            "a store of it with 'deadpan encode', or"
        )
        raise DataError(
            f"{path}: no folder of features beside it{why}{also if spoken else ';'} put a file per "
            f"clip into a folder per modality, such as audio/ID.npy"
        )
    if vectors is not None and not spoken:
        raise DataError(
            f"{path}: no column text for the vectors {vectors}; name one with --data_options.text"
        )
    if vectors is not None and TEXT in modalities:
        raise DataError(
            f"{path}: text is in the folder text and in the vectors {vectors}; give one of them"
        )


def _count_from_first(ids: Sequence[str], clips: dict[Modality, dict[str, Features]]) -> list[str]:
    """Count the times of clips that a clock timed from their first step, in place; a warning."""
    counted: list[tuple[str, float]] = []
    for clip in ids:
        steps = {name: x[clip].times for name, x in clips.items() if clip in x}
        offsets = clock_offsets({name: x for name, x in steps.items() if x is not None})
        for name, offset in offsets.items():
            features = clips[name][clip]
            if features.times is not None:
                clips[name][clip] = dataclasses.replace(features, times=features.times - offset)
        if offsets:
            counted.append((clip, min(offsets.values())))
    if not counted:
        return []
    clip, offset = counted[0]
    return [
        f"{len(counted)} clips have times that start far from 0 (first: '{printable(clip)}', at "
        f"{offset:.0f} s): they were counted from the first step"
    ]
