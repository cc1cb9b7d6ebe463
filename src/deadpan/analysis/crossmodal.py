"""Crossmodal attention of one clip: what each step of one modality attends to in another."""

import dataclasses

import numpy as np
from jaxtyping import Float

from deadpan.analysis.attention import ClipAttention, attention_paths
from deadpan.data.dataset import Clip
from deadpan.errors import DeadpanError, unknown_name
from deadpan.models.base import FUSED, AttentionPath, Model
from deadpan.types import TEXT, VISION, Modality

MARKED = 5
"""Cells that are marked as the strongest."""

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
        """Name a step: its word, its middle in seconds, or its number."""
        if self.words:
            # Isolated, so that a word read from right to left does not turn the text around it.
            return f"“\u2068{self.words[step]}\u2069”"
        if self.unit == "seconds":
            return f"{self.edges[step : step + 2].mean():.2f} s"
        return f"step {step + 1}"


def axis_of(clip: Clip, modality: Modality) -> Axis:
    """The steps of a clip's modality, in seconds where their times are known.

    The fused stream has those of the longest modality.
    """
    stream = modality
    if modality == FUSED:
        stream = max(clip.sequences, key=lambda name: len(clip.sequences[name]))
    steps = len(clip.sequences[stream])
    edges, unit = np.arange(steps + 1.0) + 0.5, "steps"
    times = clip.times.get(stream)
    if times is not None and len(times) == steps:
        seconds = np.append(times[:, 0], times[-1, 1]).astype(np.float64)
        # Words whose times overlap or are unknown stand by their number.
        if np.isfinite(seconds).all() and (np.diff(seconds) > 0).all():
            edges, unit = seconds, "seconds"
    spoken = modality == TEXT and len(clip.words) == steps
    return Axis(name=modality, words=clip.words if spoken else (), edges=edges, unit=unit)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrossmodalMap:
    """What each step of the target attends to in the source.

    Attributes:
        source: columns.
        target: rows.
        weights: see :func:`crossmodal_map`.
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
        cells: list[tuple[int, int]] = []
        for row in np.argsort(-peaks, kind="stable").tolist():
            if all(abs(row - other) >= self.apart for other, _ in cells):
                cells.append((row, int(columns[row])))
            if len(cells) == MARKED:
                break
        return cells

    @property
    def apart(self) -> int:
        """Rows from one name to the next, so that no two cover each other."""
        return -(-len(self.weights) // MOST_NAMED)


def crossmodal_map(attention: ClipAttention, path: AttentionPath) -> CrossmodalMap:
    """What each step of the target attends to in the source, over all heads and layers.

    Under ``attention`` the mean of the layers; under ``rollout`` layer l of L counts 2^l (each
    later one halves what the earlier ones left); rows sum to 1 under both, as the weights of a head
    do. Under ``gradient`` the sum of the layers. In HCT-MG the source of the primary is already
    enhanced by the other auxiliary.

    Args:
        attention: of the clip.
        path: a crossmodal encoder of the model; see :func:`crossmodal_path`.

    Raises:
        DeadpanError: the clip lacks the source or the target.
    """
    for name in (path.source, path.target):
        if name != FUSED:
            require(attention.clip, name)
    layers = attention.layers[path.module]
    rates = [1.0] * len(layers)
    if attention.method == "rollout":
        halves = [2.0**depth for depth in range(len(layers))]
        rates = [rate / sum(halves) for rate in halves]
    weighted = [rate * weights for rate, weights in zip(rates, layers, strict=True)]
    return CrossmodalMap(
        source=axis_of(attention.clip, path.source),
        target=axis_of(attention.clip, path.target),
        weights=np.stack(weighted).sum(axis=0, dtype=np.float64),
    )


def crossmodal_path(
    model: Model, *, source: Modality | None = None, target: Modality | None = None
) -> AttentionPath:
    """The crossmodal encoder of a pair; what is left open is text as target, vision as source.

    Raises:
        DeadpanError: unknown names, or a pair that the model does not join.
    """
    paths = [path for path in attention_paths(model) if path.stage == "crossmodal"]
    names = dict.fromkeys([*model.modalities, *(path.source for path in paths)])
    for kind, name in (("source", source), ("target", target)):
        if name is not None and name not in names:
            raise DeadpanError(unknown_name(f"{kind} of {type(model).__name__}", name, names))
    fitting = [p for p in paths if source in (None, p.source) and target in (None, p.target)]
    if not fitting:
        pairs = ", ".join(f"{path.source} to {path.target}" for path in paths) or "none"
        fails = f"{target} does not attend" if target else "no modality attends"
        raise DeadpanError(
            f"{type(model).__name__}: {fails} to {source or 'anything'} in this run; give --source "
            f"and --target of one of its pairs ({pairs})"
        )
    return min(fitting, key=lambda path: (path.target != TEXT, path.source != VISION))


def require(clip: Clip, modality: Modality) -> None:
    """Raise DeadpanError unless the clip has a step of the modality."""
    if not len(clip.sequences.get(modality, ())):
        have = ", ".join(name for name, x in clip.sequences.items() if len(x)) or "none"
        raise DeadpanError(
            f"clip '{clip.id}' has no {modality} (found {have}); give a clip that has, or another "
            "--source and --target"
        )
