"""Which recording belongs to which clip of a table."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deadpan.data.containers.files import printable
from deadpan.data.formats.own.folders import SOUND, VIDEO, FeatureFolder
from deadpan.errors import DataError


def recordings_of(
    folder: Path, clips: Sequence[str], files: Mapping[str, str], table: Path
) -> dict[str, Path]:
    """Find the recording of each clip that has one.

    Args:
        folder: of the recordings, in which they may lie in further folders.
        clips: the id of every clip. A recording is named by it as features are (see
            ``FeatureFolder.files_of``): with or without its extension and its folders.
        files: what a table's column of files has for clips, relative to the folder, or absolute; it
            goes before the id.
        table: that names them, for messages.

    Returns:
        A path by id. A video goes before a sound file of the same name, which as a rule was taken
        out of it.

    Raises:
        DataError: the folder holds no recording, none of these clips, or two that fit one clip.
    """
    if not folder.is_dir():
        kind = "is no folder" if folder.exists() else "no such folder"
        raise DataError(f"{folder}: {kind}; give the folder of the recordings")
    try:
        listed = list(_recordings(folder))
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from None
    if not listed:
        raise DataError(
            f"{folder}: holds no recording; wanted files such as .mp4, .mov, .mkv, .wav or .mp3"
        )
    names = {clip: files.get(clip, clip) for clip in clips}
    exact = {clip: path for clip, name in names.items() if (path := folder / name).is_file()}
    rest = {clip: name for clip, name in names.items() if clip not in exact}
    by_name = _by_name(folder, listed).files_of(list(dict.fromkeys(rest.values())))
    by_id = exact | {clip: by_name[name] for clip, name in rest.items() if name in by_name}
    if not by_id:
        raise DataError(
            f"{folder}: no recording is named as {table.name} names clips (a recording is "
            f"'{printable(listed[0].name)}', a clip '{printable(next(iter(names.values())))}'); "
            "name the files by ids, or give the table a column file"
        )
    return {clip: by_id[clip] for clip in clips if clip in by_id}


def transcript_beside(recording: Path) -> Path | None:
    """The transcript that has a recording's name and lies beside it; None where there is none."""
    files = (recording.with_suffix(suffix) for suffix in (".srt", ".vtt", ".txt"))
    return next((path for path in files if path.is_file()), None)


def _recordings(folder: Path) -> Iterator[Path]:
    """The recordings of a folder and those in it, by name; hidden ones are skipped."""
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _recordings(entry)
        elif entry.suffix.lower() in VIDEO | SOUND:
            yield entry


def _by_name(folder: Path, listed: Sequence[Path]) -> FeatureFolder:
    """Recordings by their names without extensions; of two videos, the second is a twin."""
    files: dict[str, Path] = {}
    twins: dict[Path, Path] = {}
    for path in sorted(listed, key=lambda path: path.suffix.lower() not in VIDEO):
        first = files.setdefault(path.relative_to(folder).with_suffix("").as_posix(), path)
        if first != path and (path.suffix.lower() in VIDEO) == (first.suffix.lower() in VIDEO):
            twins[first] = path
    return FeatureFolder(path=folder, files=files, has_other_files=False, twins=twins)
