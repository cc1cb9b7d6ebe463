"""Figures of normalisation in a store, and how one knows that they still are those of its clips."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import Float

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
