"""The pickle layout of the MulT release: split -> {text, audio, vision, labels, id}."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Num

from deadpan.data.readers.files import shown
from deadpan.data.readers.unpickling import read_pickle
from deadpan.errors import DataError, unknown_name
from deadpan.types import MODALITIES, SPLITS, Modality


@dataclasses.dataclass(frozen=True, kw_only=True)
class MultSplit:
    """The arrays of one split, as the file has them.

    Attributes:
        sequences: padded features; a modality the file lacks is left out. A plain dict, so that
            whoever turns the arrays into clips can let each go when it is used up.
        labels: as in the file, one entry per clip along the first axis.
        ids: the parts of each clip's id as text; no parts at all where the file has no ids.
        ignored: keys that mean nothing here.
    """

    sequences: dict[Modality, Num[np.ndarray, "clip _ _"]]
    labels: Num[np.ndarray, "clip *shape"]
    ids: tuple[tuple[str, ...], ...]
    ignored: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.labels)


def read_mult_pickle(path: Path) -> dict[str, MultSplit]:
    """Read a pickle in MulT's layout; nothing in it is executed.

    A split, a modality or the ids may be missing. ids: str, bytes or numbers, one per clip or a
    row of several parts.

    Raises:
        DataError: not such a pickle, or its arrays do not fit together.
    """
    content = read_pickle(path)
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path}: holds no splits; wanted a dict of train, valid and test")
    table = cast("dict[object, object]", content)
    splits: dict[str, MultSplit] = {}
    for key, value in table.items():
        name = _text(key)
        if name not in SPLITS:
            raise DataError(f"{path}: {unknown_name('split', shown(name), SPLITS)}")
        if not isinstance(value, dict):
            raise DataError(
                f"{path}: split '{name}' is no dict; wanted text, audio, vision, labels"
            )
        try:
            splits[name] = _split(cast("dict[object, object]", value))
        except DataError as error:
            raise DataError(f"{path}: split '{name}': {error}") from None
    _check_widths(path, splits)
    return splits


def _split(table: Mapping[object, object]) -> MultSplit:
    named = {_text(key): value for key, value in table.items()}
    if "labels" not in named:
        known = ", ".join(sorted(map(shown, named))) or "nothing"
        raise DataError(f"has no 'labels' (found {known}); wanted the layout of the MulT release")
    labels = _numbers("labels", named["labels"])
    if not labels.ndim:
        raise DataError("'labels' is a single number; wanted one entry per clip")
    count = len(labels)
    if count and not labels.size:  # before anything is made for each of the clips it declares
        raise DataError(f"'labels' has shape {labels.shape}; wanted one entry per clip")
    sequences: dict[Modality, np.ndarray] = {}
    for modality in MODALITIES:
        if modality in named:
            array = _numbers(modality, named[modality])
            if array.ndim != 3:
                raise DataError(f"'{modality}' has shape {array.shape}; wanted [clip, step, width]")
            if len(array) != count:
                raise DataError(f"'{modality}' has {len(array)} clips, 'labels' {count}")
            if not array.shape[2]:
                raise DataError(
                    f"'{modality}' has shape {array.shape}; wanted a width of 1 or more"
                )
            sequences[modality] = array
    ids = _ids(named["id"]) if "id" in named else ((),) * count
    if len(ids) != count:
        raise DataError(f"'id' has {len(ids)} clips, 'labels' {count}")
    ignored = sorted(named.keys() - {*MODALITIES, "labels", "id"})
    return MultSplit(
        sequences=sequences, labels=labels, ids=ids, ignored=tuple(map(shown, ignored))
    )


def _numbers(name: str, value: object) -> np.ndarray:
    if not isinstance(value, np.ndarray):
        raise DataError(f"'{name}' is a {type(value).__name__}; wanted an array of numbers")
    if value.dtype.kind not in "iuf":
        raise DataError(f"'{name}' is an array of {value.dtype.name}; wanted an array of numbers")
    return value


def _ids(value: object) -> tuple[tuple[str, ...], ...]:
    if isinstance(value, np.ndarray) and value.ndim:
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise DataError(f"'id' is a {type(value).__name__}; wanted one entry per clip")
    return tuple(_parts(entry) for entry in cast("list[object]", value))


def _parts(entry: object) -> tuple[str, ...]:
    values = entry.ravel().tolist() if isinstance(entry, np.ndarray) else entry
    for _ in range(2):  # [N, 1, 1] comes as a list of one in a list of one
        if isinstance(values, list | tuple) and len(values) == 1:
            values = cast("list[object]", values)[0]
    several = cast("list[object]", values) if isinstance(values, list | tuple) else [values]
    return tuple(map(_text, several))


def _text(value: object) -> str:
    """Text of a name or an id; what is neither text nor a number has none."""
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    if isinstance(value, str):
        # Half a surrogate pair could not be written to any file of ours.
        return value.encode("utf-8", errors="backslashreplace").decode("utf-8")
    if isinstance(value, int | float):  # numpy's float64 is one too
        return str(value)
    if isinstance(value, np.generic):
        return _text(value.item())
    raise DataError(f"an id is a {type(value).__name__}; wanted text or a number")


def _check_widths(path: Path, splits: Mapping[str, MultSplit]) -> None:
    for modality in MODALITIES:
        widths = {
            name: split.sequences[modality].shape[2]
            for name, split in splits.items()
            if modality in split.sequences
        }
        if len(set(widths.values())) > 1:
            told = ", ".join(f"{width} in {name}" for name, width in widths.items())
            raise DataError(f"{path}: '{modality}' has width {told}; wanted one width")
    if not any(split.sequences for split in splits.values()):
        raise DataError(f"{path}: has none of {', '.join(MODALITIES)}; wanted at least one")
