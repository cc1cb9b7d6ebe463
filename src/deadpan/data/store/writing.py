"""Data sets written as stores; ``deadpan.data.store.opening`` tells what is in one."""

import dataclasses
import json
import math
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float, Shaped

from deadpan.data.assembly import WANTED, unusable
from deadpan.data.containers.files import shown
from deadpan.data.containers.safetensors_file import DTYPES, LARGEST_HEADER, METADATA
from deadpan.data.dataset import Clip, Dataset, fingerprint
from deadpan.data.normalization import fit
from deadpan.data.store.format import (
    FEATURES,
    KEY,
    METHODS,
    RECORDS,
    TIMES,
    Figures,
    digest,
    facts_of,
    named,
    record_of,
)
from deadpan.errors import DataError
from deadpan.types import Modality, in_order


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor that need never be in memory as a whole.

    Attributes:
        dtype: see ``DTYPES``.
        shape: of the whole.
        parts: gives the parts in order, along the first axis; called once.
    """

    dtype: str
    shape: tuple[int, ...]
    parts: Callable[[], Iterable[Shaped[np.ndarray, "..."]]]

    @property
    def size(self) -> int:
        """In bytes."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


def refuse_taken(path: Path) -> None:
    """Raise DataError unless a new file can stand at this path, as far as can be told."""
    try:
        if path.exists() or path.is_symlink():
            raise DataError(f"{path}: exists already; remove it or choose another name")
        if not path.parent.is_dir():
            raise DataError(f"{path}: no directory '{path.parent}'; make it or choose another")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise DataError(f"{path}: no permission to write there; choose another directory")
    except OSError as error:
        raise _refusal(path, error) from None


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a file that is whole from the moment it can be seen; the same input, the same bytes.

    Args:
        path: replaced if it is there.
        tensors: in the order in which they are to be written, except that the larger types come
            first, so that every tensor is aligned to its type.
        metadata: texts by name.

    Raises:
        DataError: the disk is full or may not be written to; nothing is left behind.
    """
    ordered = sorted(tensors.items(), key=lambda item: -DTYPES[item[1].dtype].itemsize)
    header = _header(path, ordered, metadata)
    total = len(header) + sum(tensor.size for _, tensor in ordered)
    with _replacing(path, total) as file:
        file.write(header)
        for name, tensor in ordered:
            end = file.tell() + tensor.size
            for part in tensor.parts():
                file.write(np.ascontiguousarray(part, dtype=DTYPES[tensor.dtype]).data)
            if file.tell() != end:
                raise DataError(f"{path}: '{name}' changed while it was written; convert it again")


def _header(
    path: Path, tensors: Iterable[tuple[str, Tensor]], metadata: Mapping[str, str]
) -> bytes:
    entries: dict[str, Any] = {METADATA: dict(metadata)}
    start = 0
    for name, tensor in tensors:
        entries[name] = {
            "dtype": tensor.dtype,
            "shape": tensor.shape,
            "data_offsets": (start, start := start + tensor.size),
        }
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LARGEST_HEADER:
        raise DataError(
            f"{path}: names and warnings take {len(text)} bytes, at most {LARGEST_HEADER} are "
            "possible; shorten them"
        )
    return len(text).to_bytes(8, "little") + text


@contextmanager
def _replacing(path: Path, size: int) -> Generator[BinaryIO, None, None]:
    """A file of this size that gets its name at the end, or is gone."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _clean(path)
        if (free := shutil.disk_usage(path.parent).free) < size:
            raise DataError(
                f"{path}: needs {size / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free; free "
                "some space or choose another disk"
            )
        with temporary.open("wb", buffering=1 << 20) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _refusal(path, error) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _clean(path: Path) -> None:
    """Remove what a killed process was about to write here; nothing ever reads it."""
    leftover = re.compile(rf"\.{re.escape(path.name)}\.\d+\.tmp")
    for entry in path.parent.iterdir():
        if leftover.fullmatch(entry.name):
            entry.unlink(missing_ok=True)


def _refusal(path: Path, error: OSError) -> DataError:
    reason = error.strerror or type(error).__name__
    return DataError(
        f"{path}: cannot be written ({reason}); free some space or choose another place"
    )


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
