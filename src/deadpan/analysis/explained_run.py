"""A finished run with the clips that may be explained."""

import dataclasses
import difflib
from collections.abc import Sequence
from pathlib import Path

from deadpan.analysis.attention_flow import paths_of
from deadpan.data.dataset import Clip, Dataset
from deadpan.errors import DataError, RunError
from deadpan.models import Model
from deadpan.tasks import Task
from deadpan.training.opened import RunDirectory, open_run


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExplainedRun:
    """What is needed of a run to explain it.

    Attributes:
        path: its directory.
        title: its model and its directory's name.
        model: the best epoch's, in evaluation mode.
        task: of the run.
        data: normalised as the run does it.
        evaluated: whether its test split was opened.
        split: whose clips are explained: ``test`` where they were opened, else ``valid``.
    """

    path: Path
    title: str
    model: Model
    task: Task
    data: Dataset
    evaluated: bool
    split: str

    @property
    def clips(self) -> Sequence[Clip]:
        """Those of the split."""
        return self.data[self.split]


def explained_run(path: Path) -> ExplainedRun:
    """Open a finished run for explanation; the test split only if it was opened before.

    Raises:
        RunError: no run, or one that has not finished.
        DataError: its data is gone or has changed.
        DeadpanError: its model has no attention.
    """
    run = open_run(path)
    paths_of(run.model)
    return ExplainedRun(
        path=path,
        title=f"{type(run.model).__name__} ({path.resolve().name})",
        model=run.model,
        task=run.task,
        data=run.data,
        evaluated=run.files.evaluated,
        split="test" if run.files.evaluated else "valid",
    )


def open_runs(path: Path, against: Path | None = None) -> tuple[ExplainedRun, ...]:
    """A run, and another of the same clips; their split is ``test`` if both were evaluated.

    Raises:
        RunError: the second was trained on other clips.
    """
    first = explained_run(path)
    if against is None:
        return (first,)
    second = explained_run(against)
    trained = [RunDirectory(run.path).environment().dataset.fingerprint for run in (first, second)]
    if trained[0] != trained[1] or first.task.labels != second.task.labels:
        raise RunError(
            f"{against}: was trained on other clips than {path}; compare runs of the same data"
        )
    if first.title == second.title:
        first, second = (dataclasses.replace(r, title=str(r.path)) for r in (first, second))
    split = "test" if first.evaluated and second.evaluated else "valid"
    return tuple(dataclasses.replace(run, split=split) for run in (first, second))


def find_clip(run: ExplainedRun, name: str) -> tuple[Clip, str]:
    """The clip of that id and its split, the run's own split first.

    Raises:
        DataError: no clip has the id, or only one of a test split that is closed has.
    """
    for split in dict.fromkeys([run.split, "valid", "train", "test"]):
        clips = run.data[split]
        found = next((i for i, clip in enumerate(clips) if clip.id == name), None)
        if found is None:
            continue
        if split == "test" and not run.evaluated:
            raise DataError(
                f"clip '{name}' is of the test split, which {run.path} has not opened; run "
                f"`deadpan evaluate {run.path}` first"
            )
        return clips[found], split
    splits = [run.split, "valid", "train"]
    known = list(dict.fromkeys(clip.id for split in splits for clip in run.data[split]))
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.0)
    raise DataError(
        f"no clip '{name}' in {run.data.name}; nearest: {', '.join(near) or 'there is no clip'}"
    )
