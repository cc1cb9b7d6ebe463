"""Parsing what the pickle formats share: splits, ids, columns of numbers and padded arrays."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Float, Num

from deadpan.data.containers.files import printable
from deadpan.errors import DataError, unknown_name
from deadpan.types import MODALITIES, SPLITS, Modality

SplitTable = Mapping[str, object]
"""The values of a split by key."""


def parse_splits(path: Path, content: object, wanted: str) -> dict[str, SplitTable]:
    """Parse a dict ``split -> {key: value}``; keys become text.

    Args:
        path: path of the pickle, for messages.
        content: its value, as ``read_pickle`` returns it.
        wanted: the keys that a split should have, for messages.

    Raises:
        DataError: the value is no such dict, or has a split of an unknown name.
    """
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path}: holds no splits; wanted a dict of train, valid and test")
    splits: dict[str, SplitTable] = {}
    for key, value in cast("dict[object, object]", content).items():
        try:
            name = as_text(key)
            if name not in SPLITS:
                raise DataError(unknown_name("split", printable(name), SPLITS))
            if not isinstance(value, dict):
                raise DataError(f"split '{name}' is no dict; wanted {wanted}")
            table = cast("dict[object, object]", value)
            splits[name] = {as_text(inner): entry for inner, entry in table.items()}
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
    return splits


def as_text(value: object) -> str:
    """Convert a name or an id to text; DataError if it is neither text nor a number."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, str):
        # Half a surrogate pair cannot be encoded in UTF-8.
        return value.encode("utf-8", errors="backslashreplace").decode("utf-8")
    if isinstance(value, int | float):  # numpy's float64 is one too
        return str(value)
    if isinstance(value, np.generic):
        return as_text(value.item())
    raise DataError(f"an id is a {type(value).__name__}; wanted text or a number")


def clip_ids(name: str, value: object, count: int, beside: str) -> tuple[tuple[str, ...], ...]:
    """Parse the parts of each clip's id: str, bytes or numbers, one per clip or a row of several.

    Args:
        name: the key of the ids, for messages.
        value: a list, tuple or array.
        count: number of clips.
        beside: the key whose length is ``count``, for messages.
    """
    ids = tuple(id_parts(entry) for entry in as_list(name, value))
    if len(ids) != count:
        raise DataError(f"'{name}' has {len(ids)} clips, '{beside}' {count}")
    return ids


def as_list(name: str, value: object) -> list[object]:
    """Convert a list, a tuple or an array to a list."""
    if isinstance(value, np.ndarray) and value.ndim:
        if len(value) and not value.size:  # checked before memory is allocated per entry
            raise DataError(f"'{name}' has shape {value.shape}; wanted one entry per clip")
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise DataError(f"'{name}' is a {type(value).__name__}; wanted one entry per clip")
    return list(cast("list[object]", value))


def id_parts(entry: object) -> tuple[str, ...]:
    """Parse the parts of one id, as text."""
    values = entry.ravel().tolist() if isinstance(entry, np.ndarray) else entry
    for _ in range(2):  # [N, 1, 1] comes as a list of one in a list of one
        if isinstance(values, list | tuple) and len(values) == 1:
            values = cast("list[object]", values)[0]
    several = cast("list[object]", values) if isinstance(values, list | tuple) else [values]
    return tuple(map(as_text, several))


def numeric_array(name: str, value: object) -> Num[np.ndarray, "*shape"]:
    """Check that a value is an array of integers or floats, and return it."""
    if not isinstance(value, np.ndarray):
        raise DataError(f"'{name}' is a {type(value).__name__}; wanted an array of numbers")
    if value.dtype.kind not in "iuf":
        raise DataError(f"'{name}' is an array of {value.dtype.name}; wanted an array of numbers")
    return value


def number_column(name: str, value: object) -> Float[np.ndarray, " clip"]:
    """Convert an array or a list of one number per clip to float64; [clip, 1, ...] is flattened."""
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        array = numeric_array(name, value)
        if not array.ndim or array.size != len(array):
            raise DataError(f"'{name}' has shape {array.shape}; wanted one number per clip")
        return array.reshape(len(array)).astype(np.float64)
    return np.array([_number(name, entry) for entry in as_list(name, value)], dtype=np.float64)


def _number(name: str, entry: object) -> float:
    if isinstance(entry, np.ndarray) and entry.size == 1:
        entry = entry.item()
    elif isinstance(entry, list | tuple) and len(entry) == 1:
        entry = cast("list[object]", entry)[0]
    if isinstance(entry, bool) or not isinstance(entry, int | float | np.integer | np.floating):
        raise DataError(f"'{name}' holds a {type(entry).__name__}; wanted one number per clip")
    try:
        return float(entry)
    except OverflowError:  # an integer beyond every float
        return float("inf") if entry > 0 else float("-inf")


def padded_arrays(table: SplitTable, count: int, beside: str) -> dict[Modality, np.ndarray]:
    """The arrays [clip, step, width] of a split; a modality it lacks is left out.

    Args:
        table: the split.
        count: number of clips.
        beside: the key whose length is ``count``, for messages.
    """
    arrays: dict[Modality, np.ndarray] = {}
    for modality in MODALITIES:
        if modality in table:
            array = numeric_array(modality, table[modality])
            if array.ndim != 3:
                raise DataError(f"'{modality}' has shape {array.shape}; wanted [clip, step, width]")
            if len(array) != count:
                raise DataError(f"'{modality}' has {len(array)} clips, '{beside}' {count}")
            if not array.shape[2]:
                raise DataError(
                    f"'{modality}' has shape {array.shape}; wanted a width of 1 or more"
                )
            arrays[modality] = array
    return arrays


def common_widths(
    path: Path, splits: Mapping[str, Mapping[Modality, Num[np.ndarray, "_ _ _"]]]
) -> dict[Modality, int]:
    """Features per step of each modality, which must be the same in every split.

    Raises:
        DataError: widths differ, or there is no modality at all.
    """
    widths: dict[Modality, int] = {}
    for modality in MODALITIES:
        by_split = {name: x[modality].shape[2] for name, x in splits.items() if modality in x}
        if len(set(by_split.values())) > 1:
            listing = ", ".join(f"{width} in {name}" for name, width in by_split.items())
            raise DataError(f"{path}: '{modality}' has width {listing}; wanted one width")
        if by_split:
            widths[modality] = next(iter(by_split.values()))
    if not widths:
        raise DataError(f"{path}: has none of {', '.join(MODALITIES)}; wanted at least one")
    return widths
