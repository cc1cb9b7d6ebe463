"""The recipe of a measured modality: what its numbers are, and what measured them."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from functools import cached_property

from deadpan.data.recipe import Recipe, StoredPrecision
from deadpan.errors import DataError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Column:
    """What a number of every step is, or several numbers of one kind side by side.

    Attributes:
        name: unique within a modality.
        unit: as SI writes it; "" for a number without one.
        source: what computes it, with the version of any model.
        low: the least value that can be right.
        high: the largest likewise.
        count: how many numbers it consists of: those of a hidden state.
    """

    name: str
    unit: str
    source: str
    low: float
    high: float
    count: int = 1

    def __post_init__(self) -> None:
        """Refuse bounds that JSON, in which recipes are stored, cannot write."""
        if not -math.inf < self.low <= self.high < math.inf:
            raise DataError(
                f"column {self.name}: low {self.low}, high {self.high}; wanted low <= high, finite"
            )

    def __str__(self) -> str:
        """The column in short, for a message."""
        return f"{self.name} ({self.unit or 'no unit'}, {self.source})"


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureRecipe:
    """What a modality that was measured from recordings consists of.

    Attributes:
        name: of the recipe, with its version, such as "open-1"; modalities share it.
        rate: steps per second; None: a step per word.
        columns: what the numbers of a step are.
        files: SHA-256 of every file of a model or of word vectors that they come from, by the
            component's name and the file's, as in ``silero-vad/silero_vad.onnx``.
        precision: ``half`` stores float16, ``single`` float32.
    """

    name: str
    rate: float | None
    columns: tuple[Column, ...]
    files: Mapping[str, str]
    precision: StoredPrecision = "single"

    @property
    def dtype(self) -> str:
        """The type of the stored numbers, as numpy names it."""
        return "<f2" if self.precision == "half" else "<f4"

    @property
    def blocks(self) -> int:
        """Equally wide blocks of hidden states in a step, one per column; 1 for other columns."""
        counts = {column.count for column in self.columns}
        return len(self.columns) if len(counts) == 1 and counts != {1} else 1

    @property
    def width(self) -> int:
        """Numbers in a step."""
        return sum(column.count for column in self.columns)

    @cached_property
    def digest(self) -> str:
        """Hash of the whole recipe, in hexadecimal."""
        values = dataclasses.asdict(self)
        if self.precision == "single":
            del values["precision"]
        for column in values["columns"]:
            if column["count"] == 1:  # older recipes, which have none, keep their digest
                del column["count"]
        text = json.dumps(values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def difference(self, other: "FeatureRecipe") -> str:
        """The first thing that makes other features, as "recipe open-1, not open-2"; or ""."""
        if self.name != other.name:
            return f"recipe {self.name}, not {other.name}"
        same = f"both are called {self.name}, but"
        if self.rate != other.rate:
            rates = (f"{x.rate:g} steps per second" if x.rate else "words" for x in (self, other))
            return f"{same} {' is not '.join(rates)}"
        if len(self.columns) != len(other.columns):
            return f"{same} it has {len(self.columns)} columns, not {len(other.columns)}"
        for column, other_column in zip(self.columns, other.columns, strict=True):
            if column != other_column:
                return f"{same} {column} is not {other_column}"
        for file in sorted({*self.files, *other.files}):
            hashes = [x.files.get(file, "none")[:12] for x in (self, other)]
            if self.files.get(file) != other.files.get(file):
                return f"{same} {file} is {hashes[0]}, not {hashes[1]}"
        return ""

    def __str__(self) -> str:
        """The recipe in short, for a table."""
        rate = "a step per word" if self.rate is None else f"{self.rate:g} steps per second"
        return f"{self.name}, {rate}"


ModalityRecipe = Recipe | FeatureRecipe
"""How a modality was made: by an encoder, or by measuring recordings."""


def recipe_difference(recipe: ModalityRecipe, other: ModalityRecipe) -> str:
    """The first thing that makes the features of two recipes differ; "" if nothing does."""
    if isinstance(recipe, Recipe) and isinstance(other, Recipe):
        return recipe.difference(other)
    if isinstance(recipe, FeatureRecipe) and isinstance(other, FeatureRecipe):
        return recipe.difference(other)
    return f"{recipe.name}, not {other.name}"
