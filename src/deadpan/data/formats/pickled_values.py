"""What the pickle layouts have in common: splits, ids, columns of numbers and padded arrays."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Float, Num

from deadpan.data.containers.files import shown
from deadpan.errors import DataError, unknown_name
from deadpan.types import MODALITIES, SPLITS, Modality

Table = Mapping[str, object]
"""A split: what it holds by key."""


def split_tables(path: Path, content: object, wanted: str) -> dict[str, Table]:
    """The tables of a dict ``split -> {key: value}``, keys as text.

    Args:
        path: of the pickle, for messages.
        content: its value, as ``read_pickle`` gives it.
        wanted: what a split should hold, for the message.

    Raises:
        DataError: no such dict, or a split of another name.
    """
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path}: holds no splits; wanted a dict of train, valid and test")
    splits: dict[str, Table] = {}
    for key, value in cast("dict[object, object]", content).items():
        try:
            name = text_of(key)
            if name not in SPLITS:
                raise DataError(unknown_name("split", shown(name), SPLITS))
            if not isinstance(value, dict):
                raise DataError(f"split '{name}' is no dict; wanted {wanted}")
            table = cast("dict[object, object]", value)
            splits[name] = {text_of(inner): held for inner, held in table.items()}
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
    return splits


def text_of(value: object) -> str:
    """Text of a name or an id; what is neither text nor a number has none."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, str):
        # Half a surrogate pair could not be written to any file of ours.
        return value.encode("utf-8", errors="backslashreplace").decode("utf-8")
    if isinstance(value, int | float):  # numpy's float64 is one too
        return str(value)
    if isinstance(value, np.generic):
        return text_of(value.item())
    raise DataError(f"an id is a {type(value).__name__}; wanted text or a number")


def ids_of(name: str, value: object, count: int, beside: str) -> tuple[tuple[str, ...], ...]:
    """The parts of each clip's id: str, bytes or numbers, one per clip or a row of several.

    Args:
        name: of the key, for messages.
        value: list, tuple or array.
        count: number of clips.
        beside: the key that tells it, for messages.
    """
    ids = tuple(parts_of(entry) for entry in entries_of(name, value))
    if len(ids) != count:
        raise DataError(f"'{name}' has {len(ids)} clips, '{beside}' {count}")
    return ids


def entries_of(name: str, value: object) -> list[object]:
    """The entries of a list, a tuple or an array."""
    if isinstance(value, np.ndarray) and value.ndim:
        if len(value) and not value.size:  # before anything is made for each of those it declares
            raise DataError(f"'{name}' has shape {value.shape}; wanted one entry per clip")
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise DataError(f"'{name}' is a {type(value).__name__}; wanted one entry per clip")
    return list(cast("list[object]", value))


def parts_of(entry: object) -> tuple[str, ...]:
    """The parts of one id, as text."""
    values = entry.ravel().tolist() if isinstance(entry, np.ndarray) else entry
    for _ in range(2):  # [N, 1, 1] comes as a list of one in a list of one
        if isinstance(values, list | tuple) and len(values) == 1:
            values = cast("list[object]", values)[0]
    several = cast("list[object]", values) if isinstance(values, list | tuple) else [values]
    return tuple(map(text_of, several))


def numbers(name: str, value: object) -> Num[np.ndarray, "*shape"]:
    """The value, if it is an array of integers or floats."""
    if not isinstance(value, np.ndarray):
        raise DataError(f"'{name}' is a {type(value).__name__}; wanted an array of numbers")
    if value.dtype.kind not in "iuf":
        raise DataError(f"'{name}' is an array of {value.dtype.name}; wanted an array of numbers")
    return value


def column(name: str, value: object) -> Float[np.ndarray, " clip"]:
    """One number per clip, from an array or a list; each may stand in lists of one."""
    if isinstance(value, np.ndarray) and value.dtype.kind != "O":
        array = numbers(name, value)
        if not array.ndim or array.size != len(array):
            raise DataError(f"'{name}' has shape {array.shape}; wanted one number per clip")
        return array.reshape(len(array)).astype(np.float64)
    return np.array([_number(name, entry) for entry in entries_of(name, value)], dtype=np.float64)


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


def padded_arrays(table: Table, count: int, beside: str) -> dict[Modality, np.ndarray]:
    """The arrays [clip, step, width] of a split; a modality it lacks is left out.

    Args:
        table: the split.
        count: number of clips.
        beside: the key that tells it, for messages.
    """
    arrays: dict[Modality, np.ndarray] = {}
    for modality in MODALITIES:
        if modality in table:
            array = numbers(modality, table[modality])
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


def widths_of(
    path: Path, splits: Mapping[str, Mapping[Modality, Num[np.ndarray, "_ _ _"]]]
) -> dict[Modality, int]:
    """Features per step of each modality, the same in every split.

    Raises:
        DataError: widths that differ, or no modality at all.
    """
    widths: dict[Modality, int] = {}
    for modality in MODALITIES:
        found = {name: x[modality].shape[2] for name, x in splits.items() if modality in x}
        if len(set(found.values())) > 1:
            told = ", ".join(f"{width} in {name}" for name, width in found.items())
            raise DataError(f"{path}: '{modality}' has width {told}; wanted one width")
        if found:
            widths[modality] = next(iter(found.values()))
    if not widths:
        raise DataError(f"{path}: has none of {', '.join(MODALITIES)}; wanted at least one")
    return widths
