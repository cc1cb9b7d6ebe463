"""Data sets of a clip table, with features in a file per clip or word vectors of transcripts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from jaxtyping import Float
from numpy import ndarray

from deadpan.data.assembly import (
    WORD_VECTORS,
    RawClip,
    RawClips,
    assemble,
    video_groups,
)
from deadpan.data.containers.files import printable
from deadpan.data.containers.tables import first_columns
from deadpan.data.dataset import Dataset
from deadpan.data.formats.own.features import OwnFeatures, find_clip_table, own_features
from deadpan.data.formats.own.labels import OwnLabels, own_labels
from deadpan.data.formats.own.table import (
    GROUPS,
    MMSA,
    SPLIT_COLUMNS,
    ClipRow,
    ClipTable,
    ColumnNames,
    read_clip_table,
)
from deadpan.errors import DataError, unknown_name
from deadpan.types import SPLITS, Modality, split_name

FILE_COLUMNS = ("file", "filename", "path", "filepath")
"""Columns of the recording's file; the first that exists is used."""


def own_dataset(
    path: Path,
    *,
    id: str = "",
    label: str = "",
    labels: str = "",
    text: str = "",
    group: str = "",
    split: str = "",
    task: str = "auto",
    vectors: Path | None = None,
    unscaled: str = "",
    featureless: bool = False,
) -> Dataset:
    """Read a data set from a folder with a clip table and a folder of files per modality.

    ::

        mydata/labels.csv      id,label and more of the columns below
        mydata/audio/ID.npy    [steps, width], or .npz, .pt, .pkl
        mydata/face/ID.csv     or .tsv, .parquet: a row per step (see ``read_features``)

    The table is CSV (separated by commas, semicolons or tabs), .xlsx, .parquet, .json or .jsonl
    (see ``read_table``). Its columns, in any order:

    - ``id``, or ``video_id`` and ``clip_id``, which make ``VIDEO_CLIP``: the names of the files.
    - labels: ``label``, or those that begin with ``label_``, or else all columns not named here
      and not known to be no labels (duration, start, file and so on); without blank columns.
    - ``split`` (or ``mode``): train, valid or test. Without it, splits are made by group.
    - ``group`` (or ``speaker``, ``video``, ``video_id``): the clips of a group stay in one split.
      Without it, the group is the video in ids of the form VIDEO_CLIP if there are ten videos or
      more; otherwise each clip is a group of its own.
    - ``text``: the transcript, which becomes the modality text if ``vectors`` are given, or by
      ``deadpan encode``.

    Clips without labels (no such column, or only blank or NaN ones) are for prediction: they keep
    the order of the table, and have no splits.

    With task "auto", a column of texts makes classes (their names sorted; case and blanks around
    them do not matter). The meaning of numbers is inferred as in every format (see
    ``interpret_labels``), except that MMSA's convention requires those that are no classes to be in
    [-3, 3]. They may have decimal commas, if all have.

    Normalisation scales every modality alike, whatever it is called, but for the vectors and for
    those that ``unscaled`` names.

    A clip lacks a modality if it has no file, a file without a step, or a transcript without a
    word; all these are counted. A word without a vector is a step of zeros.

    Args:
        path: the folder, or the table in it.
        id: the column of ids; several (``A,B``) are joined by _, and a pattern says how, as in
            ``dia{Dialogue_ID}_utt{Utterance_ID}``.
        label: names of columns, separated by commas; "" infers them, "none" reads no labels.
        labels: another name of ``label``.
        text: the column of transcripts.
        group: the column of groups, several, or a pattern.
        split: the column of splits.
        task: regression, emotions, classes or scores; "auto" infers it.
        vectors: word vectors in GloVe's text format, of any width.
        unscaled: modalities that normalisation leaves as they are, separated by commas: word
            vectors, say, or states of an encoder.
        featureless: no option, but what ``load_transcripts`` wants: clips with a transcript need no
            features.

    Raises:
        DataError: the table, one of its rows or a file does not fit, or there are no features.
        DeadpanError: a file is Parquet or .xlsx, and the package that reads it is not installed.
    """
    file = find_clip_table(path) if path.is_dir() else path
    names = ColumnNames(id=id, text=text, group=group, split=split)
    table = read_clip_table(file, names)
    targets = own_labels(file, table, label=_one_option(file, label, labels), task=task)
    features = own_features(file, table, vectors, featureless=featureless)
    name = path if path.name not in ("", "..") else path.resolve()
    reasons = _unscaled(file, features, unscaled, embedded=vectors is not None)
    return _assembled(name, file, table, targets, features, reasons)


def labelled_recordings(
    path: Path,
    *,
    id: str = "",
    label: str = "",
    labels: str = "",
    text: str = "",
    group: str = "",
    split: str = "",
    task: str = "auto",
) -> tuple[Dataset, dict[str, str]]:
    """Read a clip table whose features are still to be measured from recordings.

    Args:
        path: the table; folders of features beside it are not read.
        id: see :func:`own_dataset`, as for the others; without a column of ids, a column of files
            is one.
        label: names of columns.
        labels: another name of ``label``.
        text: the column of transcripts.
        group: the column of groups.
        split: the column of splits.
        task: regression, emotions, classes or scores; "auto" infers it.

    Returns:
        The clips, without a sequence; and the file of each clip for which a column
        (``FILE_COLUMNS``) names one, by id, as it is written.

    Raises:
        DataError: the table, or one of its rows, does not fit.
    """
    columns = {name.lower(): name for name in first_columns(path)}
    named = next((columns[name] for name in FILE_COLUMNS if name in columns), "")
    if named and not ("id" in columns or {"video_id", "clip_id"} <= columns.keys()):
        id = id or named
    table = read_clip_table(path, ColumnNames(id=id, text=text, group=group, split=split))
    targets = own_labels(path, table, label=_one_option(path, label, labels), task=task)
    nothing = OwnFeatures(clips={}, widths={}, words={}, repairs=Counter(), warnings=())
    dataset = _assembled(path, path, table, targets, nothing, {})
    cells = {row.id: row.cells[named].strip() for row in table.rows} if named else {}
    return dataset, {clip: file for clip, file in cells.items() if file}


def _one_option(path: Path, label: str, labels: str) -> str:
    if label and labels:
        raise DataError(f"{path}: got label and labels, which are one option; give one of them")
    return label or labels


def _unscaled(
    path: Path, features: OwnFeatures, names: str, *, embedded: bool
) -> dict[Modality, str]:
    """Why modalities are not scaled; DataError if one of the named is not there."""
    reasons = dict(WORD_VECTORS) if embedded else {}
    for name in filter(None, map(str.strip, names.split(","))):
        if name not in features.widths:
            raise DataError(f"{path}: unscaled: {unknown_name('modality', name, features.widths)}")
        reasons.setdefault(name, "data_options.unscaled")
    return reasons


def _assembled(
    name: Path,
    file: Path,
    table: ClipTable,
    targets: OwnLabels,
    features: OwnFeatures,
    unscaled: Mapping[str, str],
) -> Dataset:
    """The data set of a table's rows with their features; ``name`` is what it is called by."""
    unlabelled = not targets.names
    splits = [None if unlabelled else _split(file, table, row) for row in table.rows]
    groups, grouped = _groups(file, table, required=not unlabelled)
    warnings = [*table.warnings, *targets.warnings, *features.warnings]
    if not grouped and not unlabelled and not any(splits):
        warnings.append("no column group: splits may share a video or speaker")
    clips = [
        _clip(row, features, split=split, group=group, label=label)
        for row, split, group, label in zip(table.rows, splits, groups, targets.values, strict=True)
    ]
    mmsa = set(MMSA) <= set(table.columns)
    return assemble(
        name,
        RawClips(clips=clips, widths=features.widths, unscaled=unscaled),
        layout="a clip table in MMSA's convention" if mmsa else "a clip table of one's own",
        task=targets.task,
        labels=targets.names,
        repairs=features.repairs,
        warnings=warnings,
    )


def _split(path: Path, table: ClipTable, row: ClipRow) -> str | None:
    """The split of a row; None if there is no such column, or its field is empty."""
    column = next((name for name in SPLIT_COLUMNS if name in table.columns), None)
    if column is None or not row.cells[column]:
        return None
    if split := split_name(row.cells[column]):
        return split
    raise DataError(
        f"{path}: {row.place}: {unknown_name(column, printable(row.cells[column]), SPLITS)}"
    )


def _groups(path: Path, table: ClipTable, *, required: bool) -> tuple[Sequence[str], bool]:
    """The group of each clip, "" if unknown; and whether groups are known.

    Those of a column are ``required`` of every clip where splits depend on them.
    """
    if column := next((name for name in GROUPS if name in table.columns), None):
        for row in table.rows:
            if required and not row.cells[column].strip():
                raise DataError(f"{path}: {row.place}: no {column}; give one to every clip")
        return [row.cells[column].strip() for row in table.rows], True
    groups = video_groups([row.id for row in table.rows])
    return groups, all(groups)


def _clip(
    row: ClipRow,
    features: OwnFeatures,
    *,
    split: str | None,
    group: str,
    label: Float[ndarray, " label"],
) -> RawClip:
    present = {name: clips[row.id] for name, clips in features.clips.items() if row.id in clips}
    return RawClip(
        name=(row.id,),
        id=row.id,
        split=split,
        sequences={name: sequence.values for name, sequence in present.items()},
        label=label,
        group=group,
        words=features.words.get(row.id, ()),
        transcript=row.cells["text"].strip(),
        times={
            name: sequence.times for name, sequence in present.items() if sequence.times is not None
        },
    )
