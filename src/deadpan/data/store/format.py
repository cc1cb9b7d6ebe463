"""Data sets as ``deadpan data convert`` writes them: ragged, memory-mapped, open in a moment.

The container is safetensors. A header of JSON and plain arrays: nothing in it can run, every
language opens it, and its arrays can be mapped, so that opening costs nothing and several runs
share one copy in memory. HDF5 cannot be mapped once it is compressed, and its C library is not
safe on hostile files; Arrow would be one more dependency, of 50 MB; safetensors is there already.

====================================  =============================================================
features.M                            float32 [step, width]: all clips' steps, one behind the other
offsets.M                             int64 [clip + 1]: clip i has the steps offsets[i] to [i + 1]
present.M                             bool [clip]: whether it has the modality at all
times.M, time_offsets.M, timed.M      the same for start and end of each step, in seconds
labels                                float32 [clip, label]
records, record_offsets               id, group, words and truth of each clip: JSON on a line
METHOD.centers.M, METHOD.scales.M     of the train split, as ``normalization.fit`` has them
====================================  =============================================================

Clips stand in the order of their splits. The metadata's entry ``deadpan.dataset`` is JSON: the
facts of the data set, the number of clips of each split, what the store was made of, and under
``figures`` a hash of each modality's steps and figures (see ``store.figures``).
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any, NotRequired, TypedDict, cast

import numpy as np
from jaxtyping import Float

from deadpan.data.dataset import Clip, Dataset, Truth
from deadpan.errors import DataError
from deadpan.types import Modality

FORMAT = 1
"""Of stores; another number says that this version cannot read it."""

KEY = "deadpan.dataset"
"""Of the metadata's entry."""
FEATURES = ("features", "offsets", "present")
TIMES = ("times", "time_offsets", "timed")
RECORDS = ("records", "record_offsets")


def named(kinds: tuple[str, ...], modality: Modality) -> tuple[str, ...]:
    """What the tensors of a modality are called."""
    return tuple(f"{kind}.{modality}" for kind in kinds)


FACTS: Mapping[str, object] = {
    "format": int,
    "name": str,
    "task": str,
    "labels": [str],
    "widths": {str: int},
    "splits": {str: int},
    "layout": str,
    "padding": {str: {"side": str, "share": float}},
    "repairs": {str: int},
    "warnings": [str],
}
RECORD: Mapping[str, object] = {"id": str, "group": (str, NoneType), "words": [str]}
TRUTH: Mapping[str, object] = {"kind": str, "tendencies": {str: float}, "salient": {str: [int]}}


class Facts(TypedDict):
    """The facts of a data set.

    ``splits`` tells how many clips each has, in the store's order; ``figures`` see
    ``store.figures``, missing in older stores.
    """

    format: int
    name: str
    task: str
    labels: list[str]
    widths: dict[str, int]
    splits: dict[str, int]
    layout: str
    padding: dict[str, dict[str, Any]]
    repairs: dict[str, int]
    warnings: list[str]
    figures: NotRequired[dict[str, str]]


class Record(TypedDict):
    """What a clip has beside arrays."""

    id: str
    group: str | None
    words: tuple[str, ...]
    truth: Truth | None


def facts_of(dataset: Dataset, **more: Any) -> str:
    """The facts of a data set, and ``more``, as JSON."""
    facts: Facts = {
        "format": FORMAT,
        "name": dataset.name,
        "task": dataset.task,
        "labels": list(dataset.labels),
        "widths": {name: int(width) for name, width in dataset.widths.items()},
        "splits": {name: len(clips) for name, clips in dataset.splits.items()},
        "layout": dataset.layout,
        "padding": {
            name: {"side": padding.side, "share": float(padding.share)}
            for name, padding in dataset.padding.items()
        },
        "repairs": {name: int(count) for name, count in dataset.repairs.items()},
        "warnings": list(dataset.warnings),
    }
    return json.dumps({**facts, **more})


def parsed_facts(text: str | None) -> Facts:
    """The facts of a data set.

    Raises:
        DataError: they are not there, damaged, or of another version.
    """
    facts = _json(text or "null")
    if facts is None:
        raise DataError("no store (it does not tell of a data set)")
    if isinstance(facts, dict) and facts.get("format") != FORMAT:
        raise DataError(f"a store of another version of deadpan than this, which reads {FORMAT}")
    if not fits(facts, FACTS) or not fits(facts.get("figures", {}), {str: str}):
        raise DataError("damaged (what it tells of the data set)")
    return cast("Facts", facts)


def record_of(clip: Clip) -> bytes:
    """What a clip has beside arrays: JSON on a line."""
    truth = clip.truth and {
        "kind": clip.truth.kind,
        "tendencies": {name: float(x) for name, x in clip.truth.tendencies.items()},
        "salient": {name: list(map(int, steps)) for name, steps in clip.truth.salient.items()},
    }
    record = {"id": clip.id, "group": clip.group, "words": clip.words, "truth": truth}
    # In ASCII, which also has a way to write half a surrogate pair.
    return json.dumps(record).encode() + b"\n"


def parsed_record(line: bytes) -> Record:
    """What a clip has beside arrays.

    Raises:
        DataError: damaged.
    """
    record = _json(line)
    truth = record.get("truth") if isinstance(record, dict) else None
    if not fits(record, RECORD) or not (truth is None or fits(truth, TRUTH)):
        raise DataError("damaged (its id, words or truth)")
    return Record(
        id=record["id"],
        group=record["group"],
        words=tuple(record["words"]),
        truth=truth
        and Truth(
            kind=truth["kind"],
            tendencies={name: float(x) for name, x in truth["tendencies"].items()},
            salient={name: tuple(steps) for name, steps in truth["salient"].items()},
        ),
    )


def fits(value: object, wanted: Any) -> bool:  # noqa: ANN401 - a type, or types in a list or dict
    """Whether a value from JSON is made as ``wanted``.

    Args:
        value: as ``json.loads`` gives it.
        wanted: a type or several; ``[T]``: a list of T; ``{str: T}``: T by any name;
            ``{"name": T}``: T by that name, perhaps among others. True and false are no numbers.
    """
    if isinstance(wanted, list):
        kind = cast("list[object]", wanted)[0]
        return isinstance(value, list) and all(
            fits(entry, kind) for entry in cast("list[object]", value)
        )
    if isinstance(wanted, Mapping):
        kinds = cast("Mapping[object, object]", wanted)
        if not isinstance(value, dict):
            return False
        table = cast("dict[object, object]", value)
        if str in kinds:
            return all(fits(entry, kinds[str]) for entry in table.values())
        return all(key in table and fits(table[key], kind) for key, kind in kinds.items())
    return isinstance(value, wanted) and not isinstance(value, bool)


def _json(text: str | bytes) -> Any:  # noqa: ANN401 - whatever it holds
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise DataError("damaged (a text that is no JSON)") from None


METHODS = ("robust", "standard")
"""Of normalisation, whose figures a store has."""
CenterAndScale = tuple[Float[np.ndarray, " width"], Float[np.ndarray, " width"]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """Of one modality in the clips of the train split.

    Attributes:
        by_method: centers and scales by method of normalisation.
        noted: the ``digest`` of the clips and of these, as they were written.
    """

    by_method: Mapping[str, CenterAndScale]
    noted: str


def digest(
    rows: Iterable[Float[np.ndarray, "_ width"]], by_method: Mapping[str, CenterAndScale]
) -> str:
    """A hash of all steps of a modality, one behind the other, and of their figures."""
    hashed = hashlib.sha256()
    for part in rows:
        hashed.update(np.ascontiguousarray(part).data)
    for method, figures in by_method.items():
        hashed.update(method.encode())
        for values in figures:
            hashed.update(np.ascontiguousarray(values).data)
    return hashed.hexdigest()[:32]
