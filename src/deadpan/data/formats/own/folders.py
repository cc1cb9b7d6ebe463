"""Folders of features beside a clip table, and which of their files belongs to which clip."""

import dataclasses
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deadpan.data.containers.files import printable
from deadpan.data.formats.own.feature_files import SUFFIXES
from deadpan.errors import DataError

VIDEO = frozenset(
    (".mp4", ".m4v", ".avi", ".mov", ".mkv", ".webm", ".flv", ".wmv", ".mpg", ".mpeg")
)
SOUND = frozenset((".wav", ".mp3", ".flac", ".m4a", ".aac", ".ogg", ".opus", ".wma"))
MEDIA = VIDEO | SOUND | {".jpg", ".jpeg", ".png", ".bmp"}
"""Extensions of recordings and pictures, which are no part of a clip's name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureFolder:
    """A folder beside a clip table, whose name is the modality's."""

    path: Path
    files: Mapping[str, Path]  # of features, by path in the folder without suffix: an id, or more
    has_other_files: bool  # than of features; or nothing at all
    twins: Mapping[Path, Path] = dataclasses.field(default_factory=dict)  # of other suffixes

    def files_of(self, ids: Sequence[str]) -> dict[str, Path]:
        """The file of each clip that has one, by id.

        It is named by the id, with or without a media extension; the id ``A/B`` or ``A_B`` is that
        of ``A/B.npy``. A file whose name is only the end of an id, or that is in a folder of which
        the id says nothing, is the clip's if no other fits. Unicode may write accents in two forms.

        Raises:
            DataError: two files fit a clip equally well, as those that differ in their suffix do,
                or one file two clips.
        """
        files = {clip: self.files[clip] for clip in ids if clip in self.files}
        if len(files) < len({*ids}):
            self._add_by_parts(files, ids)
        if twin := next((path for path in files.values() if path in self.twins), None):
            raise DataError(
                f"{self.twins[twin]}: there is {printable(twin.name)} too; keep one file per clip"
            )
        return {clip: files[clip] for clip in ids if clip in files}

    def _add_by_parts(self, files: dict[str, Path], ids: Sequence[str]) -> None:
        """Add the files of clips that have none yet, which are named by a part of the id."""
        names, ends = self._names_and_ends(set(files.values()))
        owners = {path: clip for clip, path in files.items()}
        for clip in ids:
            if clip in files:
                continue
            name = _plain(clip)
            paths = (
                names[name] or ends[name] or next((names[x] for x in _ends(name) if names[x]), [])
            )
            if len(paths) > 1:
                both = " and ".join(str(path.relative_to(self.path)) for path in paths[:2])
                raise DataError(
                    f"{self.path}: {printable(both)} may both be of clip '{printable(clip)}'; keep "
                    f"one, or name it by the whole id"
                )
            if paths:
                if (other := owners.setdefault(paths[0], clip)) != clip:
                    raise DataError(
                        f"{paths[0]}: may be of clip '{printable(other)}' and of "
                        f"'{printable(clip)}'; name it by the whole id"
                    )
                files[clip] = paths[0]

    def is_of_features(self) -> bool:
        """Whether files of features lie in it, and not only models, pickles and folders of more."""
        return any(
            path.parent == self.path and path.suffix.lower() not in (".pt", ".pkl")
            for path in self.files.values()
        )

    def _names_and_ends(
        self, taken: set[Path]
    ) -> tuple[defaultdict[str, list[Path]], defaultdict[str, list[Path]]]:
        """The files that no clip has, by whole names and by what follows a folder's name."""
        names: defaultdict[str, list[Path]] = defaultdict(list)
        ends: defaultdict[str, list[Path]] = defaultdict(list)
        for key, path in self.files.items():
            if path in taken:
                continue
            name = _plain(key)
            for spelling in {name, name.replace("/", "_")}:
                names[spelling].append(path)
            for end in _ends(name):
                ends[end].append(path)
        return names, ends


def _plain(name: str) -> str:
    """A name as names are compared: with /, composed accents and no media extension."""
    name = unicodedata.normalize("NFC", name.replace("\\", "/"))
    stem, dot, extension = name.rpartition(".")
    return stem if stem and f"{dot}{extension}".lower() in MEDIA else name


def _ends(name: str) -> Iterator[str]:
    """What follows each / of a name, the longest first."""
    while "/" in name:
        name = name.partition("/")[2]
        yield name


def feature_folders(home: Path) -> list[FeatureFolder]:
    """The folders in a folder, by name; names that begin with ``.`` or ``_`` are skipped.

    Raises:
        DataError: a folder cannot be read.
    """
    try:
        folders = [entry for entry in home.iterdir() if entry.is_dir()]
        return [_folder(path) for path in sorted(folders) if path.name[0] not in "._"]
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from None


def _folder(path: Path) -> FeatureFolder:
    files: dict[str, Path] = {}
    twins: dict[Path, Path] = {}
    entries = _visible(path)
    has_other_files = not entries or any(
        not entry.is_dir() for entry in entries if not _is_feature(entry)
    )
    visited = {path.resolve(), *path.resolve().parents}  # a link may lead in a circle
    links: list[Path] = []  # to folders, for the end: what they lead to may be here without them
    while entries or links:
        at_links = not entries
        entry = links.pop(0) if at_links else entries.pop()
        if not _is_feature(entry):
            if entry.is_symlink() and entry.is_dir() and not at_links:
                links.append(entry)
            elif entry.is_dir() and entry.resolve() not in visited:
                visited.add(entry.resolve())
                entries += _visible(entry)
            continue
        name = entry.relative_to(path).with_suffix("").as_posix()
        if files.setdefault(name, entry) != entry:
            twins[files[name]] = entry
    return FeatureFolder(
        path=path, files=dict(sorted(files.items())), has_other_files=has_other_files, twins=twins
    )


def _visible(path: Path) -> list[Path]:
    return sorted((entry for entry in path.iterdir() if entry.name[0] != "."), reverse=True)


def _is_feature(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES
