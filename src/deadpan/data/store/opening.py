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

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import numpy as np
from jaxtyping import Shaped

from deadpan.data.assembly import WANTED, unusable
from deadpan.data.containers.files import shown
from deadpan.data.containers.safetensors_file import DTYPES, StoreFile, read_store_file
from deadpan.data.dataset import Dataset, TaskName
from deadpan.data.raw import Padding
from deadpan.data.store.clips import Ragged, StoredClips, Table
from deadpan.data.store.facts import METHODS, CenterAndScale, Facts, Figures, parsed_facts
from deadpan.errors import DataError
from deadpan.types import SPLITS, Modality

KEY = "deadpan.dataset"
"""Of the metadata's entry."""
FEATURES = ("features", "offsets", "present")
TIMES = ("times", "time_offsets", "timed")
RECORDS = ("records", "record_offsets")

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


def named(kinds: tuple[str, ...], modality: Modality) -> tuple[str, ...]:
    """What the tensors of a modality are called."""
    return tuple(f"{kind}.{modality}" for kind in kinds)


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
