"""Where modalities disagree, and where two runs do (table 3 of the HCT-MG paper)."""

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
from jaxtyping import Float

from deadpan.analysis.contributions import subset_outputs
from deadpan.analysis.explained_run import ExplainedRun
from deadpan.analysis.salience import present
from deadpan.data.dataset import Clip
from deadpan.errors import DataError
from deadpan.training.evaluation import labels_of, predict_clips
from deadpan.types import Modality

PerLabel = Float[np.ndarray, "clip label"]
CANDIDATES = 200
"""Clips whose modalities are asked one by one to find a telling one."""
SHOWN = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is said of a clip, and what is true, by label.

    Attributes:
        clip: as it is read.
        truth: its label.
        predictions: by the title of each run.
        tendencies: of the first run: what it predicts from a single modality, by each.
        gap: between the predictions of two runs, in their label's unit; 0 for one run.
    """

    clip: Clip
    truth: Mapping[str, float]
    predictions: Mapping[str, Mapping[str, float]]
    tendencies: Mapping[Modality, Mapping[str, float]]
    gap: float


def decisions(run: ExplainedRun, clips: Sequence[Clip]) -> PerLabel:
    """What the run predicts of each label: a number, or a probability."""
    return run.task.decisions(predict_clips(run.model, clips, run.model.widths))


def tendencies(run: ExplainedRun, clips: Sequence[Clip]) -> dict[Modality, PerLabel]:
    """What the run predicts of clips that have but one modality, by each of the model's."""
    outputs = subset_outputs(run.model, clips)
    return {name: run.task.decisions(outputs[frozenset((name,))]) for name in run.model.modalities}


def verdicts(runs: Sequence[ExplainedRun], clips: Sequence[Sequence[Clip]]) -> list[Verdict]:
    """What one run or two say of clips.

    Args:
        runs: the first is asked for the tendencies of modalities.
        clips: for each run the same ones, as it normalises them.
    """
    said = [decisions(run, mine) for run, mine in zip(runs, clips, strict=True)]
    alone = tendencies(runs[0], clips[0])
    names = runs[0].task.labels
    gaps = np.abs(said[0] - said[-1]).max(axis=1)

    def named(values: Float[np.ndarray, " label"]) -> dict[str, float]:
        return dict(zip(names, map(float, values), strict=True))

    return [
        Verdict(
            clip=clip,
            truth=named(clip.label),
            predictions={run.title: named(x[i]) for run, x in zip(runs, said, strict=True)},
            tendencies={name: named(x[i]) for name, x in alone.items() if name in present(clip)},
            gap=float(gaps[i]),
        )
        for i, clip in enumerate(clips[0])
    ]


def most_apart(first: ExplainedRun, second: ExplainedRun) -> list[Verdict]:
    """The clips of the split of which two runs say the most different, greatest gap first."""
    runs = (first, second)
    said = [decisions(run, run.clips) for run in runs]
    chosen = np.argsort(-np.abs(said[0] - said[1]).max(axis=1), kind="stable")[:SHOWN]
    return verdicts(runs, [[run.clips[int(i)] for i in chosen] for run in runs])


def telling_clip(run: ExplainedRun, needed: Sequence[Modality]) -> tuple[Clip, str]:
    """The clip whose modalities disagree most, among those that are predicted well; and why.

    Predicted well: an error not above the split's median; of these, the first ``CANDIDATES`` with
    three steps or more of every modality are asked. Disagreement: the greatest difference, over
    labels, of what single modalities predict.

    Args:
        run: its split is searched.
        needed: modalities it must have where no clip has all.

    Raises:
        DataError: no clip of the split has those.
    """
    clips = run.clips
    errors = np.abs(decisions(run, clips) - labels_of(clips)).max(axis=1)
    good = np.flatnonzero(errors <= np.median(errors))
    every = np.arange(len(clips))
    for wanted, pool, steps in (
        (run.model.modalities, good, 3),
        (needed, good, 1),
        (needed, every, 1),
    ):
        fitting = (int(i) for i in pool if _has(clips[int(i)], wanted, steps))
        if asked := list(islice(fitting, CANDIDATES)):
            break
    else:
        raise DataError(
            f"no clip of the {run.split} split of {run.data.name} has {' and '.join(needed)}; "
            "give other modalities with --source and --target"
        )
    apart = np.stack(list(tendencies(run, [clips[i] for i in asked]).values()))
    spread = np.ptp(apart, axis=0).max(axis=1)
    well = "predicted with no more than the median error" if pool is good else "there are"
    return clips[asked[int(spread.argmax())]], (
        f"chosen as the one whose single modalities disagree most ({spread.max():.2f} between "
        f"their predictions) of {len(asked)} {run.split} clips {well}"
    )


def _has(clip: Clip, modalities: Sequence[Modality], steps: int) -> bool:
    return all(len(clip.sequences.get(name, ())) >= steps for name in modalities)
