"""What a path of no known format is nearest to, and what is missing for it."""

import csv
import io
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np

from deadpan.data.containers.csv_rows import csv_delimiter, parse_number, text_encoding
from deadpan.data.containers.files import describe_start, first_bytes, printable, printable_path
from deadpan.data.containers.hdf5 import looks_like_hdf5, open_hdf5
from deadpan.data.containers.numpy_values import looks_like_npz, npz_names
from deadpan.data.containers.tables import START, first_columns
from deadpan.data.containers.tables import SUFFIXES as TABLES
from deadpan.data.containers.unpickling import looks_like_pickle
from deadpan.data.formats.foreign import foreign_format
from deadpan.data.formats.own.feature_files import SUFFIXES
from deadpan.data.formats.own.features import (
    find_clip_table,
    looks_like_own,
    looks_like_run,
    may_be_other,
)
from deadpan.data.formats.own.folders import MEDIA
from deadpan.data.formats.own.table import MARKS, looks_like_clip_table
from deadpan.errors import DataError
from deadpan.types import MODALITIES, SPLITS, split_name

NameFormat = Callable[[Path], str]
"""The name of the format of a path; "" if it has none. It opens no pickle."""

FEATURES = frozenset(SUFFIXES) - {".pkl"}
"""Suffixes of the features of a clip; a pickle is as likely a data set."""
WANTED_TABLE = "wanted a table with a column id (or video_id and clip_id) and a column label"
SAMPLE = "labels.csv with columns id and label"
MOST_ENTRIES = 200
"""Entries of a folder that are looked at; a folder of features may have a million."""
SOME = 5
"""Tables or folders whose content is looked at."""


def nearest_format(path: Path, name_format: NameFormat) -> str:
    """Describe what a path of no known format is nearest to, and what is missing for it.

    The sentence has no subject: ``is empty; ...``. It is "" if nothing is near.
    """
    if sentence := foreign_format(path):
        return sentence
    try:
        return _of_folder(path, name_format) if path.is_dir() else _of_file(path, name_format)
    except OSError:
        return ""


def _of_folder(path: Path, name_format: NameFormat, depth: int = 3) -> str:
    entries = [entry for entry in islice(path.iterdir(), MOST_ENTRIES) if entry.name[0] != "."]
    entries.sort()
    if not entries:
        return "is an empty folder; give one with data in it"
    folders = [entry for entry in entries if entry.is_dir()]
    files = [entry for entry in entries if entry.is_file()]
    if looks_like_run(path):
        return (
            "is a run of deadpan and no data; name it where a command wants RUN, as in evaluate RUN"
        )
    if above := part_of_folder(path, name_format):
        return above
    if near := _near_misa(files) or _near_set(folders, files):
        return near
    if within := _within([*folders, *files], path, name_format):
        return within
    # An unpacked archive often holds a folder in a folder.
    alone = len(folders) == 1 and not files and depth and not _has_features(folders[0])
    if alone and (sentence := _of_folder(folders[0], name_format, depth - 1)):
        return f"holds one folder, {printable(folders[0].name)}, which {sentence}"
    if near := _near_own(folders, files):
        return near
    if any(file.suffix.lower() in MEDIA for file in files):
        return "holds recordings; give features that were extracted from them"
    if files and all(file.suffix.lower() in FEATURES for file in files):
        return (
            f"holds files of features and no table of clips; put it beside {SAMPLE}, and give the "
            f"folder of both"
        )
    return ""


def part_of_folder(path: Path, name_format: NameFormat) -> str:
    """A sentence if a path is one part of a data set that is the folder above it."""
    above = path.resolve().parent
    if looks_like_own(above):
        # An unrelated folder may lie beside a clip table.
        name = name_format(above) if path.is_dir() and _has_features(path) else ""
    elif not path.is_dir() and path.suffix.lower() in SUFFIXES and looks_like_own(above.parent):
        above = above.parent
        name = name_format(above)
    else:
        name = name_format(above)
    return f"is one part of {name}; give the folder {printable_path(above)}" if name else ""


def _within(entries: Sequence[Path], path: Path, name_format: NameFormat) -> str:
    """A sentence if what a folder holds is of a known format itself."""
    matches = [(entry, name_format(entry) or _pickle(entry)) for entry in entries]
    matches = [(entry, name) for entry, name in matches if name]
    matches = [x for x in matches if not (x[0].is_file() and may_be_other(x[0]))] or matches
    if len(matches) == 1:
        entry, name = matches[0]
        return f"holds {name}; give {printable_path(entry)}"
    if matches:
        names = ", ".join(printable(str(entry.relative_to(path))) for entry, _ in matches[:5])
        more = ", ..." if len(matches) > 5 else ""
        tables = all(looks_like_clip_table(entry) for entry, _ in matches)
        return f"holds {'several tables' if tables else 'several'}: {names}{more}; give one of them"
    return ""


def _pickle(path: Path) -> str:
    return "a pickle" if looks_like_pickle(path) else ""


def _near_own(folders: Sequence[Path], files: Sequence[Path]) -> str:
    """A sentence if a folder lacks only a table, or a column of it, to be one's own data."""
    tables = [file for file in files if file.suffix.lower() in TABLES]
    if all(map(_is_feature_table, tables[:SOME])):
        tables = []
    modalities = [folder.name for folder in folders if _has_features(folder)]
    if modalities and not tables:
        names = printable(", ".join(modalities[:5]))
        return f"holds features ({names}) and no table of clips; add {SAMPLE}"
    if len(tables) == 1 and (columns := _columns(tables[0])):
        return f"holds {printable(tables[0].name)} with columns {columns}; {WANTED_TABLE}"
    if len(tables) > 1:
        names = printable(", ".join(table.name for table in tables[:5]))
        return f"holds {len(tables)} tables: {names}; give one of them"
    return ""


def _has_features(folder: Path) -> bool:
    entries = islice(folder.iterdir(), MOST_ENTRIES)
    return not looks_like_run(folder) and any(x.suffix.lower() in FEATURES for x in entries)


def _holds_clips(folder: Path) -> bool:
    """Whether a folder, or one in it, has files of features; of pickles, several."""
    entries = list(islice(folder.iterdir(), MOST_ENTRIES))
    inner = [entry for entry in entries if entry.is_dir()][:SOME]
    pickles = sum(entry.suffix.lower() == ".pkl" for entry in entries)
    return _has_features(folder) or pickles > 1 or any(map(_has_features, inner))


SETS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    (
        "MFN's folder of HDF5 files",
        ("y_train.h5", "y_valid.h5", "y_test.h5"),
        ("text_train_emb.h5", "audio_train.h5", "video_train.h5", "X_train.h5"),
    ),
    ("MUStARD's folder", ("sarcasm_data.json",), ("audio_features.p", "split_indices.p")),
    (
        "UR-FUNNY's folder",
        ("data_folds.pkl", "humor_label_sdk.pkl"),
        (
            *("word_embedding_list.pkl", "language_sdk.pkl", "word_embedding_indexes_sdk.pkl"),
            *("covarep_features_sdk.pkl", "openface_features_sdk.pkl"),
        ),
    ),
)
"""Formats of several files with fixed names: the names without which there is no data set, and
others by which it is known."""


def _near_misa(files: Sequence[Path]) -> str:
    """A sentence if a folder has two of MISA's three pickles, whose names any data may have."""
    names: dict[str, str] = {}
    for file in files:
        split = split_name(file.stem)
        if split and file.suffix == ".pkl":
            names[split] = file.name
    missing = [split for split in SPLITS if split not in names]
    if len(missing) != 1:
        return ""
    some = ", ".join(names[split] for split in SPLITS if split in names)
    file = "dev.pkl" if missing == ["valid"] else f"{missing[0]}.pkl"
    return f"holds {some} of MISA's folder of pickles, and lacks {file}; add what is missing"


def _near_set(folders: Sequence[Path], files: Sequence[Path]) -> str:
    """A sentence if a folder has some files of a format that has several."""
    present = {file.name for file in files}
    for name, required, others in SETS:
        some = [n for n in (*required, *others) if n in present]
        missing = ", ".join(n for n in required if n not in present)
        if some and missing:
            return f"holds {', '.join(some)} of {name}, and lacks {missing}; add what is missing"
    for folder in folders:
        inner = [entry for entry in folder.iterdir() if entry.is_dir()]
        if folder.name == "features" and any(_has_features(entry) for entry in inner):
            return "holds features/ as MERTools has it, and lacks label*.npz beside it; add that"
    return ""


def _of_file(path: Path, name_format: NameFormat) -> str:
    if above := part_of_folder(path, name_format):
        return above
    head = first_bytes(path, 4096)
    if looks_like_hdf5(path):
        return f"is an HDF5 file of no known format (holds {_hdf5_names(path)})"
    if looks_like_npz(path):
        names = npz_names(path)
        listing = printable(", ".join(names[:5])) + (", ..." if len(names) > 5 else "")
        return (
            f"is an archive of numpy (.npz) that holds {listing}; as the features of a clip it "
            f"belongs into a folder, as audio/ID.npz, beside {SAMPLE}"
        )
    if head.startswith(b"\x93NUMPY"):
        return (
            f"is one array of numpy; as the features of a clip it belongs into a folder, as "
            f"audio/ID.npy, beside {SAMPLE}"
        )
    if _is_feature_table(path):
        return (
            f"is a table of features and of no clips (columns {_columns(path)}); it belongs into a "
            f"folder, as audio/ID.csv, beside {SAMPLE}; if its rows are clips, give "
            f"--data_options.id COLUMN"
        )
    start = describe_start(head[:64])
    return start if head and not start.startswith("begins with the bytes") else ""


def _hdf5_names(path: Path) -> str:
    try:
        with open_hdf5(path, "an HDF5 file") as root:
            names = root.names
    except DataError:
        return "nothing that can be read"
    return printable(", ".join(names[:5])) + (", ..." if len(names) > 5 else "") or "nothing"


def _columns(path: Path) -> str:
    """The names of a table's columns for a message; "" if they are fewer than two, or unknown."""
    fields = first_columns(path)
    if len(fields) < 2:
        return ""
    names = ", ".join(printable(field) for field in fields[:6])
    return names + (f", ... ({len(fields)})" if len(fields) > 6 else "")


def _is_feature_table(path: Path) -> bool:
    """Whether a table's first rows hold numbers, and its header no mark of a clip table."""
    header = first_columns(path)
    if len(header) < 2 or not MARKS.isdisjoint(name.lower() for name in header):
        return False
    text = _start_of_text(path)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=csv_delimiter(text))
        rows = [row for row in islice(lines, 20) if row][1:]
    except csv.Error:
        return False
    if len(text) >= START // 2 and len(rows) < 19:  # the last one may be cut
        rows = rows[:-1]
    if len(rows) < 2 or any(len(row) != len(header) for row in rows):
        return False
    fields = [field for row in rows for field in row if field.strip()]
    return bool(fields) and sum(parse_number(f) is not None for f in fields) >= 0.9 * len(fields)


def _start_of_text(path: Path) -> str:
    head = first_bytes(path, START)
    return head.decode(text_encoding(head), errors="replace")


def resembles_own(path: Path, options: Collection[str] = ()) -> bool:
    """Whether a path is a table, or a folder with one and with features beside; never raises.

    Its columns may be those of no clip table: ``own_dataset`` says which are missing. A table of
    numbers is one of clips if the user says which column has their ids.

    Args:
        path: a file or folder.
        options: names of the options that the user gives.
    """
    try:
        if foreign_format(path):
            return False
        if path.is_file():
            text = _start_of_text(path).strip()
            is_table = bool(first_columns(path)) and (text[0] in "{[" or "\n" in text)
            return is_table and ("id" in options or not _is_feature_table(path))
        if not looks_like_own(path):  # several clip tables are own data too, and refused as such
            find_clip_table(path)
        return not {"id", "vectors"}.isdisjoint(options) or any(
            entry.is_dir() and _holds_clips(entry) for entry in path.iterdir()
        )
    except (DataError, OSError):
        return False


def nearest_pickle(content: object) -> str:
    """Describe what an unpickled value of no known format is nearest to; "" if nothing is near."""
    if isinstance(content, np.ndarray):
        return (
            f"it is one array; as the features of a clip, save it as audio/ID.npy beside {SAMPLE}"
        )
    if isinstance(content, list | tuple):
        parts = cast("Sequence[object]", content)
        if len(parts) > 5 and all(isinstance(part, dict) for part in parts[:4]):
            return (
                f"it is nearest to conv-emotion's nine parts (videoIDs, videoSpeakers, "
                f"videoLabels, videoText, ...) and has {len(parts)}"
            )
        return ""
    if not isinstance(content, dict) or not content:
        return ""
    table = cast("dict[object, object]", content)
    names = {key.decode("latin-1") if isinstance(key, bytes) else key for key in table}
    if names & {*MODALITIES, "labels"}:
        return "it is nearest to MulT's, which has these keys in each split: {'train': {...}, ...}"
    if all(isinstance(value, np.ndarray) for value in islice(table.values(), MOST_ENTRIES)):
        return (
            f"it has an array per key; if keys are ids, save each as audio/ID.npy beside {SAMPLE}"
        )
    return ""
