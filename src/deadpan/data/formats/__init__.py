"""The formats of files and folders, recognised by their content and never by their name."""

from collections.abc import Callable, Collection
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np

from deadpan.data.containers.files import first_bytes, open_file, printable, printable_path
from deadpan.data.containers.safetensors_file import looks_like_safetensors
from deadpan.data.containers.unpickling import PickledNameError, looks_like_pickle, read_pickle
from deadpan.data.dataset import Dataset
from deadpan.data.formats.contextual import (
    contextual_dataset,
    contextual_file_dataset,
    contextual_folder_dataset,
    looks_like_contextual,
    looks_like_contextual_file,
    looks_like_contextual_folder,
)
from deadpan.data.formats.csd.dataset import csd_dataset
from deadpan.data.formats.csd.file import looks_like_csd, looks_like_csd_folder
from deadpan.data.formats.dialogues import dialogues_dataset, looks_like_dialogues
from deadpan.data.formats.foreign import PICKLED_BY, foreign_format
from deadpan.data.formats.mertools import looks_like_mertools, mertools_dataset
from deadpan.data.formats.mfn import looks_like_mfn, mfn_dataset
from deadpan.data.formats.misa import (
    looks_like_misa,
    looks_like_misa_folder,
    misa_dataset,
    misa_folder_dataset,
)
from deadpan.data.formats.mmsa import looks_like_mmsa, mmsa_dataset
from deadpan.data.formats.mult import looks_like_mult, mult_dataset
from deadpan.data.formats.mustard import looks_like_mustard, mustard_dataset
from deadpan.data.formats.nearest import (
    nearest_format,
    nearest_pickle,
    part_of_folder,
    resembles_own,
)
from deadpan.data.formats.own.dataset import own_dataset
from deadpan.data.formats.own.features import looks_like_own, may_be_other
from deadpan.data.formats.own.table import looks_like_clip_table
from deadpan.data.formats.ur_funny import looks_like_ur_funny, ur_funny_dataset
from deadpan.data.store.reading import store_dataset
from deadpan.errors import DataError

DatasetReader = Callable[..., Dataset]
"""Reads a data set; its arguments except ``path`` and ``content`` are the format's options."""

Formats = tuple[tuple[str, Callable[[Path], bool], DatasetReader], ...]
"""Name of each format, the function that recognises a path and the function that reads it."""

FOLDERS: Formats = (
    ("computational sequences (*.csd)", looks_like_csd_folder, csd_dataset),
    ("MFN's HDF5 files (y_train.h5, ...)", looks_like_mfn, mfn_dataset),
    ("MISA's pickles (train.pkl, dev.pkl, test.pkl)", looks_like_misa_folder, misa_folder_dataset),
    ("MERTools' labels (label.npz, features/, ...)", looks_like_mertools, mertools_dataset),
    ("MUStARD's files (sarcasm_data.json, ...)", looks_like_mustard, mustard_dataset),
    ("UR-FUNNY's pickles (data_folds.pkl, ...)", looks_like_ur_funny, ur_funny_dataset),
    (
        "utterance vectors of whole videos (text.pickle, audio.pickle, ...)",
        looks_like_contextual_folder,
        contextual_folder_dataset,
    ),
    ("your own data (a .csv beside a folder per modality)", looks_like_own, own_dataset),
)
OF_NAMED_FILES = (misa_folder_dataset, contextual_folder_dataset)
"""Readers of folders of pickles that are known by their names alone: train.pkl, text.pkl and so on
may also lie beside one's own data."""
FILES: Formats = (
    ("a store of 'deadpan data convert'", looks_like_safetensors, store_dataset),
    ("a computational sequence (.csd)", looks_like_csd, csd_dataset),
    (
        "utterance vectors of whole videos (.npz)",
        looks_like_contextual_file,
        contextual_file_dataset,
    ),
    ("a table of clips (.csv)", looks_like_clip_table, own_dataset),
)


def detect_format(
    path: Path, options: Collection[str] = ()
) -> tuple[DatasetReader, tuple[Any, ...]]:
    """Detect the format of a path: the function that reads it, and its first arguments.

    Args:
        path: a file or folder.
        options: names of the options that the user gives, which may say what a table is.

    Raises:
        DataError: the path cannot be opened, or has no known format.
    """
    if path.is_dir():
        for _, recognises, read in FOLDERS:
            if recognises(path) and not (read in OF_NAMED_FILES and resembles_own(path, options)):
                return read, (path,)
        if resembles_own(path, options):
            return own_dataset, (path,)
        raise DataError(f"{path}: {_reason_of_folder(path)}")
    for _, recognises, read in FILES:
        if recognises(path):
            return read, (path,)
    if looks_like_pickle(path) and not foreign_format(path):
        content = _read_pickle(path)
        return detect_pickle_format(path, content), (path, content)
    part = may_be_other(path) and part_of_folder(path, _name_of_format)
    if not part and resembles_own(path, options):
        return own_dataset, (path,)
    with open_file(path, _format_names(FILES)):  # which may raise a more precise error
        start = first_bytes(path, 12)
    reason = nearest_format(path, _name_of_format)
    if not reason or reason.startswith("begins"):
        reason = f"is of no known format ({reason or f'begins with {start!r}'}); give " + (
            _format_names(FILES)
        )
    raise DataError(f"{path}: {reason}")


def _reason_of_folder(path: Path) -> str:
    try:
        names = sorted(entry.name for entry in islice(path.iterdir(), 100))
    except OSError as error:
        return f"cannot be read ({error.strerror}); mend that"
    if reason := nearest_format(path, _name_of_format):
        return reason
    contents = printable(", ".join(names[:5])) + (", ..." if len(names) > 5 else "")
    return (
        f"is a directory of no known format (holds {contents or 'nothing'}); give "
        f"{_format_names(FOLDERS)}"
    )


def _read_pickle(path: Path) -> object:
    """Read a pickle; the error for objects of a known package says how to convert them."""
    try:
        return read_pickle(path)
    except PickledNameError as error:
        if sentence := PICKLED_BY.get(error.package):
            line = sentence.replace("FILE", printable_path(path.name))
            raise DataError(f"{path}: {line}") from None
        raise


def _name_of_format(path: Path) -> str:
    """The name of the format of a path; "" if it has none, or is a pickle, which is not opened."""
    formats = FOLDERS if path.is_dir() else FILES
    return next((name for name, recognises, _ in formats if recognises(path)), "")


def _format_names(formats: Formats) -> str:
    """The names of all formats, in words."""
    names = [name for name, _, _ in formats]
    if formats is FILES:
        names.insert(0, "a pickle of MulT, MMSA, MISA, conv-emotion or bc-LSTM")
    return ", ".join(names[:-1]) + " or " + names[-1]


PICKLES: tuple[tuple[str, Callable[[object], bool], Callable[..., Dataset]], ...] = (
    ("MMSA's (split -> text, audio, vision, regression_labels)", looks_like_mmsa, mmsa_dataset),
    ("MulT's (split -> text, audio, vision, labels)", looks_like_mult, mult_dataset),
    ("MISA's ([((words, visual, acoustic), label, segment)])", looks_like_misa, misa_dataset),
    (
        "conv-emotion's (videoIDs, videoSpeakers, videoLabels, videoText, ...)",
        looks_like_dialogues,
        dialogues_dataset,
    ),
    (
        "bc-LSTM's (features, labels, features, labels, length, lengths, lengths)",
        looks_like_contextual,
        contextual_dataset,
    ),
)
"""Name of each pickle format, the functions that recognise and read an unpickled value."""


def detect_pickle_format(path: Path, content: object) -> Callable[..., Dataset]:
    """Detect the format of an unpickled value: the function that reads it.

    Raises:
        DataError: the value has no known format.
    """
    for _, recognises, read in PICKLES:
        if recognises(content):
            return read
    if sentence := part_of_folder(path, _name_of_format):
        raise DataError(f"{path}: {sentence}")
    remedy = nearest_pickle(content)
    if not remedy:
        remedy = f"known: {', '.join(noun for noun, _, _ in PICKLES)}"
    raise DataError(f"{path}: is a pickle of no known format, {_describe_value(content)}; {remedy}")


def _describe_value(value: object, depth: int = 3) -> str:
    """Describe a value in short: ``dict of train, test (first: dict of text (first: ...))``."""
    if isinstance(value, np.ndarray):
        return f"array of {value.dtype.name} {list(value.shape)}"
    if not isinstance(value, dict | list | tuple) or not value or not depth:
        return type(value).__name__
    if isinstance(value, dict):
        table = cast("dict[object, object]", value)
        names = [printable(name) for name in islice(table, 6)] + ["..."] * (len(table) > 6)
        first = next(iter(table.values()))
        return f"dict of {', '.join(names)} (first: {_describe_value(first, depth - 1)})"
    entries = cast("list[object]", value)
    first = _describe_value(entries[0], depth - 1)
    return f"{type(value).__name__} of {len(entries)} (first: {first})"
