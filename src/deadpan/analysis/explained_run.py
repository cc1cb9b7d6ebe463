"""A finished run, and which of its clips may be explained."""

import dataclasses
import difflib
from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deadpan.analysis.attention import attention_paths
from deadpan.data.dataset import Clip
from deadpan.errors import DataError, RunError
from deadpan.models import Model
from deadpan.training.evaluation import labels_of, predict_clips
from deadpan.training.opened import OpenedRun, open_run
from deadpan.types import Modality

PerLabel = Float[np.ndarray, "clip label"]

CANDIDATES = 200
"""Clips whose predictions from single modalities are compared to choose one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExplainedRun:
    """An opened run and the split whose clips are explained.

    Attributes:
        opened: the run.
        title: its model and its directory's name.
        split: ``test`` where it was opened, else ``valid``.
    """

    opened: OpenedRun
    title: str
    split: str

    @property
    def path(self) -> Path:
        """The directory of the run."""
        return self.opened.files.path

    @property
    def model(self) -> Model:
        """The model of the best epoch."""
        return self.opened.model

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of what is predicted."""
        return self.opened.task.labels

    @property
    def clips(self) -> Sequence[Clip]:
        """The clips of the split."""
        return self.opened.data[self.split]

    def decide(self, clips: Sequence[Clip], *modalities: Modality) -> PerLabel:
        """Predict each label of clips as a number or a probability.

        Args:
            clips: at least one.
            modalities: all others count as missing; none named = the model's own.
        """
        widths = {name: self.model.widths[name] for name in modalities or self.model.modalities}
        return self.opened.task.decisions(predict_clips(self.model, clips, widths))

    @cached_property
    def decisions(self) -> PerLabel:
        """The predictions of all clips of the split."""
        return self.decide(self.clips)

    def decide_alone(self, clips: Sequence[Clip]) -> dict[Modality, PerLabel]:
        """Predict clips from each of the model's modalities alone."""
        return {name: self.decide(clips, name) for name in self.model.modalities}


def explained_runs(path: Path, against: Path | None = None) -> tuple[ExplainedRun, ...]:
    """Open a run, and another of the same clips; the test split only if both were evaluated.

    Raises:
        RunError: no run, one that has not finished, or the second was trained on other clips.
        DataError: the data is gone or has changed.
        DeadpanError: a model has no attention.
    """
    opened = [open_run(each) for each in (path, against) if each is not None]
    for run in opened:
        attention_paths(run.model)
    if against is not None:
        prints = [run.files.environment().dataset.fingerprint for run in opened]
        if prints[0] != prints[1] or opened[0].task.labels != opened[1].task.labels:
            raise RunError(
                f"{against}: was trained on other clips than {path}; compare runs of the same data"
            )
    titles = [f"{run.model.title} ({run.files.path.resolve().name})" for run in opened]
    if len(set(titles)) < len(titles):
        titles = [str(run.files.path) for run in opened]
    split = "test" if all(run.files.evaluated for run in opened) else "valid"
    return tuple(
        ExplainedRun(opened=run, title=title, split=split)
        for run, title in zip(opened, titles, strict=True)
    )


def find_clip(run: ExplainedRun, name: str) -> tuple[Clip, str]:
    """Find the clip of an id and its split, the run's own split first.

    Raises:
        DataError: no clip has the id, or only one of a test split that is closed has.
    """
    data, evaluated = run.opened.data, run.opened.files.evaluated
    for split in dict.fromkeys([run.split, "valid", "train", "test"]):
        clips = data[split]
        index = next((i for i, clip in enumerate(clips) if clip.id == name), None)
        if index is None:
            continue
        if split == "test" and not evaluated:
            raise DataError(
                f"clip '{name}' is of the test split, which {run.path} has not opened; run "
                f"`deadpan evaluate {run.path}` first"
            )
        return clips[index], split
    splits = [run.split, "valid", "train"]
    ids = list(dict.fromkeys(clip.id for split in splits for clip in data[split]))
    near = difflib.get_close_matches(name, ids, n=3, cutoff=0.0)
    raise DataError(
        f"no clip '{name}' in {data.name}; nearest: {', '.join(near) or 'there is no clip'}"
    )


def telling_clip(run: ExplainedRun, needed: Sequence[Modality]) -> tuple[Clip, str]:
    """Choose the clip whose modalities disagree most, among those that are predicted well.

    Predicted well: an error not above the split's median; of these, the first ``CANDIDATES`` with
    three steps or more of every modality are compared. Disagreement: the greatest difference, over
    labels, of what single modalities predict.

    Args:
        run: its split is searched.
        needed: modalities that the clip must have where no clip has all.

    Returns:
        The clip, and why it was chosen.

    Raises:
        DataError: no clip of the split has those.
    """
    clips = run.clips
    errors = np.abs(run.decisions - labels_of(clips)).max(axis=1)
    good = np.flatnonzero(errors <= np.median(errors))
    every = np.arange(len(clips))
    for wanted, pool, steps in (
        (run.model.modalities, good, 3),
        (needed, good, 1),
        (needed, every, 1),
    ):
        fitting = (
            int(i)
            for i in pool
            if all(len(clips[int(i)].sequences.get(name, ())) >= steps for name in wanted)
        )
        if candidates := list(islice(fitting, CANDIDATES)):
            break
    else:
        raise DataError(
            f"no clip of the {run.split} split of {run.opened.data.name} has "
            f"{' and '.join(needed)}; give other modalities with --source and --target"
        )
    alone = np.stack(list(run.decide_alone([clips[i] for i in candidates]).values()))
    gaps = np.ptp(alone, axis=0).max(axis=1)
    well = "predicted with no more than the median error" if pool is good else "there are"
    return clips[candidates[int(gaps.argmax())]], (
        f"chosen as the one whose single modalities disagree most ({gaps.max():.2f} between "
        f"their predictions) of {len(candidates)} {run.split} clips {well}"
    )
