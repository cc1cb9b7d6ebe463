"""``deadpan explain``: what a run attended to in a clip, as numbers."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deadpan.analysis.attention_flow import Method
from deadpan.analysis.disagreement import Verdict, most_apart, telling_clip, verdicts
from deadpan.analysis.explained_run import ExplainedRun, find_clip, open_runs
from deadpan.analysis.maps import Axis, CrossmodalMap
from deadpan.analysis.salience import (
    crossmodal_map,
    crossmodal_path,
    randomisation_check,
    require,
    salience,
    salience_given,
)
from deadpan.data.dataset import Clip
from deadpan.models.base import FUSED
from deadpan.training.history import GateSeeds
from deadpan.training.opened import RunDirectory, gate_seeds
from deadpan.types import TEXT, Modality

CHECKED = 16
"""Clips of the split on which the randomisation check is made."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Told:
    """The target's salience under one condition.

    Attributes:
        run: the title of the run.
        given: the other modalities that the clip kept.
        values: by step of the target; sum 1, or 0 throughout.
    """

    run: str
    given: tuple[Modality, ...]
    values: Float[np.ndarray, " step"]

    @property
    def shares(self) -> Float[np.ndarray, " step"]:
        """In even shares: 1 where all steps count alike."""
        return self.values * len(self.values)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explanation:
    """All that the page of a clip shows.

    Attributes:
        runs: the explained one, and the one it is held against if any.
        method: of salience.
        clip: as the first run normalises it.
        split: it is from.
        why: it was taken.
        verdict: what is said of it.
        crossmodal: a map; None for a model of a single modality.
        target: the steps whose salience is told.
        told: under the first run, by what the clip kept of its other modalities.
        against: under each run, with all modalities; empty for one run.
        salience: of every step of every modality, by the title of the run.
        check: of the salience, by the title of the run; see ``randomisation_check``.
        apart: the clips on which two runs differ most; empty for one run.
        gates: of the first run and its further seeds; None without a gate.
    """

    runs: tuple[ExplainedRun, ...]
    method: Method
    clip: Clip
    split: str
    why: str
    verdict: Verdict
    crossmodal: CrossmodalMap | None
    target: Axis
    told: tuple[Told, ...]
    against: tuple[Told, ...]
    salience: Mapping[str, Mapping[Modality, Float[np.ndarray, " step"]]]
    check: Mapping[str, Mapping[Modality, float]]
    apart: tuple[Verdict, ...]
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
    """Explain what a run says of a clip; see ``deadpan explain --help`` for the arguments.

    Raises:
        DeadpanError: what cannot be explained, in one line.
    """
    runs = open_runs(path, against)
    first, gates = runs[0], gate_seeds([RunDirectory(run) for run in (path, *seeds)])
    pair = None
    if len(first.model.modalities) > 1 or source or target:
        found = crossmodal_path(first.model, source=source, target=target)
        pair = (found.source, found.target)
    asked = target or _asked(first, pair)
    needed = [m for m in dict.fromkeys([*(pair or ()), asked]) if m != FUSED]
    if clip is None:
        chosen, why = telling_clip(first, needed)
        split = first.split
    else:
        (chosen, split), why = find_clip(first, clip), "named with --clip"
    for name in needed:
        require(first.model, chosen, name)
    same = [chosen, *(find_clip(run, chosen.id)[0] for run in runs[1:])]
    for run, mine in zip(runs, same, strict=True):
        require(run.model, mine, asked)
    given = salience_given(first.model, chosen, asked, method=method)
    full = {
        run.title: salience(run.model, [mine], method=method)[0]
        for run, mine in zip(runs, same, strict=True)
    }
    return Explanation(
        runs=runs,
        method=method,
        clip=chosen,
        split=split,
        why=why,
        verdict=verdicts(runs, [[mine] for mine in same])[0],
        crossmodal=_crossmodal(first, chosen, pair, method) if pair else None,
        target=axis_of(chosen, asked),
        told=tuple(Told(run=first.title, given=g, values=x) for g, x in given.items()),
        against=_against(runs, same, asked, method),
        salience=full,
        check={
            run.title: randomisation_check(run.model, run.clips[:CHECKED], method=method)
            for run in runs
        },
        apart=tuple(most_apart(*runs)) if len(runs) == 2 else (),
        gates=gates,
    )


def _asked(run: ExplainedRun, pair: tuple[Modality, Modality] | None) -> Modality:
    if pair is None or TEXT in run.model.modalities:
        return TEXT if TEXT in run.model.modalities else run.model.modalities[0]
    return pair[1]


def _against(
    runs: Sequence[ExplainedRun], clips: Sequence[Clip], asked: Modality, method: Method
) -> tuple[Told, ...]:
    if len(runs) == 1:
        return ()
    found: list[Told] = []
    for run, clip in zip(runs, clips, strict=True):
        given, values = list(salience_given(run.model, clip, asked, method=method).items())[-1]
        found.append(Told(run=run.title, given=given, values=values))
    return tuple(found)


def _crossmodal(
    run: ExplainedRun, clip: Clip, pair: tuple[Modality, Modality], method: Method
) -> CrossmodalMap:
    source, target = pair
    weights = crossmodal_map(run.model, clip, source=source, target=target, method=method)
    return CrossmodalMap(
        source=axis_of(clip, source), target=axis_of(clip, target), weights=weights
    )


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
