"""Clips that stay in their file until they are taken."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import SupportsIndex, overload

import numpy as np
from jaxtyping import Bool, Float, Int64, Shaped

from deadpan.data.dataset import Clip
from deadpan.data.readers.files import shown
from deadpan.data.store.facts import parsed_record
from deadpan.errors import DataError
from deadpan.types import Modality


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
    """

    def __init__(
        self,
        *,
        path: Path,
        labels: Float[np.ndarray, "clip label"],
        records: Ragged,
        features: Mapping[Modality, Ragged],
        times: Mapping[Modality, Ragged],
    ) -> None:
        self._path = path
        self._labels = labels
        self._records = records
        self._features = features
        self._times = times
        self._seen = np.zeros(len(labels), dtype=np.bool_)

    def clip(self, index: int) -> Clip:
        """One clip, whose arrays are views; DataError if it is damaged."""
        sequences = {name: x[index] for name, x in self._features.items() if x.present[index]}
        try:
            record = parsed_record(self._records[index].tobytes())
        except DataError as error:
            raise self._damaged(index, str(error)) from None
        # Once, when it has to be read anyway: a look at every clip would make opening slow.
        if not self._seen[index]:
            for name, x in sequences.items():
                if not np.isfinite(x).all():
                    raise self._damaged(index, f"{shown(name)} is not finite")
            self._seen[index] = True
        return Clip(
            **record,
            sequences=sequences,
            label=self._labels[index],
            times={name: x[index] for name, x in self._times.items() if x.present[index]},
        )

    def _damaged(self, index: int, reason: str) -> DataError:
        return DataError(f"{self._path}: clip {index}: {reason}; convert the data again")


class StoredClips(Sequence[Clip]):
    """Some clips of a store; each is made when it is taken.

    Args:
        table: all clips of the store.
        places: which of them, as indices into the table.
    """

    def __init__(self, table: Table, places: range) -> None:
        self._table = table
        self._places = places

    def __len__(self) -> int:
        """Number of clips."""
        return len(self._places)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Clip: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Clip]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Clip | Sequence[Clip]:
        """A clip, or a part of the sequence."""
        place = self._places[index]
        return (
            StoredClips(self._table, place) if isinstance(place, range) else self._table.clip(place)
        )
