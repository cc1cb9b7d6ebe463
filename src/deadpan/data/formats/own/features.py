"""Features beside a clip table: a folder of files per modality, or word vectors of transcripts."""

import dataclasses
import math
import os
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Num
from numpy.lib import format as npy

from deadpan.data.containers.csv_rows import parse_number, read_csv_rows
from deadpan.data.containers.files import open_file, printable
from deadpan.data.containers.parquet import read_parquet
from deadpan.data.containers.tables import SUFFIXES as TABLE_SUFFIXES
from deadpan.data.formats.own.table import ClipTable, looks_like_clip_table
from deadpan.data.formats.word_vectors import embed_words, tokenize
from deadpan.errors import DataError
from deadpan.types import TEXT, Modality

SUFFIXES = (".npy", ".csv", ".parquet")
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
"""Readers of .npy headers by version; the third is for names of fields, which numbers lack."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Features:
    """The features of one clip in one modality.

    Attributes:
        values: any type of number, finite or not.
        names: names of the features; empty if the file has none.
        times: start and end of each step in seconds from the start of the clip; None if unknown.
    """

    values: Num[np.ndarray, "step width"]
    names: tuple[str, ...] = ()
    times: Float[np.ndarray, "step 2"] | None = None


def read_features(path: Path) -> Features:
    """Read the features of one clip from a file, by its suffix.

    A ``.npy`` file holds an array [step, width], or [step] of one feature. A ``.csv`` or
    ``.parquet`` file has a row per step; its columns ``start`` and ``end``, or else ``time`` or
    ``timestamp``, are seconds and no features.

    Raises:
        DataError: the file does not fit its suffix.
        DeadpanError: the file is Parquet, and pyarrow is not installed.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return Features(values=_read_npy(path))
    names, values = read_parquet(path) if suffix == ".parquet" else _read_csv(path)
    return _separate_times(path, names, values)


def _read_npy(path: Path) -> Num[np.ndarray, "step width"]:
    with open_file(path, "an array of numbers (.npy)") as stream:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # numpy warns of headers by Python 2
                shape, by_column, dtype = HEADERS[npy.read_magic(stream)](stream)
        except OSError:
            raise
        except Exception as error:  # numpy's parser may raise anything on a damaged header
            raise DataError(
                f"{path}: no array of numbers ({printable(error)}); write it with numpy.save"
            ) from None
        if dtype.hasobject:
            raise DataError(f"{path}: holds pickled objects, never read; save it as float32")
        if dtype.kind not in "iuf" or dtype.itemsize > 8:
            raise DataError(
                f"{path}: holds {printable(dtype.name)}, no numbers; save it as float32"
            )
        if len(shape) not in (1, 2) or min(shape) < 0 or not math.prod(shape[1:]):
            raise DataError(
                f"{path}: has shape {printable(shape)}; wanted (steps, width) or (steps,)"
            )
        if not shape[0]:
            return np.zeros((0, 0))
        needed = math.prod(shape) * dtype.itemsize
        available = os.fstat(stream.fileno()).st_size - stream.tell()
        if needed > available:
            raise DataError(
                f"{path}: is cut off: shape {printable(shape)} of {dtype.name} is {needed} bytes, "
                f"found {available}; write it again"
            )
        values = np.frombuffer(stream.read(needed), dtype=dtype)
    return values.reshape(shape if len(shape) == 2 else (-1, 1), order="F" if by_column else "C")


def _read_csv(path: Path) -> tuple[tuple[str, ...], Float[np.ndarray, "row column"]]:
    names: tuple[str, ...] = ()
    width: int | None = None
    rows: list[np.ndarray] = []
    for line, fields in read_csv_rows(path, "a table of features (CSV)"):
        if width is None:
            width = len(fields)
            if _is_header(fields):
                names = tuple(field.strip() for field in fields)
                continue
        if len(fields) != width:
            raise DataError(f"{path}: line {line}: has {len(fields)} fields; wanted {width}")
        rows.append(_numbers(path, line, fields))
    values = np.stack(rows) if rows else np.zeros((0, width or 0))
    # pandas writes row numbers into the first column, which has no name.
    return (names[1:], values[:, 1:]) if names and not names[0] else (names, values)


def _is_header(fields: Sequence[str]) -> bool:
    """Whether a row is a header: a field is no number, or three fields or more count from 0.

    The latter are the names that pandas gives to unnamed columns, after an empty one of its index.
    """
    counted = [str(index) for index in range(len(fields))]
    if len(fields) > 2 and (list(fields) == counted or list(fields) == ["", *counted[:-1]]):
        return True
    return any(field.strip() and parse_number(field) is None for field in fields)


def _numbers(path: Path, line: int, fields: Sequence[str]) -> Float[np.ndarray, " column"]:
    try:
        return np.array([float(field or "nan") for field in fields])
    except ValueError:  # rare: a blank is NaN too
        values = [parse_number(field) if field.strip() else math.nan for field in fields]
    if None in values:
        wrong = fields[values.index(None)]
        remedy = "save it with commas" if ";" in wrong or "\t" in wrong else "mend the row"
        raise DataError(f"{path}: line {line}: '{printable(wrong)}' is no number; {remedy}")
    return np.array(values, dtype=np.float64)


def _separate_times(
    path: Path, names: tuple[str, ...], values: Num[np.ndarray, "row column"]
) -> Features:
    """Separate features from times; the names of time columns are case-insensitive."""
    lower = [name.lower() for name in names]
    spans = [name for name in ("start", "end") if name in lower]
    points = [name for name in ("time", "timestamp") if name in lower][: not spans]
    if len(spans) == 1:
        raise DataError(f"{path}: has a column {spans[0]} alone; wanted start and end, or neither")
    columns = [lower.index(name) for name in (*spans, *points)]
    if len(columns) == values.shape[1]:
        raise DataError(f"{path}: has no column of features; add one")
    if not len(values) or not columns:
        return Features(values=values, names=names)
    seconds = values[:, columns].astype(np.float64)
    times = seconds if spans else _spans(seconds[:, 0])
    wrong = ~(np.isfinite(times).all(axis=1) & (times[:, 0] <= times[:, 1]))
    wrong[1:] |= times[1:, 0] < times[:-1, 0]
    if wrong.any():
        step = int(wrong.argmax())
        raise DataError(
            f"{path}: step {step + 1} has the time {', '.join(f'{t:g}' for t in seconds[step])}; "
            f"wanted seconds that do not go back"
        )
    features = [index for index in range(len(names)) if index not in columns]
    return Features(
        values=values[:, features], names=tuple(names[index] for index in features), times=times
    )


def _spans(starts: Float[np.ndarray, " step"]) -> Float[np.ndarray, "step 2"]:
    """Intervals from starts: each step lasts until the next, the last as long as the one before."""
    last = starts[-1] + (starts[-1] - starts[-2] if len(starts) > 1 else 0)
    return np.stack([starts, np.append(starts[1:], last)], axis=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureFolder:
    """A folder beside a clip table, whose name is the modality's."""

    path: Path
    files: Mapping[str, Path]  # of features, by names without suffix, which should be ids
    other: bool  # whether it holds other files, or nothing at all

    def files_of(self, ids: Sequence[str]) -> dict[str, Path]:
        """The file of each clip that has one, by id; Unicode may write accents in two forms."""
        files: dict[str, Path] = {}
        for clip in ids:
            spellings = (clip, *(unicodedata.normalize(form, clip) for form in ("NFC", "NFD")))
            if name := next((name for name in spellings if name in self.files), None):
                files[clip] = self.files[name]
        return files


def looks_like_own(path: Path) -> bool:
    """Whether a path is a folder with a clip table; never raises.

    Folders of features are not required: ``own_dataset`` reports that they are missing. It also
    reports a second table.
    """
    try:
        return path.is_dir() and any(map(looks_like_clip_table, table_files(path)))
    except (DataError, OSError):
        return False


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


def feature_folders(home: Path) -> list[FeatureFolder]:
    """The folders in a folder, by name; names that begin with ``.`` or ``_`` are skipped.

    Raises:
        DataError: a folder cannot be read, or has two files of one name and different suffixes.
    """
    try:
        folders = [entry for entry in home.iterdir() if entry.is_dir()]
        return [_folder(path) for path in sorted(folders) if path.name[0] not in "._"]
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from None


def read_modality(
    folder: FeatureFolder, ids: Sequence[str], table: str
) -> tuple[dict[str, Features], list[str]]:
    """Read the features of these clips from a folder.

    Args:
        folder: the folder.
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
    files = folder.files_of(ids)
    if not files:
        example = next(iter(folder.files.values())).name
        raise DataError(
            f"{folder.path}: no file is named by an id (a file is '{printable(example)}', an id "
            f"'{printable(ids[0])}'); name the files by ids, or move the folder elsewhere"
        )
    clips: dict[str, Features] = {}
    first: tuple[Path, Features] | None = None
    empty: list[str] = []
    for clip, path in files.items():
        features = read_features(path)
        if not len(features.values):
            empty.append(path.name)
            continue
        first = first or (path, features)
        _check_same(path, features, *first)
        clips[clip] = features
    if first is None:
        raise DataError(f"{folder.path}: no file has a step; give a row of features per step")
    modality, used, warnings = folder.path.name, set(files.values()), list[str]()
    if missing := [clip for clip in ids if clip not in files]:
        warnings.append(
            f"{len(missing)} clips have no file in '{modality}' (first: "
            f"'{printable(missing[0])}'): they lack {modality}"
        )
    if empty:
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
    return clips, warnings


def _folder(path: Path) -> FeatureFolder:
    files: dict[str, Path] = {}
    entries = sorted(entry for entry in path.iterdir() if entry.name[0] != ".")
    other = not entries
    for entry in entries:
        if entry.suffix.lower() not in SUFFIXES:
            other = other or not entry.is_dir()
        elif entry.stem in files:
            raise DataError(
                f"{entry}: there is {printable(files[entry.stem].name)} too; keep one file per clip"
            )
        else:
            files[entry.stem] = entry
    return FeatureFolder(path=path, files=files, other=other)


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


def own_features(path: Path, table: ClipTable, vectors: Path | None) -> OwnFeatures:
    """Read the folders of features beside a clip table, and look up the words of transcripts.

    Raises:
        DataError: a folder or file does not fit, or there are no features.
    """
    ids = [row.id for row in table.rows]
    folders, ignored = _folders(path, ids, vectors)
    _check_sources(path, table, [folder.path.name for folder in folders], ignored, vectors)
    warnings = [f"{reason}: it was ignored" for reason in ignored]
    clips: dict[Modality, dict[str, Features]] = {}
    for folder in folders:
        clips[folder.path.name], left_out = read_modality(folder, ids, path.name)
        warnings += left_out
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
    elif "text" in table.columns and TEXT not in clips:
        warnings.append("the column text was not used; give --data_options.vectors glove.txt")
    return OwnFeatures(
        clips=clips, widths=widths, words=words, repairs=repairs, warnings=tuple(warnings)
    )


def _folders(
    path: Path, ids: Sequence[str], vectors: Path | None
) -> tuple[list[FeatureFolder], list[str]]:
    """The folders of modalities, and the reasons why others are ignored."""
    folders: list[FeatureFolder] = []
    ignored: list[str] = []
    for folder in feature_folders(path.parent):
        name = printable(folder.path.name)
        if folder.files and vectors is not None and not folder.files_of(ids):
            # Word vectors give features already, and the folder may be no part of the data.
            ignored.append(f"folder '{name}' has no file named by an id")
        elif folder.files:
            folders.append(folder)
        elif folder.other:
            ignored.append(f"folder '{name}' has no files of {', '.join(SUFFIXES)}")
    return folders, ignored


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
        also = ", so its text needs the option 'vectors'; give --data_options.vectors glove.txt, or"
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
