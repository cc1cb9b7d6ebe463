"""Features of your own clips: a folder of files per modality, or transcripts and word vectors."""

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

from deadpan.data.containers.csv_rows import csv_rows, number
from deadpan.data.containers.files import opened, shown
from deadpan.data.containers.parquet import read_parquet
from deadpan.data.formats.own.table import ClipTable, looks_like_clip_table
from deadpan.data.formats.word_vectors import embedded, words_of
from deadpan.errors import DataError
from deadpan.types import TEXT, Modality

SUFFIXES = (".npy", ".csv", ".parquet")
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
"""By version; the third is for names of fields, which plain numbers have not."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Features:
    """One sequence.

    Attributes:
        values: of any type of number, finite or not.
        names: of the features; none where the file does not tell.
        times: start and end of each step in seconds from the start of the clip, where told.
    """

    values: Num[np.ndarray, "step width"]
    names: tuple[str, ...] = ()
    times: Float[np.ndarray, "step 2"] | None = None


def read_features(path: Path) -> Features:
    """Read one file; its suffix says what it is.

    ``.npy``: [steps, width], or [steps] of one feature. ``.csv`` and ``.parquet``: a row per step;
    columns ``start`` and ``end``, or else ``time`` or ``timestamp``, are seconds and no features.

    Raises:
        DataError: not such a file.
        DeadpanError: a parquet file, and pyarrow is not installed.
    """
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return Features(values=_npy(path))
    names, values = read_parquet(path) if suffix == ".parquet" else _csv(path)
    return _timed(path, names, values)


def _npy(path: Path) -> Num[np.ndarray, "step width"]:
    with opened(path, "an array of numbers (.npy)") as stream:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on headers by Python 2
                shape, by_column, dtype = HEADERS[npy.read_magic(stream)](stream)
        except OSError:
            raise
        except Exception as error:  # whatever a damaged header makes of numpy's parser
            raise DataError(
                f"{path}: no array of numbers ({shown(error)}); write it with numpy.save"
            ) from None
        if dtype.hasobject:
            raise DataError(f"{path}: holds pickled objects, never read; save it as float32")
        if dtype.kind not in "iuf" or dtype.itemsize > 8:
            raise DataError(f"{path}: holds {shown(dtype.name)}, no numbers; save it as float32")
        if len(shape) not in (1, 2) or min(shape) < 0 or not math.prod(shape[1:]):
            raise DataError(f"{path}: has shape {shown(shape)}; wanted (steps, width) or (steps,)")
        if not shape[0]:
            return np.zeros((0, 0))
        need = math.prod(shape) * dtype.itemsize
        held = os.fstat(stream.fileno()).st_size - stream.tell()
        if need > held:
            raise DataError(
                f"{path}: is cut off: shape {shown(shape)} of {dtype.name} is {need} bytes, found "
                f"{held}; write it again"
            )
        values = np.frombuffer(stream.read(need), dtype=dtype)
    return values.reshape(shape if len(shape) == 2 else (-1, 1), order="F" if by_column else "C")


def _csv(path: Path) -> tuple[tuple[str, ...], Float[np.ndarray, "row column"]]:
    names: tuple[str, ...] = ()
    width: int | None = None
    rows: list[np.ndarray] = []
    for line, fields in csv_rows(path, "a table of features (CSV)"):
        if width is None:
            width = len(fields)
            if _is_header(fields):
                names = tuple(field.strip() for field in fields)
                continue
        if len(fields) != width:
            raise DataError(f"{path}: line {line}: has {len(fields)} fields; wanted {width}")
        rows.append(_numbers(path, line, fields))
    values = np.stack(rows) if rows else np.zeros((0, width or 0))
    # pandas writes the numbers of the rows first, under no name.
    return (names[1:], values[:, 1:]) if names and not names[0] else (names, values)


def _is_header(fields: Sequence[str]) -> bool:
    """Whether a field is no number; or, from three columns on, they only count from 0.

    That is how pandas names columns that have no names, after an empty name for its index.
    """
    counted = [str(place) for place in range(len(fields))]
    if len(fields) > 2 and (list(fields) == counted or list(fields) == ["", *counted[:-1]]):
        return True
    return any(field.strip() and number(field) is None for field in fields)


def _numbers(path: Path, line: int, fields: Sequence[str]) -> Float[np.ndarray, " column"]:
    try:
        return np.array([float(field or "nan") for field in fields])
    except ValueError:  # which are few: a blank is NaN too
        values = [number(field) if field.strip() else math.nan for field in fields]
    if None in values:
        wrong = fields[values.index(None)]
        told = "save it with commas" if ";" in wrong or "\t" in wrong else "mend the row"
        raise DataError(f"{path}: line {line}: '{shown(wrong)}' is no number; {told}")
    return np.array(values, dtype=np.float64)


def _timed(path: Path, names: tuple[str, ...], values: Num[np.ndarray, "row column"]) -> Features:
    """Features apart from times, whose columns are known whatever their capitals."""
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
    kept = [place for place in range(len(names)) if place not in columns]
    return Features(
        values=values[:, kept], names=tuple(names[place] for place in kept), times=times
    )


def _spans(starts: Float[np.ndarray, " step"]) -> Float[np.ndarray, "step 2"]:
    """Each step lasts until the next; the last as long as the one before."""
    last = starts[-1] + (starts[-1] - starts[-2] if len(starts) > 1 else 0)
    return np.stack([starts, np.append(starts[1:], last)], axis=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureFolder:
    """A folder beside a clip table.

    Attributes:
        path: the folder; its name is the modality's.
        files: by the name of each without its suffix, the id of a clip if all is well.
        other: whether it holds anything but such files and folders; True where it is empty.
    """

    path: Path
    files: Mapping[str, Path]
    other: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModalityFeatures:
    """What the files of a folder hold.

    Attributes:
        clips: by id; at least one. A clip without a file, or whose file has no step, is left out.
        width: features per step.
        missing: ids without a file.
        empty: files without a step.
        unknown: names of the files that no id names.
    """

    clips: Mapping[str, Features]
    width: int
    missing: tuple[str, ...]
    empty: tuple[Path, ...]
    unknown: tuple[str, ...]


def looks_like_own(path: Path) -> bool:
    """Whether it is a folder with one clip table and nothing else in CSV; never raises.

    Whether the table has anything beside it is left to ``own_dataset``, which says what is lacking.
    """
    try:
        tables = _tables(path) if path.is_dir() else []
    except OSError:
        return False
    return len(tables) == 1 and looks_like_clip_table(tables[0])


def table_of(folder: Path) -> Path:
    """The one CSV file at the top of a folder.

    Raises:
        DataError: there is none or more than one, or the folder cannot be read.
    """
    try:
        tables = _tables(folder)
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); give a folder") from None
    if len(tables) != 1:
        found = shown(", ".join(table.name for table in tables)) or "none"
        raise DataError(f"{folder}: wanted one clip table (.csv); found {found}; name the file")
    return tables[0]


def feature_folders(home: Path) -> list[FeatureFolder]:
    """Every folder in a folder, by name; those whose name begins with ``.`` or ``_`` are hidden.

    Raises:
        DataError: a folder that cannot be read, or two files of one name and different suffix.
    """
    try:
        folders = [entry for entry in home.iterdir() if entry.is_dir()]
        return [_folder(path) for path in sorted(folders) if path.name[0] not in "._"]
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from None


def named(folder: FeatureFolder, ids: Sequence[str]) -> dict[str, Path]:
    """The file of each clip that has one."""
    found = {clip: _file_of(folder, clip) for clip in ids}
    return {clip: path for clip, path in found.items() if path is not None}


def read_modality(folder: FeatureFolder, ids: Sequence[str]) -> ModalityFeatures:
    """Read the files of these clips.

    Raises:
        DataError: no file is of a clip, a file that cannot be read, files that differ in width or
            in the names of their features, or no file with a step.
    """
    if not re.fullmatch(r"[\w-]+", folder.path.name):
        raise DataError(
            f"{folder.path}: a modality's name has only letters, digits, - and _; rename the folder"
        )
    files = named(folder, ids)
    if not files:
        example = next(iter(folder.files.values())).name
        raise DataError(
            f"{folder.path}: no file is named by an id (a file is '{shown(example)}', an id "
            f"'{shown(ids[0])}'); name the files by ids, or move the folder elsewhere"
        )
    clips: dict[str, Features] = {}
    first: tuple[Path, Features] | None = None
    empty: list[Path] = []
    for clip, path in files.items():
        features = read_features(path)
        if not len(features.values):
            empty.append(path)
            continue
        first = first or (path, features)
        _check_same(path, features, *first)
        clips[clip] = features
    if first is None:
        raise DataError(f"{folder.path}: no file has a step; give a row of features per step")
    taken = set(files.values())
    return ModalityFeatures(
        clips=clips,
        width=first[1].values.shape[1],
        missing=tuple(clip for clip in ids if clip not in files),
        empty=tuple(empty),
        unknown=tuple(path.name for path in folder.files.values() if path not in taken),
    )


def _tables(folder: Path) -> list[Path]:
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.suffix.lower() == ".csv" and entry.name[0] != "." and not entry.is_dir()
    )


def _folder(path: Path) -> FeatureFolder:
    files: dict[str, Path] = {}
    entries = sorted(entry for entry in path.iterdir() if entry.name[0] != ".")
    other = not entries
    for entry in entries:
        if entry.suffix.lower() not in SUFFIXES:
            other = other or not entry.is_dir()
        elif entry.stem in files:
            raise DataError(
                f"{entry}: there is {shown(files[entry.stem].name)} too; keep one file per clip"
            )
        else:
            files[entry.stem] = entry
    return FeatureFolder(path=path, files=files, other=other)


def _file_of(folder: FeatureFolder, clip: str) -> Path | None:
    """Its file, whichever way a file system writes its accents."""
    spellings = (clip, *(unicodedata.normalize(form, clip) for form in ("NFC", "NFD")))
    return next((folder.files[name] for name in spellings if name in folder.files), None)


def _check_same(path: Path, features: Features, other: Path, others: Features) -> None:
    width, wanted = features.values.shape[1], others.values.shape[1]
    if width != wanted:
        raise DataError(
            f"{path}: has {width} features per step, {other.name} has {wanted}; wanted one width"
        )
    if features.names and others.names and features.names != others.names:
        place = next(i for i in range(width) if features.names[i] != others.names[i])
        raise DataError(
            f"{path}: feature {place + 1} is '{shown(features.names[place])}', in {other.name} "
            f"'{shown(others.names[place])}'; wanted the same columns in one order"
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class OwnFeatures:
    """What is known of the clips of a table.

    Attributes:
        clips: per modality and id; a clip that lacks the modality is left out.
        widths: features per step.
        words: by id, one per step of ``text`` where word vectors made it; else none at all.
        repairs: words without a vector.
        warnings: what the user should know.
    """

    clips: Mapping[Modality, Mapping[str, Features]]
    widths: Mapping[Modality, int]
    words: Mapping[str, tuple[str, ...]]
    repairs: Counter[str]
    warnings: tuple[str, ...]


def own_features(path: Path, table: ClipTable, vectors: Path | None) -> OwnFeatures:
    """Read the folders beside a clip table, and make its transcripts into vectors.

    Args:
        path: of the table.
        table: its rows.
        vectors: word vectors in GloVe's text format, or None.

    Raises:
        DataError: a folder or file that does not fit, or no features at all.
    """
    ids = [row.id for row in table.rows]
    folders, ignored = _folders(path, ids, vectors)
    _check_sources(path, table, [folder.path.name for folder in folders], ignored, vectors)
    warnings = [f"{told}: it was ignored" for told in ignored]
    found: dict[Modality, ModalityFeatures] = {}
    for folder in folders:
        modality = folder.path.name
        found[modality] = read_modality(folder, ids)
        warnings += _lacks(modality, path, found[modality])
    clips = {modality: features.clips for modality, features in found.items()}
    widths = {modality: features.width for modality, features in found.items()}
    words: dict[str, tuple[str, ...]] = {}
    repairs: Counter[str] = Counter()
    if vectors is not None:
        words = {row.id: words_of(row.cells["text"]) for row in table.rows}
        steps, widths[TEXT] = embedded(path, list(words.values()), vectors, repairs)
        clips[TEXT] = {
            clip: Features(values=x) for clip, x in zip(words, steps, strict=True) if len(x)
        }
        if silent := len(words) - len(clips[TEXT]):
            warnings.append(f"{silent} clips have a transcript without words: they lack text")
    elif "text" in table.columns and TEXT not in found:
        warnings.append("the column text was not used; give --data_options.vectors glove.txt")
    return OwnFeatures(
        clips=clips, widths=widths, words=words, repairs=repairs, warnings=tuple(warnings)
    )


def _folders(
    path: Path, ids: Sequence[str], vectors: Path | None
) -> tuple[list[FeatureFolder], list[str]]:
    """The folders of modalities, and what is to be said of others."""
    folders: list[FeatureFolder] = []
    ignored: list[str] = []
    for folder in feature_folders(path.parent):
        name = shown(folder.path.name)
        if folder.files and vectors is not None and not named(folder, ids):
            # There are features without it, and it may well be no part of the data.
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
        raise DataError(f"{path}: line 1: no column text for the vectors {vectors}; add one")
    if vectors is not None and TEXT in modalities:
        raise DataError(
            f"{path}: text is in the folder text and in the vectors {vectors}; give one of them"
        )


def _lacks(modality: Modality, path: Path, features: ModalityFeatures) -> list[str]:
    warnings: list[str] = []
    if features.missing:
        warnings.append(
            f"{len(features.missing)} clips have no file in '{modality}' (first: "
            f"'{shown(features.missing[0])}'): they lack {modality}"
        )
    if features.empty:
        warnings.append(
            f"{len(features.empty)} files in '{modality}' have no step (first: "
            f"'{shown(features.empty[0].name)}'): their clips lack {modality}"
        )
    if features.unknown:
        first = ", ".join(f"'{shown(name)}'" for name in features.unknown[:3])
        warnings.append(
            f"{len(features.unknown)} files in '{modality}' are of no clip in {path.name} "
            f"(first: {first}): they were ignored"
        )
    return warnings
