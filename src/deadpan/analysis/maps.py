"""The crossmodal attention of one clip as a table of numbers."""

import dataclasses

import numpy as np
from jaxtyping import Float

MARKED = 5
MOST_NAMED = 90
"""Rows that each have their name."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Axis:
    """The steps of one side of a map.

    Attributes:
        name: of the modality.
        words: one per step; empty where none are known.
        edges: where steps begin, and the last one ends, in ``unit``.
        unit: ``seconds`` or ``steps``.
    """

    name: str
    words: tuple[str, ...]
    edges: Float[np.ndarray, " edge"]
    unit: str

    def at(self, step: int) -> str:
        """The step as it is told: its word, its middle in seconds, or its number."""
        if self.words:
            # Isolated, so that a word read from right to left does not turn the text around it.
            return f"“\u2068{self.words[step]}\u2069”"
        if self.unit == "seconds":
            return f"{self.edges[step : step + 2].mean():.2f} s"
        return f"step {step + 1}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrossmodalMap:
    """What each step of the target attends to in the source.

    Attributes:
        source: columns.
        target: rows.
        weights: see :func:`deadpan.analysis.salience.crossmodal_map`.
    """

    source: Axis
    target: Axis
    weights: Float[np.ndarray, "step source_step"]

    @property
    def shares(self) -> Float[np.ndarray, "step source_step"]:
        """The weights in units of their mean: 1 where all source steps count alike."""
        mean = self.weights.mean()
        return self.weights / mean if mean else self.weights

    def strongest(self) -> list[tuple[int, int]]:
        """The greatest cell of each of the rows whose greatest is greatest, strongest first.

        In a map of more rows than can each be named, rows that have room for their names.
        """
        columns = self.weights.argmax(axis=1)
        peaks = self.weights[np.arange(len(columns)), columns]
        found: list[tuple[int, int]] = []
        for row in np.argsort(-peaks, kind="stable").tolist():
            if all(abs(row - other) >= self.apart for other, _ in found):
                found.append((row, int(columns[row])))
            if len(found) == MARKED:
                break
        return found

    @property
    def apart(self) -> int:
        """Rows from one name to the next, so that no two cover each other."""
        return -(-len(self.weights) // MOST_NAMED)
