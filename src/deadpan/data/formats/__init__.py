"""Which layout a path has: told by its content, never by its name."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np

from deadpan.data.containers.files import first_bytes, opened, shown
from deadpan.data.containers.safetensors_file import looks_like_store
from deadpan.data.containers.unpickling import looks_like_pickle, read_pickle
from deadpan.data.dataset import Dataset
from deadpan.data.formats.csd.dataset import csd_dataset
from deadpan.data.formats.csd.file import looks_like_csd, looks_like_csd_folder
from deadpan.data.formats.mfn import looks_like_mfn, mfn_dataset
from deadpan.data.formats.misa import (
    looks_like_misa,
    looks_like_misa_folder,
    misa_dataset,
    misa_folder_dataset,
)
from deadpan.data.formats.mmsa import looks_like_mmsa, mmsa_dataset
from deadpan.data.formats.mult import looks_like_mult, mult_dataset
from deadpan.data.formats.own.dataset import own_dataset
from deadpan.data.formats.own.features import looks_like_own
from deadpan.data.formats.own.table import looks_like_clip_table
from deadpan.data.store.reading import store_dataset
from deadpan.errors import DataError

Make = Callable[..., Dataset]
"""Makes a data set; its arguments but ``path`` and ``content`` are the layout's options."""

Layouts = tuple[tuple[str, Callable[[Path], bool], Make], ...]
"""What each is called, what recognises it and what reads it; pickles are told apart by value."""

FOLDERS: Layouts = (
    ("computational sequences (*.csd)", looks_like_csd_folder, csd_dataset),
    ("MFN's HDF5 files (y_train.h5, ...)", looks_like_mfn, mfn_dataset),
    ("MISA's pickles (train.pkl, dev.pkl, test.pkl)", looks_like_misa_folder, misa_folder_dataset),
    ("your own data (a .csv beside a folder per modality)", looks_like_own, own_dataset),
)
FILES: Layouts = (
    ("a store of 'deadpan data convert'", looks_like_store, store_dataset),
    ("a computational sequence (.csd)", looks_like_csd, csd_dataset),
    ("a table of clips (.csv)", looks_like_clip_table, own_dataset),
)


def layout_of(path: Path) -> tuple[Make, tuple[Any, ...]]:
    """What makes a data set of this path, and its first arguments.

    Raises:
        DataError: the path cannot be opened, or is of no layout that is known.
    """
    if path.is_dir():
        for _, recognises, make in FOLDERS:
            if recognises(path):
                return make, (path,)
        try:
            names = sorted(entry.name for entry in path.iterdir())
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror}); mend that") from None
        held = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise DataError(
            f"{path}: is a directory of no known layout (holds {held or 'nothing'}); give "
            f"{_listed(FOLDERS)}"
        )
    for _, recognises, make in FILES:
        if recognises(path):
            return make, (path,)
    if looks_like_pickle(path):
        content = read_pickle(path)
        return recognised(path, content), (path, content)
    with opened(path, _listed(FILES)):  # which may say more of it
        start = first_bytes(path, 12)
    raise DataError(f"{path}: is of no known layout (begins with {start!r}); give {_listed(FILES)}")


def _listed(layouts: Layouts) -> str:
    """Every layout that would have been right, in words."""
    names = [name for name, _, _ in layouts]
    if layouts is FILES:
        names.insert(0, "a pickle in MulT's, MMSA's or MISA's layout")
    return ", ".join(names[:-1]) + " or " + names[-1]


LAYOUTS: tuple[tuple[str, Callable[[object], bool], Callable[..., Dataset]], ...] = (
    ("MMSA's (split -> text, audio, vision, regression_labels)", looks_like_mmsa, mmsa_dataset),
    ("MulT's (split -> text, audio, vision, labels)", looks_like_mult, mult_dataset),
    ("MISA's ([((words, visual, acoustic), label, segment)])", looks_like_misa, misa_dataset),
)
"""What a layout is called, what recognises a pickled value, and what makes a data set of it."""


def recognised(path: Path, content: object) -> Callable[..., Dataset]:
    """What makes a data set of a pickle's value; called with path, value and options.

    Args:
        path: of the pickle, for messages.
        content: its value, as ``read_pickle`` gives it.

    Raises:
        DataError: the value is of no layout that is known.
    """
    for _, recognises, make in LAYOUTS:
        if recognises(content):
            return make
    known = ", ".join(noun for noun, _, _ in LAYOUTS)
    raise DataError(f"{path}: is a pickle of no known layout, {_held(content)}; known: {known}")


def pickle_dataset(path: Path, **options: Any) -> Dataset:
    """A data set from a pickle; nothing in it is executed.

    Args:
        path: of the pickle.
        **options: what the maker of its layout takes.

    Raises:
        DataError: not a pickle, of no layout that is known, or one that does not fit.
    """
    content = read_pickle(path)
    return recognised(path, content)(path, content, **options)


def _held(value: object, depth: int = 3) -> str:
    """A value in short: ``dict of train, test (first: dict of text (first: ...))``."""
    if isinstance(value, np.ndarray):
        return f"array of {value.dtype.name} {list(value.shape)}"
    if not isinstance(value, dict | list | tuple) or not value or not depth:
        return type(value).__name__
    if isinstance(value, dict):
        table = cast("dict[object, object]", value)
        names = [shown(name) for name in islice(table, 6)] + ["..."] * (len(table) > 6)
        first = next(iter(table.values()))
        return f"dict of {', '.join(names)} (first: {_held(first, depth - 1)})"
    entries = cast("list[object]", value)
    return f"{type(value).__name__} of {len(entries)} (first: {_held(entries[0], depth - 1)})"
