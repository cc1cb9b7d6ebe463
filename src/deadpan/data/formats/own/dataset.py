"""Own data: a clip table, and features in a file per clip or made of its transcripts."""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from numpy import ndarray

from deadpan.data.assembly import assemble, group_of
from deadpan.data.containers.files import shown
from deadpan.data.dataset import Dataset
from deadpan.data.formats.own.features import OwnFeatures, own_features, table_of
from deadpan.data.formats.own.table import (
    GROUPS,
    MMSA,
    SPLIT_COLUMNS,
    ClipRow,
    ClipTable,
    own_labels,
    read_clip_table,
)
from deadpan.data.raw import RawClip, RawClips
from deadpan.errors import DataError, unknown_name
from deadpan.types import SPLITS

MANY_VIDEOS = 10
"""From so many on, what stands before the last _ of ids is taken for a video."""


def own_dataset(
    path: Path, *, labels: str = "", task: str = "auto", vectors: Path | None = None
) -> Dataset:
    """Read a folder that has a clip table and, for each modality, a folder of files.

    ::

        mydata/labels.csv      id,label and more of the columns below
        mydata/audio/ID.npy    [steps, width]; the folder's name is the modality's
        mydata/face/ID.csv     or .csv, or .parquet: a row per step (see ``read_features``)

    The columns of the table, in any order:

    - ``id``, or ``video_id`` and ``clip_id``, which make ``VIDEO_CLIP``: the names of the files.
    - labels: ``label``, or those that begin with ``label_``, or else all columns not named here.
    - ``split`` (or ``mode``): train, valid or test. Without it, splits are made by group.
    - ``group`` (or ``speaker``, ``video``, ``video_id``): clips of one stay in one split. Without
      it: the video in ids of the form VIDEO_CLIP, where there are ten videos or more; or else each
      clip is a group of its own.
    - ``text``: the transcript, which ``vectors`` makes the modality text.

    The task, where none is given: a column of texts makes classes (their names sorted); one column
    of numbers regression where all are in [-3, 3], as they must be in MMSA's convention, or else
    scores; several columns emotions where all are 0 or 1, or else scores. Numbers are classes only
    if ``task`` says so.

    A clip lacks a modality if it has no file, a file without a step, or a transcript without a
    word; all these are counted. A word without a vector is a step of zeros.

    Args:
        path: the folder, or the table in it.
        labels: names of columns, with commas between; "" = found out.
        task: regression, emotions, classes or scores; "auto" = found out.
        vectors: word vectors in GloVe's text format; any width.

    Raises:
        DataError: a table, a row of it or a file that does not fit, or no features at all.
        DeadpanError: a parquet file, and pyarrow is not installed.
    """
    file = table_of(path) if path.is_dir() else path
    table = read_clip_table(file)
    told = own_labels(file, table, labels=labels, task=task)
    splits = [_split(file, table, row) for row in table.rows]
    groups, known = _groups(file, table)
    features = own_features(file, table, vectors)
    warnings = [*told.warnings, *features.warnings]
    if not known and not any(splits):
        warnings.append("no column group: splits may share a video or speaker")
    clips = [
        _clip(row, features, split=split, group=group, label=label)
        for row, split, group, label in zip(table.rows, splits, groups, told.values, strict=True)
    ]
    mmsa = set(MMSA) <= set(table.columns)
    return assemble(
        path if path.name not in ("", "..") else path.resolve(),  # it names the data set
        RawClips(clips=clips, widths=features.widths),
        layout="a clip table in MMSA's convention" if mmsa else "a clip table of one's own",
        task=told.task,
        labels=told.names,
        repairs=features.repairs,
        warnings=warnings,
    )


def _split(path: Path, table: ClipTable, row: ClipRow) -> str | None:
    """None where there is no column, or nothing in it."""
    column = next((name for name in SPLIT_COLUMNS if name in table.columns), None)
    if column is None or not (split := row.cells[column].strip()):
        return None
    if split not in SPLITS:
        raise DataError(f"{path}: line {row.line}: {unknown_name(column, shown(split), SPLITS)}")
    return split


def _groups(path: Path, table: ClipTable) -> tuple[Sequence[str], bool]:
    """The group of each clip, "" where nothing tells it; and whether anything does."""
    if column := next((name for name in GROUPS if name in table.columns), None):
        for row in table.rows:
            if not row.cells[column].strip():
                raise DataError(f"{path}: line {row.line}: no {column}; give one to every clip")
        return [row.cells[column].strip() for row in table.rows], True
    videos = [group_of((row.id,)) for row in table.rows]
    # clip_1 and clip_2, or happy_1 and happy_2, are not of one video.
    if None not in videos and len(set(videos)) >= MANY_VIDEOS:
        return [str(video) for video in videos], True
    return [""] * len(table.rows), False


def _clip(
    row: ClipRow,
    features: OwnFeatures,
    *,
    split: str | None,
    group: str,
    label: Float[ndarray, " label"],
) -> RawClip:
    has = {name: clips[row.id] for name, clips in features.clips.items() if row.id in clips}
    return RawClip(
        name=(row.id,),
        id=row.id,
        split=split,
        sequences={name: found.values for name, found in has.items()},
        label=label,
        group=group,
        words=features.words.get(row.id, ()),
        times={name: found.times for name, found in has.items() if found.times is not None},
    )
