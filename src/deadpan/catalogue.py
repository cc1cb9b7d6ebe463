"""The models as the command line shows them, read from a file and without torch.

``deadpan.models.description`` writes the file.
"""

import dataclasses
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from deadpan.files import read_json
from deadpan.options import record

CATALOGUE = Path(__file__).with_suffix(".json")

OWN_MODELS = "DEADPAN_MODELS"
"""Environment variable: modules or .py files, separated by commas, that register models."""

PRESETS: dict[str, dict[str, Any]] = {
    "MOSI": {"widths": {"text": 300, "audio": 5, "vision": 20}, "outputs": 1},
    "MOSEI": {"widths": {"text": 300, "audio": 74, "vision": 35}, "outputs": 1},
    "IEMOCAP": {"widths": {"text": 300, "audio": 74, "vision": 35}, "outputs": 8},
}
"""The three data sets of the HCT-MG paper: features per step of each modality, and outputs."""

KINDS: Mapping[str, Any] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "str | None": str | None,
}
"""Type of a hyperparameter, by its name in the catalogue."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hyperparameter:
    """A hyperparameter of a model.

    Attributes:
        name: its name in the constructor.
        kind: a name of ``KINDS``, or the choices.
        default: its default.
        help: what it does.
    """

    name: str
    kind: Any
    default: Any
    help: str

    @property
    def annotation(self) -> Any:  # noqa: ANN401 - a type
        """The type as the constructor has it."""
        return KINDS[self.kind] if isinstance(self.kind, str) else Literal[tuple(self.kind)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """A model, in so far as the command line shows it.

    Attributes:
        name: of its class, as options take it.
        title: as the field writes it.
        paper: where it is defined.
        summary: what it does, in a line.
        parameters: how many it has, at the sizes of each of ``PRESETS``, where it can be built so.
        hyperparameters: what can be chosen.
    """

    name: str
    title: str
    paper: str
    summary: str
    parameters: dict[str, int]
    hyperparameters: tuple[Hyperparameter, ...]


@cache
def read_catalogue() -> dict[str, ModelEntry]:
    """Read every model's entry, by name, in the order of ``deadpan.models.MODELS``."""
    entries = read_json(CATALOGUE, "install deadpan anew")
    return {entry["name"]: record(str(CATALOGUE), entry, ModelEntry) for entry in entries}
