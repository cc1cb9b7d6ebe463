"""Stores read: clips stay in their file, mapped, until they are taken."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import numpy as np
from jaxtyping import Bool, Float, Int, Int64, Shaped

from deadpan.data.assembly import WANTED, unusable
from deadpan.data.containers.files import shown
from deadpan.data.containers.safetensors_file import DTYPES, StoreFile, read_store_file
from deadpan.data.dataset import Clip, Dataset, LazyClips, TaskName
from deadpan.data.raw import Padding
from deadpan.data.store.format import (
    FEATURES,
    KEY,
    METHODS,
    RECORDS,
    TIMES,
    CenterAndScale,
    Facts,
    Figures,
    digest,
    named,
    parsed_facts,
    parsed_record,
)
from deadpan.errors import DataError
from deadpan.types import SPLITS, TEXT, Modality

RESIDENT = 64 << 20
"""Bytes of the file that are read before the memory they take is given back."""
AROUND = 128 << 10
"""Bytes the system maps beside those asked for: 64 kB at once, at the first and at the last."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ragged:
    """Rows of several clips, one behind the other.

    Attributes:
        values: the rows of all clips.
        offsets: clip i has the rows ``offsets[i]`` to ``offsets[i + 1]``.
        present: which clips have any, be it none; the others have an empty range.
    """

    values: Shaped[np.ndarray, "row ..."]
    offsets: Int64[np.ndarray, " clips_and_1"]
    present: Bool[np.ndarray, " clip"]

    def __getitem__(self, clip: int) -> Shaped[np.ndarray, "row ..."]:
        """The rows of a clip, as a view."""
        return self.values[self.offsets[clip] : self.offsets[clip + 1]]


class Table:
    """All clips of a store, whatever split they are in.

    Args:
        path: of the store, for messages.
        labels: one row per clip.
        records: bytes of JSON, see ``store.facts.record_of``.
        features: per modality.
        times: per modality that has any.
        figures: of normalisation, of the clips of ``train``.
        train: the places of these clips.
        let_go: gives back the memory of what was read so far.
    """

    def __init__(
        self,
        *,
        path: Path,
        labels: Float[np.ndarray, "clip label"],
        records: Ragged,
        features: Mapping[Modality, Ragged],
        times: Mapping[Modality, Ragged],
        figures: Mapping[Modality, Figures],
        train: range,
        let_go: Callable[[], None],
    ) -> None:
        self.labels = labels
        self.features = features
        self._path = path
        self._records = records
        self._times = times
        self._figures = figures
        self._train = train
        self._let_go = let_go
        self._seen = {name: np.zeros(len(labels), dtype=np.bool_) for name in features}
        self._read = 0

    def clip(self, index: int, modalities: Sequence[Modality]) -> Clip:
        """One clip, whose arrays are views; DataError if it is damaged."""
        features = {name: self.features[name] for name in modalities}
        sequences = {name: x[index] for name, x in features.items() if x.present[index]}
        self._count(sum(x.nbytes for x in sequences.values()) + AROUND * (1 + len(sequences)))
        try:
            record = parsed_record(self._records[index].tobytes())
        except DataError as error:
            raise self._damaged(index, str(error)) from None
        # Once, when it has to be read anyway: a look at every clip would make opening slow.
        for name, x in sequences.items():
            if not self._seen[name][index]:
                if not np.isfinite(x).all():
                    raise self._damaged(index, f"{shown(name)} is not finite")
                self._seen[name][index] = True
        return Clip(
            **record,
            sequences=sequences,
            label=self.labels[index],
            times={name: x[index] for name, x in self._times.items() if x.present[index]},
        )

    def scaling(self, places: range, name: Modality, method: str) -> CenterAndScale | None:
        """Centers and scales of a modality in the clips at these places, if the store has them.

        What it has is of the train split as it was written; whoever edits a file may change one
        and forget the other. So both are held against what the writer noted of them, for which
        all of the modality is read, once; to compute them takes much longer and much memory.
        """
        figures = self._figures.get(name)
        if places != self._train or figures is None or method not in figures.by_method:
            return None
        values, offsets = self.features[name].values, self.features[name].offsets
        first, last = int(offsets[places.start]), int(offsets[places.stop])
        step = max(1, RESIDENT // (values.itemsize * values.shape[1]))

        def rows() -> Iterator[Float[np.ndarray, "_ width"]]:
            for row in range(first, last, step):
                part = values[row : min(row + step, last)]
                self._count(part.nbytes)
                yield part

        same = digest(rows(), figures.by_method) == figures.noted
        return figures.by_method[method] if same else None

    def _count(self, size: int) -> None:
        self._read += size
        if self._read > RESIDENT:
            self._let_go()
            self._read = size

    def _damaged(self, index: int, reason: str) -> DataError:
        return DataError(f"{self._path}: clip {index}: {reason}; convert the data again")


class StoredClips(LazyClips):
    """Some clips of a store; each is made when it is taken.

    Args:
        table: all clips of the store.
        places: which of them, as indices into the table.
        modalities: which of theirs; None = all.
    """

    def __init__(
        self, table: Table, places: range, modalities: Sequence[Modality] | None = None
    ) -> None:
        self._table = table
        self._places = places
        self._modalities = tuple(table.features if modalities is None else modalities)

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._places)

    @property
    def labels(self) -> Float[np.ndarray, "clip label"]:
        """See :class:`LazyClips`."""
        return self._table.labels[self._index()]

    @property
    def steps(self) -> Mapping[Modality, Int[np.ndarray, " clip"]]:
        """See :class:`LazyClips`."""
        offsets = {name: self._table.features[name].offsets for name in self._modalities}
        return {name: np.diff(x)[self._index()] for name, x in offsets.items()}

    def take(self, index: int) -> Clip:
        """See :class:`LazyClips`."""
        return self._table.clip(self._places[index], self._modalities)

    def part(self, places: range) -> "StoredClips":
        """See :class:`LazyClips`."""
        first, step = self._places.start, self._places.step
        chosen = range(first + step * places.start, first + step * places.stop, step * places.step)
        return StoredClips(self._table, chosen, self._modalities)

    def only(self, modalities: Sequence[Modality]) -> "StoredClips":
        """See :class:`LazyClips`."""
        kept = [name for name in modalities if name in self._modalities]
        return StoredClips(self._table, self._places, kept)

    def scaling(self, method: str) -> dict[Modality, CenterAndScale]:
        """See :class:`LazyClips`; of the whole train split only."""
        names = [name for name in self._modalities if name != TEXT]
        found = {name: self._table.scaling(self._places, name, method) for name in names}
        return {name: figures for name, figures in found.items() if figures is not None}

    def _index(self) -> Int[np.ndarray, " clip"]:
        return np.arange(self._places.start, self._places.stop, self._places.step)


Tensors = Mapping[str, Shaped[np.ndarray, "..."]]
DTypes = tuple[np.dtype[Any], ...]
FLOATS: DTypes = (DTYPES["F32"], DTYPES["F64"], DTYPES["F16"])
INTEGERS: DTypes = (DTYPES["I64"],)
BOOLS: DTypes = (DTYPES["BOOL"],)
BYTES: DTypes = (DTYPES["U8"],)
SIDES = get_args(get_type_hints(Padding)["side"])


def store_dataset(path: Path) -> Dataset:
    """A data set from its store, as it was when it was written.

    Features stay in the file until a clip is taken, and are read-only.

    Raises:
        DataError: no store, or one that is damaged; a damaged clip only when it is taken.
    """
    file = read_store_file(path)
    try:
        facts = parsed_facts(file.metadata.get(KEY))
        _check(facts)
        table = _table(path, file, facts)
    except DataError as error:
        raise DataError(f"{path}: {error}; convert the data again") from None
    splits = {name: StoredClips(table, places) for name, places in _places(facts).items()}
    return Dataset(
        name=facts["name"],
        task=cast("TaskName", facts["task"]),
        labels=tuple(facts["labels"]),
        widths=facts["widths"],
        splits=splits,
        layout=facts["layout"],
        padding={name: Padding(**told) for name, told in facts["padding"].items()},
        repairs=facts["repairs"],
        warnings=tuple(facts["warnings"]),
    )


def _check(facts: Facts) -> None:
    sound = (
        facts["task"] in get_args(TaskName)
        and facts["labels"]
        and set(facts["splits"]) <= set(SPLITS)
        and min(facts["splits"].values(), default=0) >= 0
        and min(facts["widths"].values(), default=1) >= 1
        and all(
            told.keys() == {"side", "share"} and told["side"] in SIDES
            for told in facts["padding"].values()
        )
    )
    if not sound:
        raise DataError("damaged (what it tells of the data set)")


def _places(facts: Facts) -> dict[str, range]:
    """Where the clips of each split stand."""
    ends = itertools.accumulate(facts["splits"].values())
    counts = facts["splits"].items()
    return {name: range(end - count, end) for (name, count), end in zip(counts, ends, strict=True)}


def _table(path: Path, file: StoreFile, facts: Facts) -> Table:
    tensors, count = file.tensors, sum(facts["splits"].values())
    labels = _tensor(tensors, "labels", FLOATS[:1])
    if labels.shape != (count, len(facts["labels"])):
        raise DataError(f"damaged (tensor 'labels' has shape {labels.shape})")
    if (wrong := unusable(labels, cast("TaskName", facts["task"]))).any():
        raise DataError(f"damaged ({int(wrong.sum())} labels are not {WANTED[facts['task']]})")
    return Table(
        path=path,
        labels=labels,
        records=_ragged(tensors, count, RECORDS, None, BYTES),
        features={
            name: _ragged(tensors, count, named(FEATURES, name), width, FLOATS[:1])
            for name, width in facts["widths"].items()
        },
        times={
            name: _ragged(tensors, count, named(TIMES, name), 2, FLOATS)
            for name in (key.partition(".")[2] for key in tensors if key.startswith("times."))
        },
        figures={
            name: Figures(by_method=_scaling(tensors, name, width), noted=noted)
            for name, width in facts["widths"].items()
            if (noted := facts.get("figures", {}).get(name))
        },
        train=_places(facts).get("train", range(0)),
        let_go=file.let_go,
    )


def _scaling(tensors: Tensors, name: Modality, width: int) -> dict[str, CenterAndScale]:
    """What stands there for each method; whether it is right, its hash will tell."""
    found: dict[str, CenterAndScale] = {}
    for method in METHODS:
        both = [tensors.get(f"{method}.{kind}.{name}") for kind in ("centers", "scales")]
        sound = [x for x in both if x is not None and x.shape == (width,) and x.dtype in FLOATS[:1]]
        if len(sound) == 2:
            found[method] = np.array(sound[0]), np.array(sound[1])
    return found


def _ragged(
    tensors: Tensors, count: int, names: tuple[str, ...], width: int | None, dtypes: DTypes
) -> Ragged:
    values = _tensor(tensors, names[0], dtypes)
    offsets = _tensor(tensors, names[1], INTEGERS)
    present = _tensor(tensors, names[2], BOOLS) if names[2:] else np.ones(count, dtype=np.bool_)
    sound = (
        values.shape[1:] == (() if width is None else (width,))
        and offsets.shape == (count + 1,)
        and present.shape == (count,)
        and offsets[0] == 0
        and offsets[-1] == len(values)
        # Compared, as differences may overflow.
        and (offsets[1:] >= offsets[:-1]).all()
        and (present | (offsets[1:] == offsets[:-1])).all()
    )
    if not sound:
        raise DataError(f"damaged (tensors {', '.join(map(shown, names))} do not fit together)")
    return Ragged(values=values, offsets=offsets, present=present)


def _tensor(tensors: Tensors, name: str, dtypes: DTypes) -> Shaped[np.ndarray, "..."]:
    if name not in tensors:
        raise DataError(f"damaged (it has no tensor '{shown(name)}')")
    if (found := tensors[name].dtype) not in dtypes:
        raise DataError(f"damaged (tensor '{shown(name)}' is of type {found})")
    return tensors[name]
