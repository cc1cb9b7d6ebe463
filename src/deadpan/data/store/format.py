"""The format of stores, which ``deadpan data convert`` writes.

The container is safetensors: a header of JSON and plain arrays. Nothing in it can run, every
language reads it, and its arrays can be memory-mapped, so that opening is instant and several runs
share one copy in memory. Compressed HDF5 cannot be mapped, and its C library is not safe on hostile
files; Arrow would be another dependency, of 50 MB; safetensors is a dependency already.

====================================  =============================================================
features.M                            [step, width]: the steps of all clips, concatenated; float32,
                                      or float16 of a recipe that stores half precision
offsets.M                             int64 [clip + 1]: clip i has the steps offsets[i] to [i + 1]
present.M                             bool [clip]: whether the clip has the modality
times.M, time_offsets.M, timed.M      the same for start and end of each step, in seconds
labels                                float32 [clip, label]
records, record_offsets               id, group, words, transcript and truth of each clip: JSON on
                                      a line
METHOD.centers.M, METHOD.scales.M     normalisation fitted on the train split by ``fit_normalizer``
====================================  =============================================================

Clips are in the order of their splits. The metadata's entry ``deadpan.dataset`` is JSON: the
attributes of the data set, the number of clips of each split, the source of the store, under
``figures`` a hash of each modality's steps, centers and scales (see ``statistics_digest``), and
under ``recipes`` how each encoded or measured modality was made. Readers give features as float32.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any, cast

import numpy as np
from jaxtyping import Float

from deadpan.data.dataset import Clip, Dataset, Truth
from deadpan.data.feature_recipe import FeatureRecipe, ModalityRecipe
from deadpan.data.recipe import Recipe
from deadpan.errors import DataError, DeadpanError
from deadpan.options import record
from deadpan.types import Modality

FORMAT = 1
"""Version of the format; this version of deadpan cannot read another."""

KEY = "deadpan.dataset"
"""Name of the metadata's entry."""
FEATURES = ("features", "offsets", "present")
TIMES = ("times", "time_offsets", "timed")
RECORDS = ("records", "record_offsets")


def tensor_names(kinds: tuple[str, ...], modality: Modality) -> tuple[str, ...]:
    """The names of a modality's tensors."""
    return tuple(f"{kind}.{modality}" for kind in kinds)


METADATA_SCHEMA: Mapping[str, object] = {
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
"""The attributes of a data set. ``splits`` is the number of clips of each split, in the store's
order. ``figures``, ``alignment``, ``recipes`` and ``unscaled`` are missing in older stores;
``figures`` is the ``statistics_digest`` of each modality."""
RECORD_SCHEMA: Mapping[str, object] = {"id": str, "group": (str, NoneType), "words": [str]}
TRUTH_SCHEMA: Mapping[str, object] = {
    "kind": str,
    "score": float,
    "tendencies": {str: float},
    "salient": {str: [int]},
}


ADVICE = re.compile(r"\bgive (?=--data_options\.)")
OF_SOURCE = "convert its source again with "
"""What replaces advice in the warnings of a source, whose options a store does not have."""


def stored_warning(text: str) -> str:
    """A warning of a source as its store gives it."""
    return ADVICE.sub(OF_SOURCE, text)


def dump_metadata(dataset: Dataset, **more: Any) -> str:
    """Serialise the attributes of a data set, and ``more``, as JSON."""
    metadata = {
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
        "alignment": dataset.alignment,
        "unscaled": dict(dataset.unscaled),
        "warnings": list(map(stored_warning, dataset.warnings)),
    }
    if dataset.recipes:
        recipes = {name: dataclasses.asdict(recipe) for name, recipe in dataset.recipes.items()}
        metadata["recipes"] = recipes
    return json.dumps({**metadata, **more})


def parse_metadata(text: str | None) -> dict[str, Any]:
    """Parse and check the metadata of a store.

    Raises:
        DataError: the metadata is missing, damaged, or of another version.
    """
    metadata = _json(text or "null")
    if metadata is None:
        raise DataError("no store (its metadata describe no data set)")
    if isinstance(metadata, dict) and metadata.get("format") != FORMAT:
        raise DataError(f"a store of another version of deadpan than this, which reads {FORMAT}")
    if (
        not matches_schema(metadata, METADATA_SCHEMA)
        or not matches_schema(metadata.get("figures", {}), {str: str})
        or not matches_schema(metadata.get("alignment", ""), str)
        or not matches_schema(metadata.get("unscaled", {}), {str: str})
    ):
        raise DataError("damaged (its metadata)")
    return metadata


def dump_record(clip: Clip) -> bytes:
    """Serialise the attributes of a clip that are no arrays, as JSON on a line."""
    truth = clip.truth and {
        "kind": clip.truth.kind,
        "score": float(clip.truth.score),
        "tendencies": {name: float(x) for name, x in clip.truth.tendencies.items()},
        "salient": {name: list(map(int, steps)) for name, steps in clip.truth.salient.items()},
    }
    fields = {"id": clip.id, "group": clip.group, "words": clip.words, "truth": truth}
    if clip.transcript:
        fields["transcript"] = clip.transcript
    # JSON in ASCII can escape half a surrogate pair, which UTF-8 cannot encode.
    return json.dumps(fields).encode() + b"\n"


def parse_record(line: bytes) -> dict[str, Any]:
    """Parse and check the record of a clip: the arguments of ``Clip`` that are no arrays.

    Raises:
        DataError: the record is damaged.
    """
    fields = _json(line)
    truth = fields.get("truth") if isinstance(fields, dict) else None
    if isinstance(truth, dict) and "score" not in truth:
        raise DataError(
            "holds clips of the first edition of `controlled`, which is gone; convert it again"
        )
    if (
        not matches_schema(fields, RECORD_SCHEMA)
        or not matches_schema(fields.get("transcript", ""), str)
        or not (truth is None or matches_schema(truth, TRUTH_SCHEMA))
    ):
        raise DataError("damaged (its id, words or truth)")
    return {
        "id": fields["id"],
        "group": fields["group"],
        "words": tuple(fields["words"]),
        "transcript": fields.get("transcript", ""),
        "truth": truth
        and Truth(
            kind=truth["kind"],
            score=float(truth["score"]),
            tendencies={name: float(x) for name, x in truth["tendencies"].items()},
            salient={name: tuple(steps) for name, steps in truth["salient"].items()},
        ),
    }


def parse_recipes(metadata: Mapping[str, Any]) -> dict[Modality, ModalityRecipe]:
    """Parse and check the recipes in the metadata of a store; none in an older store.

    Raises:
        DataError: a recipe is damaged.
    """
    try:
        return {
            name: record("recipe", fields, FeatureRecipe if "columns" in fields else Recipe)
            for name, fields in metadata.get("recipes", {}).items()
        }
    except (DeadpanError, AttributeError, TypeError) as error:
        raise DataError(f"damaged (a recipe: {error})") from None


def matches_schema(value: object, schema: Any) -> bool:  # noqa: ANN401 - a type, or types in a list or dict
    """Whether a value from JSON has the structure of a schema.

    Args:
        value: a value as ``json.loads`` returns it.
        schema: a type or several; ``[T]``: a list of T; ``{str: T}``: T under any key;
            ``{"name": T}``: T under that key, other keys are allowed. Booleans are no numbers.
    """
    if isinstance(schema, list):
        kind = cast("list[object]", schema)[0]
        return isinstance(value, list) and all(
            matches_schema(entry, kind) for entry in cast("list[object]", value)
        )
    if isinstance(schema, Mapping):
        kinds = cast("Mapping[object, object]", schema)
        if not isinstance(value, dict):
            return False
        table = cast("dict[object, object]", value)
        if str in kinds:
            return all(matches_schema(entry, kinds[str]) for entry in table.values())
        return all(key in table and matches_schema(table[key], kind) for key, kind in kinds.items())
    return isinstance(value, schema) and not isinstance(value, bool)


def _json(text: str | bytes) -> Any:  # noqa: ANN401 - whatever it holds
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise DataError("damaged (a text that is no JSON)") from None


METHODS = ("robust", "standard")
"""Methods of normalisation whose centers and scales a store has."""
CenterAndScale = tuple[Float[np.ndarray, " width"], Float[np.ndarray, " width"]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalingStatistics:
    """Normalisation of one modality, fitted on the train split.

    Attributes:
        by_method: centers and scales by method of normalisation.
        digest: the ``statistics_digest`` of the clips and of ``by_method`` when written.
    """

    by_method: Mapping[str, CenterAndScale]
    digest: str


def statistics_digest(
    rows: Iterable[Float[np.ndarray, "_ width"]], by_method: Mapping[str, CenterAndScale]
) -> str:
    """Hash all steps of a modality, in their order, with their centers and scales."""
    hashed = hashlib.sha256()
    for part in rows:
        hashed.update(np.ascontiguousarray(part).data)
    for method, center_and_scale in by_method.items():
        hashed.update(method.encode())
        for values in center_and_scale:
            hashed.update(np.ascontiguousarray(values).data)
    return hashed.hexdigest()[:32]
