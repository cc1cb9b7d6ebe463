"""A folder of own data: a clip table beside a folder per modality, which has a file per clip."""

import dataclasses
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from deadpan.data.readers.clip_table import looks_like_clip_table
from deadpan.data.readers.features import SUFFIXES, Features, read_features
from deadpan.data.readers.files import shown
from deadpan.errors import DataError


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
