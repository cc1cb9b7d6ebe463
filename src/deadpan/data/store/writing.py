"""Data sets written as stores; ``deadpan.data.store.opening`` tells what is in one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from deadpan.data.assembly import WANTED, unusable
from deadpan.data.dataset import Clip, Dataset
from deadpan.data.fingerprint import fingerprint
from deadpan.data.normalization import fit
from deadpan.data.readers.files import shown
from deadpan.data.readers.store_file import DTYPES
from deadpan.data.store.facts import facts_of, record_of
from deadpan.data.store.figures import METHODS, Figures, digest
from deadpan.data.store.opening import FEATURES, KEY, RECORDS, TIMES, named
from deadpan.data.store.tensors import Tensor, write_tensors
from deadpan.errors import DataError
from deadpan.types import Modality, in_order

DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write_store(dataset: Dataset, path: Path, *, source: Mapping[str, Any]) -> None:
    """Write a data set clip by clip; its features are never copied as a whole.

    Args:
        dataset: what ``store.opening.store_dataset`` is to give again, to the last bit.
        path: of the store; replaced if it is there.
        source: what the data set was made of, ready for JSON.

    Raises:
        DataError: a clip that is not as ``Clip`` says, or the file cannot be written.
    """
    clips = _Clips(dataset)
    _check(dataset, clips)
    tensors = {"labels": _whole(_labels(dataset, clips))}
    tensors |= _ragged(clips, _record, RECORDS, "U8", ())
    for name, width in dataset.widths.items():
        tensors |= _ragged(clips, _features(name), named(FEATURES, name), "F32", (width,))
    for name in in_order(name for clip in clips for name in clip.times):
        dtype = _times_dtype(dataset, clips, name)
        tensors |= _ragged(clips, _times(name), named(TIMES, name), dtype, (2,))
    figures = _figures(dataset)
    for name, told in figures.items():
        for method, both in told.by_method.items():
            for kind, values in zip(("centers", "scales"), both, strict=True):
                tensors[f"{method}.{kind}.{name}"] = _whole(values)
    facts = facts_of(
        dataset,
        source=source,
        fingerprint=fingerprint(dataset),
        figures={name: told.noted for name, told in figures.items()},
        deadpan=version("deadpan"),
    )
    write_tensors(path, tensors, {KEY: facts})


class _Clips:
    """Every clip, split by split, as often as one likes; a stored one is not kept in memory."""

    def __init__(self, dataset: Dataset) -> None:
        self._splits = dataset.splits

    def __iter__(self) -> Iterator[Clip]:
        return chain.from_iterable(self._splits.values())


def _check(dataset: Dataset, clips: _Clips) -> None:
    """Raise DataError where a clip is not as the data set says, or could not be read again."""
    for clip in clips:
        where = f"{dataset.name}: clip '{shown(clip.id)}'"
        if (clip.label.shape, clip.label.dtype) != ((len(dataset.labels),), np.float32):
            raise DataError(
                f"{where}: its label is {clip.label.dtype} {clip.label.shape}; wanted float32 "
                f"({len(dataset.labels)},)"
            )
        for name, x in clip.sequences.items():
            width = dataset.widths.get(name)
            if x.dtype != np.float32 or x.ndim != 2 or x.shape[1] != width:
                raise DataError(
                    f"{where}: {shown(name)} is {x.dtype} {x.shape}; wanted float32 (steps, "
                    f"{width or 'but the data set has no width for it'})"
                )
            if not np.isfinite(x).all():
                raise DataError(f"{where}: {shown(name)} is not finite; mend it first")
    if unusable(_labels(dataset, clips), dataset.task).any():
        raise DataError(f"{dataset.name}: has labels that are not {WANTED[dataset.task]}")


def _ragged(
    clips: _Clips,
    rows: Callable[[Clip], Shaped[np.ndarray, "row ..."] | None],
    names: Sequence[str],
    dtype: str,
    shape: tuple[int, ...],
) -> dict[str, Tensor]:
    """The tensors of a ``store.clips.Ragged``; ``shape`` is that of a row."""
    found = map(rows, clips)
    lengths = np.array([-1 if x is None else len(x) for x in found], dtype=np.int64)
    offsets = np.append(0, np.maximum(lengths, 0).cumsum())
    tensors = (
        Tensor(
            dtype=dtype,
            shape=(int(offsets[-1]), *shape),
            parts=lambda: (x for x in map(rows, clips) if x is not None),
        ),
        _whole(offsets),
        _whole(lengths >= 0),
    )
    return dict(zip(names, tensors, strict=False))  # a record is never absent


def _whole(values: Shaped[np.ndarray, "..."]) -> Tensor:
    return Tensor(dtype=DTYPE_NAMES[values.dtype], shape=values.shape, parts=lambda: [values])


def _record(clip: Clip) -> Shaped[np.ndarray, " byte"]:
    return np.frombuffer(record_of(clip), dtype=np.uint8)


def _features(name: Modality) -> Callable[[Clip], Shaped[np.ndarray, "_ width"] | None]:
    return lambda clip: clip.sequences.get(name)


def _times(name: Modality) -> Callable[[Clip], Shaped[np.ndarray, "_ 2"] | None]:
    return lambda clip: clip.times.get(name)


def _times_dtype(dataset: Dataset, clips: _Clips, name: Modality) -> str:
    dtypes = {clip.times[name].dtype for clip in clips if name in clip.times}
    names = {DTYPE_NAMES.get(dtype) for dtype in dtypes}
    if len(names) > 1 or None in names:
        raise DataError(
            f"{dataset.name}: times of '{shown(name)}' are {', '.join(sorted(map(str, dtypes)))}; "
            "wanted float32 or float64 for all clips"
        )
    return str(names.pop())


def _labels(dataset: Dataset, clips: _Clips) -> Float[np.ndarray, "clip label"]:
    rows = [clip.label for clip in clips]
    return np.array(rows, dtype=np.float32).reshape(len(rows), len(dataset.labels))


def _figures(dataset: Dataset) -> dict[Modality, Figures]:
    """Of normalisation, of each modality that is scaled."""
    train = dataset["train"]
    fitted = {method: fit(train, dataset.widths, method) for method in METHODS}
    found: dict[Modality, Figures] = {}
    for name in next(iter(fitted.values())).centers:
        by_method = {method: (x.centers[name], x.scales[name]) for method, x in fitted.items()}
        rows = (clip.sequences[name] for clip in train if name in clip.sequences)
        found[name] = Figures(by_method=by_method, noted=digest(rows, by_method))
    return found
