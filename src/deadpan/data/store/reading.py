"""Reading stores: clips stay in the memory-mapped file until they are accessed."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
from jaxtyping import Bool, Float, Int, Int64, Shaped

from deadpan.data.assembly import ASSUMED_TEXT, LABEL_RULES, invalid_labels
from deadpan.data.containers.files import printable
from deadpan.data.containers.safetensors_file import DTYPES, SafetensorsFile, map_safetensors
from deadpan.data.dataset import Clip, Dataset, LazyClips, Padding, TaskName
from deadpan.data.store.format import (
    FEATURES,
    KEY,
    METHODS,
    RECORDS,
    TIMES,
    CenterAndScale,
    ScalingStatistics,
    parse_metadata,
    parse_recipes,
    parse_record,
    statistics_digest,
    stored_warning,
    tensor_names,
)
from deadpan.errors import DataError
from deadpan.types import SPLITS, Modality

RESIDENT = 64 << 20
"""Bytes that are read from the file before their memory is released."""
AROUND = 128 << 10
"""Bytes that the system maps around an array: up to 64 kB before its start and after its end."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ragged:
    """Concatenated rows of several clips: clip i has those at ``offsets[i]`` to ``[i + 1]``."""

    values: Shaped[np.ndarray, "row ..."]
    offsets: Int64[np.ndarray, " clips_and_1"]
    present: Bool[np.ndarray, " clip"]  # has an array, be it empty; the others have no rows

    def __getitem__(self, clip: int) -> Shaped[np.ndarray, "row ..."]:
        """The rows of a clip, as a view."""
        return self.values[self.offsets[clip] : self.offsets[clip + 1]]


@dataclasses.dataclass(kw_only=True, eq=False)
class OpenStore:
    """The clips of all splits of an open store."""

    path: Path  # for messages
    labels: Float[np.ndarray, "clip label"]
    records: Ragged  # bytes of JSON, see ``dump_record``
    features: Mapping[Modality, Ragged]
    times: Mapping[Modality, Ragged]  # of each modality that has any
    statistics: Mapping[Modality, ScalingStatistics]  # fitted on the train split
    train: range  # indices of the clips of the train split
    release: Callable[[], None]  # releases the memory of the pages read so far

    def __post_init__(self) -> None:
        """Start without a checked clip."""
        count = len(self.labels)
        self._checked = {name: np.zeros(count, dtype=np.bool_) for name in self.features}
        self._read = 0

    def clip(self, index: int, modalities: Sequence[Modality]) -> Clip:
        """Read one clip; DataError if it is damaged."""
        features = {name: self.features[name] for name in modalities}
        sequences = {name: x[index] for name, x in features.items() if x.present[index]}
        self._count(sum(x.nbytes for x in sequences.values()) + AROUND * (1 + len(sequences)))
        record = self.record(index)
        # A view, unless it is stored in half precision.
        sequences = {name: x.astype(np.float32, copy=False) for name, x in sequences.items()}
        # Checked once, on first access: checking every clip would make opening slow.
        for name, x in sequences.items():
            if not self._checked[name][index]:
                if not np.isfinite(x).all():
                    raise self._damaged(index, f"{printable(name)} is not finite")
                self._checked[name][index] = True
        return Clip(
            **record,
            sequences=sequences,
            label=self.labels[index],
            times={
                name: x[index]
                for name, x in self.times.items()
                if name in modalities and x.present[index]
            },
        )

    def record(self, index: int) -> dict[str, Any]:
        """Arguments of one clip that are no arrays; DataError if they are damaged."""
        try:
            return parse_record(self.records[index].tobytes())
        except DataError as error:
            raise self._damaged(index, str(error)) from None

    def scaling(self, indices: range, name: Modality, method: str) -> CenterAndScale | None:
        """Stored centers and scales of a modality, if they are those of the clips at these indices.

        They were fitted on the train split when the store was written, and someone may have edited
        the clips since. So clips, centers and scales are checked against their hash, for which the
        modality is read once; fitting takes much longer and more memory.
        """
        statistics = self.statistics.get(name)
        if indices != self.train or statistics is None or method not in statistics.by_method:
            return None
        values, offsets = self.features[name].values, self.features[name].offsets
        first, last = int(offsets[indices.start]), int(offsets[indices.stop])
        step = max(1, RESIDENT // (values.itemsize * values.shape[1]))

        def rows() -> Iterator[Float[np.ndarray, "_ width"]]:
            for row in range(first, last, step):
                part = values[row : min(row + step, last)]
                self._count(part.nbytes)
                yield part.astype(np.float32, copy=False)

        unchanged = statistics_digest(rows(), statistics.by_method) == statistics.digest
        return statistics.by_method[method] if unchanged else None

    def _count(self, size: int) -> None:
        self._read += size
        if self._read > RESIDENT:
            self.release()
            self._read = size

    def _damaged(self, index: int, reason: str) -> DataError:
        return DataError(f"{self.path}: clip {index}: {reason}; convert the data again")


class StoredClips(LazyClips):
    """The clips of a store at some indices, each read on access; ``modalities`` None is all."""

    def __init__(
        self, store: OpenStore, indices: range, modalities: Sequence[Modality] | None = None
    ) -> None:
        self._store = store
        self._indices = indices
        self._modalities = tuple(store.features if modalities is None else modalities)

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._indices)

    @property
    def labels(self) -> Float[np.ndarray, "clip label"]:
        """See :class:`LazyClips`."""
        return self._store.labels[self._index()]

    @property
    def steps(self) -> Mapping[Modality, Int[np.ndarray, " clip"]]:
        """See :class:`LazyClips`."""
        offsets = {name: self._store.features[name].offsets for name in self._modalities}
        return {name: np.diff(x)[self._index()] for name, x in offsets.items()}

    @property
    def groups(self) -> tuple[str | None, ...]:
        """See :class:`LazyClips`."""
        return tuple(self._store.record(index)["group"] for index in self._indices)

    def take(self, index: int) -> Clip:
        """See :class:`LazyClips`."""
        return self._store.clip(self._indices[index], self._modalities)

    def part(self, indices: range) -> "StoredClips":
        """See :class:`LazyClips`."""
        first, step = self._indices.start, self._indices.step
        chosen = range(
            first + step * indices.start, first + step * indices.stop, step * indices.step
        )
        return StoredClips(self._store, chosen, self._modalities)

    def only(self, modalities: Sequence[Modality]) -> "StoredClips":
        """See :class:`LazyClips`."""
        names = [name for name in modalities if name in self._modalities]
        return StoredClips(self._store, self._indices, names)

    def scaling(self, method: str) -> dict[Modality, CenterAndScale]:
        """See :class:`LazyClips`; only for the whole train split."""
        scaling = {
            name: self._store.scaling(self._indices, name, method) for name in self._modalities
        }
        return {name: pair for name, pair in scaling.items() if pair is not None}

    def _index(self) -> Int[np.ndarray, " clip"]:
        return np.arange(self._indices.start, self._indices.stop, self._indices.step)


Tensors = Mapping[str, Shaped[np.ndarray, "..."]]
DTypes = tuple[np.dtype[Any], ...]
FLOATS: DTypes = (DTYPES["F32"], DTYPES["F64"], DTYPES["F16"])
FEATURE_TYPES: DTypes = (DTYPES["F32"], DTYPES["F16"])
INTEGERS: DTypes = (DTYPES["I64"],)
BOOLS: DTypes = (DTYPES["BOOL"],)
BYTES: DTypes = (DTYPES["U8"],)
SIDES = get_args(get_type_hints(Padding)["side"])


def store_dataset(path: Path) -> Dataset:
    """Open a store as the data set that was written to it.

    Features stay in the file until a clip is accessed, and are read-only.

    Raises:
        DataError: the file is no store, or damaged; a damaged clip raises when it is accessed.
    """
    file = map_safetensors(path)
    try:
        metadata = parse_metadata(file.metadata.get(KEY))
        _check(metadata)
        recipes = parse_recipes(metadata)
        store = _open_store(path, file, metadata)
    except DataError as error:
        raise DataError(f"{path}: {error}; convert the data again") from None
    splits = {
        name: StoredClips(store, indices) for name, indices in _split_ranges(metadata).items()
    }
    return Dataset(
        name=metadata["name"],
        task=metadata["task"],
        labels=tuple(metadata["labels"]),
        widths=metadata["widths"],
        splits=splits,
        layout=metadata["layout"],
        padding={name: Padding(**fields) for name, fields in metadata["padding"].items()},
        alignment=metadata.get("alignment", ""),
        unscaled={
            name: why
            for name, why in metadata.get("unscaled", ASSUMED_TEXT).items()  # of an older store
            if name in metadata["widths"]
        },
        recipes={name: recipes[name] for name in metadata["widths"] if name in recipes},
        repairs=metadata["repairs"],
        warnings=tuple(map(stored_warning, metadata["warnings"])),  # an older store has them raw
    )


def store_source(path: Path) -> object:
    """The description of what a store was made of, as ``write_store`` had it; None if unknown."""
    return parse_metadata(map_safetensors(path).metadata.get(KEY)).get("source")


def _check(metadata: Mapping[str, Any]) -> None:
    valid = (
        metadata["task"] in get_args(TaskName)
        and (metadata["labels"] or metadata["task"] == "scores")  # none: for prediction
        and set(metadata["splits"]) <= set(SPLITS)
        and min(metadata["splits"].values(), default=0) >= 0
        and min(metadata["widths"].values(), default=1) >= 1
        and all(
            padding.keys() == {"side", "share"} and padding["side"] in SIDES
            for padding in metadata["padding"].values()
        )
    )
    if not valid:
        raise DataError("damaged (its metadata)")


def _split_ranges(metadata: Mapping[str, Any]) -> dict[str, range]:
    """Indices of the clips of each split."""
    ends = itertools.accumulate(metadata["splits"].values())
    counts = metadata["splits"].items()
    return {name: range(end - count, end) for (name, count), end in zip(counts, ends, strict=True)}


def _open_store(path: Path, file: SafetensorsFile, metadata: Mapping[str, Any]) -> OpenStore:
    tensors, count = file.tensors, sum(metadata["splits"].values())
    labels = _tensor(tensors, "labels", FLOATS[:1])
    if labels.shape != (count, len(metadata["labels"])):
        raise DataError(f"damaged (tensor 'labels' has shape {labels.shape})")
    if (wrong := invalid_labels(labels, metadata["task"])).any():
        raise DataError(
            f"damaged ({int(wrong.sum())} labels are not {LABEL_RULES[metadata['task']]})"
        )
    return OpenStore(
        path=path,
        labels=labels,
        records=_ragged(tensors, count, RECORDS, None, BYTES),
        features={
            name: _ragged(tensors, count, tensor_names(FEATURES, name), width, FEATURE_TYPES)
            for name, width in metadata["widths"].items()
        },
        times={
            name: _ragged(tensors, count, tensor_names(TIMES, name), 2, FLOATS)
            for name in (key.partition(".")[2] for key in tensors if key.startswith("times."))
        },
        statistics={
            name: ScalingStatistics(
                by_method=_centers_and_scales(tensors, name, width), digest=digest
            )
            for name, width in metadata["widths"].items()
            if (digest := metadata.get("figures", {}).get(name))
        },
        train=_split_ranges(metadata).get("train", range(0)),
        release=file.release,
    )


def _centers_and_scales(tensors: Tensors, name: Modality, width: int) -> dict[str, CenterAndScale]:
    """Stored centers and scales by method; their hash is checked when they are used."""
    by_method: dict[str, CenterAndScale] = {}
    for method in METHODS:
        pair = [tensors.get(f"{method}.{kind}.{name}") for kind in ("centers", "scales")]
        valid = [x for x in pair if x is not None and x.shape == (width,) and x.dtype in FLOATS[:1]]
        if len(valid) == 2:
            by_method[method] = np.array(valid[0]), np.array(valid[1])
    return by_method


def _ragged(
    tensors: Tensors, count: int, names: tuple[str, ...], width: int | None, dtypes: DTypes
) -> Ragged:
    values = _tensor(tensors, names[0], dtypes)
    offsets = _tensor(tensors, names[1], INTEGERS)
    present = _tensor(tensors, names[2], BOOLS) if names[2:] else np.ones(count, dtype=np.bool_)
    valid = (
        values.shape[1:] == (() if width is None else (width,))
        and offsets.shape == (count + 1,)
        and present.shape == (count,)
        and offsets[0] == 0
        and offsets[-1] == len(values)
        # Compared rather than subtracted, as differences may overflow.
        and (offsets[1:] >= offsets[:-1]).all()
        and (present | (offsets[1:] == offsets[:-1])).all()
    )
    if not valid:
        raise DataError(f"damaged (tensors {', '.join(map(printable, names))} do not fit together)")
    return Ragged(values=values, offsets=offsets, present=present)


def _tensor(tensors: Tensors, name: str, dtypes: DTypes) -> Shaped[np.ndarray, "..."]:
    if name not in tensors:
        raise DataError(f"damaged (it has no tensor '{printable(name)}')")
    if (dtype := tensors[name].dtype) not in dtypes:
        raise DataError(f"damaged (tensor '{printable(name)}' is of type {dtype})")
    return tensors[name]
