"""Pickled data sets of every layout: which one a file has is told by its value."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np

from deadpan.data.containers.files import shown
from deadpan.data.containers.unpickling import read_pickle
from deadpan.data.dataset import Dataset
from deadpan.data.formats.misa import looks_like_misa, misa_dataset
from deadpan.data.formats.mmsa import looks_like_mmsa, mmsa_dataset
from deadpan.data.formats.mult import looks_like_mult, mult_dataset
from deadpan.errors import DataError

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
