"""``deadpan explain``: what a run attended to in a clip and what it predicts of it, as numbers."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deadpan.analysis.attention import Method, attend
from deadpan.analysis.crossmodal import (
    Axis,
    CrossmodalMap,
    axis_of,
    crossmodal_map,
    crossmodal_path,
    require,
)
from deadpan.analysis.explained_run import ExplainedRun, explained_runs, find_clip, telling_clip
from deadpan.analysis.salience import (
    conditional_salience,
    randomisation_check,
    salience,
    salience_of,
)
from deadpan.data.dataset import Clip
from deadpan.models.base import FUSED, AttentionPath
from deadpan.training.history import GateSeeds
from deadpan.training.opened import RunDirectory, gate_seeds
from deadpan.types import TEXT, Modality

CHECKED = 16
"""Clips of the split on which the randomisation check is made."""

MOST_APART = 10
"""Clips that are listed of two runs that differ."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TargetSalience:
    """The salience of the target's steps under one condition.

    Attributes:
        run: the title of the run.
        context: the other modalities that the clip kept.
        values: by step of the target; sum 1, or 0 throughout.
    """

    run: str
    context: tuple[Modality, ...]
    values: Float[np.ndarray, " step"]

    @property
    def shares(self) -> Float[np.ndarray, " step"]:
        """Salience relative to an even spread: 1 = as much as the average step."""
        return self.values * len(self.values)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipPredictions:
    """What runs predict of a clip, and its label (table 3 of the HCT-MG paper).

    Attributes:
        clip: the clip.
        label: by the name of each label.
        by_run: predictions by the title of each run.
        by_modality: what the first run predicts from a single modality, by each that the clip has.
        gap: between the predictions of two runs, in their label's unit; 0 for one run.
    """

    clip: Clip
    label: Mapping[str, float]
    by_run: Mapping[str, Mapping[str, float]]
    by_modality: Mapping[Modality, Mapping[str, float]]
    gap: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explanation:
    """Everything that ``deadpan explain`` computed about one clip.

    Attributes:
        runs: the explained one, and the one it is held against if any.
        method: of salience.
        clip: as the first run normalises it.
        split: the clip's.
        reason: for which the clip was taken.
        predictions: of the clip.
        crossmodal: a map; None for a model of a single modality.
        target: the steps whose salience is compared.
        conditions: salience of the target under the first run, by what the clip kept of its other
            modalities.
        against: salience of the target under each run, with all modalities; empty for one run.
        salience: of every step of every modality, by the title of the run.
        check: of the salience, by the title of the run; see ``randomisation_check``.
        apart: the clips on which two runs differ most, greatest gap first; empty for one run.
        gates: of the first run and its further seeds; None without a gate.
    """

    runs: tuple[ExplainedRun, ...]
    method: Method
    clip: Clip
    split: str
    reason: str
    predictions: ClipPredictions
    crossmodal: CrossmodalMap | None
    target: Axis
    conditions: tuple[TargetSalience, ...]
    against: tuple[TargetSalience, ...]
    salience: Mapping[str, Mapping[Modality, Float[np.ndarray, " step"]]]
    check: Mapping[str, Mapping[Modality, float]]
    apart: tuple[ClipPredictions, ...]
    gates: GateSeeds | None


def explain_run(
    path: Path,
    *,
    seeds: Sequence[Path] = (),
    clip: str | None = None,
    against: Path | None = None,
    source: Modality | None = None,
    target: Modality | None = None,
    method: Method = "attention",
) -> Explanation:
    """Explain what a run predicts of a clip; see ``deadpan explain --help`` for the arguments.

    Each model attends to the clip once; it is asked again only about other inputs: fewer
    modalities, shuffled weights, other clips.

    Raises:
        DeadpanError: what cannot be explained, in one line.
    """
    runs = explained_runs(path, against)
    first, gates = runs[0], gate_seeds([RunDirectory(run) for run in (path, *seeds)])
    pair: AttentionPath | None = None
    if len(first.model.modalities) > 1 or source or target:
        pair = crossmodal_path(first.model, source=source, target=target)
    compared = target or _default_target(first, pair)
    ends = (pair.source, pair.target) if pair else ()
    needed = [m for m in dict.fromkeys([*ends, compared]) if m != FUSED]
    if clip is None:
        chosen, reason = telling_clip(first, needed)
        split = first.split
    else:
        (chosen, split), reason = find_clip(first, clip), "named with --clip"
    clips = [chosen, *(find_clip(run, chosen.id)[0] for run in runs[1:])]
    for name in needed:
        require(chosen, name)
    attended = {
        run.title: attend(run.model, own_clip, method=method)
        for run, own_clip in zip(runs, clips, strict=True)
    }
    conditions = conditional_salience(first.model, attended[first.title], compared)
    everything = list(conditions)[-1]
    return Explanation(
        runs=runs,
        method=method,
        clip=chosen,
        split=split,
        reason=reason,
        predictions=_predictions(runs, [[own_clip] for own_clip in clips])[0],
        crossmodal=crossmodal_map(attended[first.title], pair) if pair else None,
        target=axis_of(chosen, compared),
        conditions=tuple(
            TargetSalience(run=first.title, context=context, values=values)
            for context, values in conditions.items()
        ),
        against=tuple(
            TargetSalience(run=run, context=everything, values=salience_of(attention, compared))
            for run, attention in attended.items()
            if len(runs) > 1
        ),
        salience={run: salience(attention) for run, attention in attended.items()},
        check={
            run.title: randomisation_check(run.model, run.clips[:CHECKED], method=method)
            for run in runs
        },
        apart=_most_apart(*runs) if len(runs) == 2 else (),
        gates=gates,
    )


def _default_target(run: ExplainedRun, pair: AttentionPath | None) -> Modality:
    if pair is None or TEXT in run.model.modalities:
        return TEXT if TEXT in run.model.modalities else run.model.modalities[0]
    return pair.target


def _predictions(
    runs: Sequence[ExplainedRun], clips: Sequence[Sequence[Clip]]
) -> tuple[ClipPredictions, ...]:
    """Predictions of the same clips by each run; for each run the clips as it normalises them."""
    decisions = [run.decide(own_clips) for run, own_clips in zip(runs, clips, strict=True)]
    alone = runs[0].decide_alone(clips[0])
    gaps = np.abs(decisions[0] - decisions[-1]).max(axis=1)

    def by_label(values: Float[np.ndarray, " label"]) -> dict[str, float]:
        return dict(zip(runs[0].labels, map(float, values), strict=True))

    return tuple(
        ClipPredictions(
            clip=clip,
            label=by_label(clip.label),
            by_run={run.title: by_label(x[i]) for run, x in zip(runs, decisions, strict=True)},
            by_modality={
                name: by_label(x[i])
                for name, x in alone.items()
                if len(clip.sequences.get(name, ()))
            },
            gap=float(gaps[i]),
        )
        for i, clip in enumerate(clips[0])
    )


def _most_apart(first: ExplainedRun, second: ExplainedRun) -> tuple[ClipPredictions, ...]:
    gaps = np.abs(first.decisions - second.decisions).max(axis=1)
    chosen = np.argsort(-gaps, kind="stable")[:MOST_APART]
    runs = (first, second)
    return _predictions(runs, [[run.clips[int(i)] for i in chosen] for run in runs])
