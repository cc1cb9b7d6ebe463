"""Writing data sets as stores, clip by clip; ``deadpan.data.store.format`` documents the format."""

import dataclasses
import json
import math
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Float, Shaped

from deadpan.data.assembly import LABEL_RULES, invalid_labels
from deadpan.data.containers.files import printable
from deadpan.data.containers.safetensors_file import DTYPES, LARGEST_HEADER, METADATA
from deadpan.data.dataset import Clip, Dataset, fingerprint
from deadpan.data.normalization import fit_normalizer
from deadpan.data.store.format import (
    FEATURES,
    KEY,
    METHODS,
    RECORDS,
    TIMES,
    ScalingStatistics,
    dump_metadata,
    dump_record,
    statistics_digest,
    tensor_names,
)
from deadpan.errors import DataError, count_of
from deadpan.files import remove_leftovers, temporary_path
from deadpan.types import Modality, in_order


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor that is written in parts and never in memory as a whole."""

    dtype: str  # a key of ``DTYPES``
    shape: tuple[int, ...]  # of the whole tensor
    parts: Callable[[], Iterable[Shaped[np.ndarray, "..."]]]  # in order, along the first axis

    @property
    def size(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * DTYPES[self.dtype].itemsize


def check_writable(path: Path) -> None:
    """Raise DataError if a file exists at a path, or cannot be created there."""
    try:
        if path.exists() or path.is_symlink():
            raise DataError(f"{path}: exists already; remove it or choose another name")
        if not path.parent.is_dir():
            raise DataError(f"{path}: no directory '{path.parent}'; make it or choose another")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise DataError(f"{path}: no permission to write there; choose another directory")
    except OSError as error:
        raise _write_error(path, error) from None


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file atomically; the same input gives the same bytes.

    Args:
        path: path of the file, which is replaced if it exists.
        tensors: tensors by name, written in this order, except that larger types come first, so
            that every tensor is aligned to its type.
        metadata: texts by name.

    Raises:
        DataError: the disk is full or not writable; nothing is left behind.
    """
    ordered = sorted(tensors.items(), key=lambda item: -DTYPES[item[1].dtype].itemsize)
    header = _header(path, ordered, metadata)
    total = len(header) + sum(tensor.size for _, tensor in ordered)
    with _atomic_file(path, total) as file:
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
def _atomic_file(path: Path, size: int) -> Generator[BinaryIO, None, None]:
    """Open a temporary file for this many bytes, and rename it to ``path`` if all goes well."""
    temporary = temporary_path(path)
    try:
        remove_leftovers(path)
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
        raise _write_error(path, error) from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _write_error(path: Path, error: OSError) -> DataError:
    reason = error.strerror or type(error).__name__
    return DataError(
        f"{path}: cannot be written ({reason}); free some space or choose another place"
    )


DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def write_store(dataset: Dataset, path: Path, *, source: Mapping[str, Any]) -> None:
    """Write a data set as a store, clip by clip; features are never copied as a whole.

    Args:
        dataset: the data set, which ``store_dataset`` restores bit by bit; features of a recipe
            that stores half precision are numbers of float16.
        path: path of the store, which is replaced if it exists.
        source: description of the data set's source, ready for JSON.

    Raises:
        DataError: a clip does not fit the contract of ``Clip``, or the file cannot be written.
    """
    clips = _Clips(dataset)
    _check(dataset, clips)
    tensors = {"labels": _constant_tensor(_labels(dataset, clips))}
    tensors |= _ragged(
        clips, lambda clip: np.frombuffer(dump_record(clip), dtype=np.uint8), RECORDS, "U8", ()
    )
    for name, width in dataset.widths.items():
        recipe = dataset.recipes.get(name)
        dtype = DTYPE_NAMES[np.dtype(recipe.dtype)] if recipe else "F32"
        tensors |= _ragged(
            clips, _steps("sequences", name), tensor_names(FEATURES, name), dtype, (width,)
        )
    for name in in_order(name for clip in clips for name in clip.times):
        dtype = _times_dtype(dataset, clips, name)
        tensors |= _ragged(clips, _steps("times", name), tensor_names(TIMES, name), dtype, (2,))
    by_modality = _scaling_statistics(dataset)
    for name, statistics in by_modality.items():
        for method, pair in statistics.by_method.items():
            for kind, values in zip(("centers", "scales"), pair, strict=True):
                tensors[f"{method}.{kind}.{name}"] = _constant_tensor(values)
    metadata = dump_metadata(
        dataset,
        source=source,
        fingerprint=fingerprint(dataset),
        figures={name: statistics.digest for name, statistics in by_modality.items()},
        deadpan=version("deadpan"),
    )
    write_tensors(path, tensors, {KEY: metadata})


class _Clips:
    """Every clip, split by split; can be iterated repeatedly without keeping lazy clips."""

    def __init__(self, dataset: Dataset) -> None:
        self._splits = dataset.splits

    def __iter__(self) -> Iterator[Clip]:
        return chain.from_iterable(self._splits.values())


def _check(dataset: Dataset, clips: _Clips) -> None:
    """Raise DataError if a clip does not fit the data set, or could not be read back."""
    for clip in clips:
        where = f"{dataset.name}: clip '{printable(clip.id)}'"
        if (clip.label.shape, clip.label.dtype) != ((len(dataset.labels),), np.float32):
            raise DataError(
                f"{where}: its label is {clip.label.dtype} {clip.label.shape}; wanted float32 "
                f"({len(dataset.labels)},)"
            )
        for name, x in clip.sequences.items():
            width = dataset.widths.get(name)
            if x.dtype != np.float32 or x.ndim != 2 or x.shape[1] != width:
                raise DataError(
                    f"{where}: {printable(name)} is {x.dtype} {x.shape}; wanted float32 (steps, "
                    f"{width or 'but the data set has no width for it'})"
                )
            if not np.isfinite(x).all():
                raise DataError(f"{where}: {printable(name)} is not finite; mend it first")
        for name, times in clip.times.items():
            steps = len(clip.sequences.get(name, ()))
            if times.shape != (steps, 2):
                raise DataError(
                    f"{where}: times of {printable(name)} are {times.shape}; wanted start and end "
                    f"of each of its {count_of(steps, 'step')}"
                )
    if invalid_labels(_labels(dataset, clips), dataset.task).any():
        raise DataError(f"{dataset.name}: has labels that are not {LABEL_RULES[dataset.task]}")


def _ragged(
    clips: _Clips,
    rows: Callable[[Clip], Shaped[np.ndarray, "row ..."] | None],
    names: Sequence[str],
    dtype: str,
    shape: tuple[int, ...],
) -> dict[str, Tensor]:
    """The tensors of a ``reading.Ragged`` array; ``shape`` is that of a row."""
    arrays = map(rows, clips)
    lengths = np.array([-1 if x is None else len(x) for x in arrays], dtype=np.int64)
    offsets = np.append(0, np.maximum(lengths, 0).cumsum())
    tensors = (
        Tensor(
            dtype=dtype,
            shape=(int(offsets[-1]), *shape),
            parts=lambda: (x for x in map(rows, clips) if x is not None),
        ),
        _constant_tensor(offsets),
        _constant_tensor(lengths >= 0),
    )
    return dict(zip(names, tensors, strict=False))  # a record is never absent


def _constant_tensor(values: Shaped[np.ndarray, "..."]) -> Tensor:
    return Tensor(dtype=DTYPE_NAMES[values.dtype], shape=values.shape, parts=lambda: [values])


def _steps(field: str, name: Modality) -> Callable[[Clip], Shaped[np.ndarray, "_ _"] | None]:
    return lambda clip: getattr(clip, field).get(name)


def _times_dtype(dataset: Dataset, clips: _Clips, name: Modality) -> str:
    dtypes = {clip.times[name].dtype for clip in clips if name in clip.times}
    names = {DTYPE_NAMES.get(dtype) for dtype in dtypes}
    if len(names) > 1 or None in names:
        raise DataError(
            f"{dataset.name}: times of '{printable(name)}' are "
            f"{', '.join(sorted(map(str, dtypes)))}; wanted float32 or float64 for all clips"
        )
    return str(names.pop())


def _labels(dataset: Dataset, clips: _Clips) -> Float[np.ndarray, "clip label"]:
    rows = [clip.label for clip in clips]
    return np.array(rows, dtype=np.float32).reshape(len(rows), len(dataset.labels))


def _scaling_statistics(dataset: Dataset) -> dict[Modality, ScalingStatistics]:
    """Fit normalisation of each modality that is scaled, by every method of ``METHODS``."""
    train = dataset["train"]
    fitted = {
        method: fit_normalizer(train, dataset.widths, method, unscaled=dataset.unscaled)
        for method in METHODS
    }
    statistics: dict[Modality, ScalingStatistics] = {}
    for name in next(iter(fitted.values())).centers:
        by_method = {method: (x.centers[name], x.scales[name]) for method, x in fitted.items()}
        rows = (clip.sequences[name] for clip in train if name in clip.sequences)
        statistics[name] = ScalingStatistics(
            by_method=by_method, digest=statistics_digest(rows, by_method)
        )
    return statistics
