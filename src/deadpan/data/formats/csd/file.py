"""Reading one computational sequence (.csd): the features of each video with their intervals."""

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, cast

import numpy as np
from jaxtyping import Float, Shaped

from deadpan.data.containers.files import printable
from deadpan.data.containers.hdf5 import Hdf5Group, looks_like_hdf5, open_hdf5
from deadpan.errors import DataError

NUMBERED = re.compile(r"(?P<video>[^\[]*)\[(?P<number>\d{1,9})\]")
"""Key of a piece of a video, ``VIDEO[3]``, in sequences that the SDK has aligned."""
WANTED = "a computational sequence (.csd)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CsdFile:
    """The header of a file."""

    path: Path
    root: str  # name of its root group ("glove_vectors", "Opinion Segment Labels", ...)
    description: str  # of the sequence in its metadata; "" if there is none
    dimensions: tuple[str, ...]  # names of the features in its metadata; empty if there are none
    holds: Literal["numbers", "texts"]
    width: int  # features per step


@dataclasses.dataclass(frozen=True, kw_only=True)
class TimedSteps:
    """The steps that a file has under one key, or those of them that belong to a segment.

    Attributes:
        intervals: start and end of each step in seconds of the video; finite, start <= end.
        features: numbers as stored, or texts (of type object).
        number: number of the piece of the video; None if the key is that of the whole video.
    """

    intervals: Float[np.ndarray, "step 2"]
    features: Shaped[np.ndarray, "step width"]
    number: int | None = None


def looks_like_csd(path: Path) -> bool:
    """Whether a file is HDF5 with a group that holds ``data`` and ``metadata``; never raises.

    HDF5 that cannot be read is taken for such a file if its name ends in ``.csd``.
    """
    if not looks_like_hdf5(path):
        return False
    try:
        with open_hdf5(path, WANTED) as root:
            return any({"data", "metadata"} <= set(group.names) for group in _groups(root))
    except DataError:
        return path.suffix.lower() == ".csd"


def looks_like_csd_folder(folder: Path) -> bool:
    """Whether a folder holds computational sequences; never raises."""
    try:
        return bool(csd_paths(folder))
    except OSError:
        return False


def csd_paths(folder: Path) -> list[Path]:
    """The files of a folder that are computational sequences, or have the suffix of one."""
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".")
        and path.is_file()
        and (path.suffix.lower() == ".csd" or looks_like_csd(path))
    )


def csd_file(path: Path) -> CsdFile:
    """Read the header of a file; of its data, only the shape of the first video.

    Raises:
        DataError: the file is no computational sequence, or has no videos.
    """
    with open_hdf5(path, WANTED) as top:
        root = _root(path, top)
        data = root.group("data")
        if not data.names:
            raise data.error("", "holds no videos; wanted one or more")
        video = data.group(data.names[0])
        kind, shape = video.kind_and_shape("features")
        if kind not in ("numbers", "texts") or len(shape) != 2 or not shape[1]:
            raise video.error(
                "features", f"holds {kind} of shape {shape}; wanted numbers or texts [step, width]"
            )
        metadata = root.group("metadata") if "metadata" in root.names else None
        description = _metadata(metadata, "computational sequence description")
        dimensions = _metadata(metadata, "dimension names")
        names = cast("list[object]", dimensions) if isinstance(dimensions, list) else []
        return CsdFile(
            path=path,
            root=root.where.removeprefix("/"),
            description=description if isinstance(description, str) else "",
            dimensions=tuple(map(printable, names)),
            holds=kind,
            width=shape[1],
        )


def csd_videos(file: CsdFile) -> Iterator[tuple[str, list[TimedSteps]]]:
    """Iterate over the videos of a file and their entries; one video at a time is in memory.

    Entries ``VIDEO[0]``, ``VIDEO[1]``, ... belong to one video and come in the order of their
    numbers; entries without steps are left out.

    Raises:
        DataError: an entry has no features or intervals, or their shapes do not match.
    """
    with open_hdf5(file.path, WANTED) as top:
        data = _root(file.path, top).group("data")
        keys: dict[str, list[tuple[int, str]]] = {}
        for key in data.names:
            match = NUMBERED.fullmatch(key)
            video, number = (match["video"], int(match["number"])) if match else (key, -1)
            keys.setdefault(video, []).append((number, key))
        for video, numbered in keys.items():
            entries = [_entry(file, data.group(key), number) for number, key in sorted(numbered)]
            yield video, [entry for entry in entries if len(entry.intervals)]


def _groups(root: Hdf5Group) -> Iterator[Hdf5Group]:
    return (root.group(name) for name in root.names if root.kind_and_shape(name)[0] == "group")


def _root(path: Path, top: Hdf5Group) -> Hdf5Group:
    for group in _groups(top):
        if "data" in group.names:
            return group
    contents = ", ".join(map(printable, top.names[:5])) or "nothing"
    raise DataError(f"{path}: no group holds 'data' (found {contents}); give {WANTED}")


def _metadata(metadata: Hdf5Group | None, name: str) -> object:
    """Read an entry of the metadata, which is JSON; None if there is none."""
    if (
        metadata is None
        or name not in metadata.names
        or metadata.kind_and_shape(name)[0] != "texts"
    ):
        return None
    texts = metadata.texts(name).ravel().tolist()
    try:
        return cast(object, json.loads(texts[0])) if texts else None
    except (ValueError, RecursionError):
        return str(texts[0])


def _entry(file: CsdFile, group: Hdf5Group, number: int) -> TimedSteps:
    features = group.numbers("features") if file.holds == "numbers" else group.texts("features")
    with np.errstate(invalid="ignore"):  # NaN may be of the kind that signals
        intervals = group.numbers("intervals").astype(np.float64)
    if features.ndim != 2 or features.shape[1] != file.width:
        raise group.error(
            "features", f"has shape {features.shape}; wanted [step, {file.width}] as in the first"
        )
    if intervals.shape != (len(features), 2):
        raise group.error(
            "intervals",
            f"has shape {intervals.shape}; wanted start and end of {len(features)} features",
        )
    wrong = ~((intervals[:, 0] <= intervals[:, 1]) & np.isfinite(intervals).all(axis=1))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        start, end = intervals[first]
        raise group.error(
            "intervals",
            f"step {first} is from {start:g} to {end:g} s ({int(wrong.sum())} such steps); wanted "
            f"a start and an end not before it",
        )
    return TimedSteps(
        number=number if number >= 0 else None, intervals=intervals, features=features
    )
