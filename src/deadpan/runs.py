"""A training run as one object: its scores and curves, what it predicts, and why.

``deadpan.train`` returns it and ``deadpan.load_run`` opens it.
"""

import dataclasses
import html
from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from deadpan.analysis.explanation import Explanation, explain_run
from deadpan.data import load
from deadpan.data.dataset import Clip, Dataset, LazyClips
from deadpan.errors import DataError, DeadpanError, RunError, unknown_name
from deadpan.files import home_path
from deadpan.models import Model
from deadpan.reports.clip import write_explanation
from deadpan.reports.run import draw_curves, run_card
from deadpan.serving.predictor import clip_features
from deadpan.training.history import EpochHistory, GateHistory
from deadpan.training.opened import OpenedRun, RunDirectory, open_run
from deadpan.training.predictions import Predictions, predictions_of
from deadpan.training.scores import RunScores
from deadpan.training.scoring import evaluate_run, predict_dataset, predict_split
from deadpan.training.settings import Settings
from deadpan.types import SPLITS

if TYPE_CHECKING:
    import matplotlib.figure

Features = Mapping[str, Any]
"""A clip as its features [step, width] by modality, as anything numpy can read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClipExplanation:
    """The explanation of a clip, and the page that shows it, which notebooks display.

    Attributes:
        values: everything that was computed.
        path: of the page; figures and tables lie beside it.
    """

    values: Explanation = dataclasses.field(repr=False)
    path: Path

    def _repr_html_(self) -> str:
        page = html.escape(self.path.read_text(encoding="utf-8"))
        return f'<iframe srcdoc="{page}" style="width:100%;height:60em;border:0"></iframe>'


class Run:
    """A training run, finished or not.

    ::

        run = deadpan.train("controlled", epochs=3)
        run.plot()
        run.evaluate().to_pandas()
        run.predictions().to_pandas()

    Its files are read when asked for; a notebook displays it as a card. Every function of deadpan
    that takes the directory of a run takes a Run as well.

    Args:
        path: the directory of the run.

    Attributes:
        path: the directory.
        files: the same, by the name of each file.

    Raises:
        RunError: there is no run, or its model is a class that is not registered here.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.files = RunDirectory(home_path(path))
        self.path = self.files.path
        self.files.check_model()

    def __fspath__(self) -> str:
        """The directory, for functions that take one."""
        return str(self.path)

    def __repr__(self) -> str:
        """The call that opens it, and its state."""
        state = "finished" if self.finished else "not finished"
        return f"<Run {str(self.path)!r}: {self.settings.model} on {self.settings.data}, {state}>"

    @property
    def settings(self) -> Settings:
        """The settings it was started with."""
        return self.files.settings()

    @property
    def finished(self) -> bool:
        """Whether training has ended."""
        return self.files.finished

    @property
    def model(self) -> Model:
        """The network of the best epoch, in evaluation mode; it reads normalised features."""
        return self._opened.model

    @property
    def epochs(self) -> EpochHistory:
        """Losses, times and validation metrics of every epoch so far, as arrays."""
        return self.files.epochs()

    @property
    def gate(self) -> GateHistory | None:
        """Weights of the modality gate at every batch so far; None for a model without a gate."""
        return self.files.gate()

    @property
    def scores(self) -> RunScores:
        """Scores on the test split beside the baselines'; RunError before :meth:`evaluate`."""
        self._refuse_closed()
        return self.files.scores()

    @cached_property
    def _opened(self) -> OpenedRun:
        return open_run(self.path)

    def evaluate(self) -> RunScores:
        """Score the run on its test split, which is opened once; later calls read the scores."""
        evaluate_run(self.files)
        return self.scores

    def predictions(self, split: Literal["train", "valid", "test"] = "test") -> Predictions:
        """Predictions of the clips of a split of the run's data, beside their labels.

        Args:
            split: those of ``test`` are there after :meth:`evaluate`.

        Raises:
            RunError: the run has not finished, or the test split was not opened.
            DataError: the split has no clip, or the data is gone or has changed.
        """
        if split not in SPLITS:
            raise DataError(unknown_name("split", split, SPLITS))
        if split == "test":
            self._refuse_closed()
            return self.files.predictions()
        return predictions_of(predict_split(self._opened, split), self._opened.task.labels)

    def predict(
        self, clips: str | Path | Dataset | Sequence[Clip | Features], /, **data_options: Any
    ) -> Predictions:
        """Predict clips, with their features as extracted: the run normalises them.

        A modality that a clip lacks counts as missing.

        Args:
            clips: a data set's name or path, a data set, or a list of clips, each a ``Clip`` or
                its features [step, width] by modality.
            **data_options: of a data set that is given by its name or path.

        Raises:
            DataError: no modality in common with the run's, or of another recipe or width.
            DeadpanError: no clip, an unknown modality, or features that are no finite numbers.
        """
        if isinstance(clips, str | Path):
            dataset = load(clips, **data_options)
        elif data_options:
            names = ", ".join(data_options)
            raise DeadpanError(f"got {names}, which are options of a data set's name or path")
        elif isinstance(clips, Dataset):
            dataset = _checked(clips)
        else:
            dataset = _dataset_of(clips, self._opened)
        rows = predict_dataset(self._opened, dataset)
        predictions = predictions_of(rows, self._opened.task.labels)
        listed = not isinstance(clips, str | Path | Dataset)
        return dataclasses.replace(predictions, splits=()) if listed else predictions

    def _refuse_closed(self) -> None:
        """Raise RunError if the test split was not opened."""
        if not self.files.evaluated:
            raise RunError(
                f"{self.path}: its test split is closed; run.evaluate() opens it, once it has "
                f"finished and all choices are made"
            )

    def plot(self) -> "matplotlib.figure.Figure":
        """Draw the losses of each epoch and, where there is a gate, its weights."""
        return draw_curves(self.files)

    def explain(
        self,
        clip: str | Clip | None = None,
        *,
        source: str | None = None,
        target: str | None = None,
        method: Literal["attention", "rollout", "gradient"] = "attention",
        out: str | Path | None = None,
    ) -> ClipExplanation:
        """Explain the prediction of a clip of the run's data, and write the page.

        Args:
            clip: the clip or its id; by default, of the clips predicted well, the one whose
                modalities disagree most.
            source: the modality attended to.
            target: the modality that attends.
            method: how salience is computed.
            out: the folder to write; by default ``explain`` in the run.

        Raises:
            DeadpanError: no such clip, a model without attention, or a page that cannot be written.
        """
        if clip is not None and not isinstance(clip, str | Clip):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DeadpanError(
                f"got a {type(clip).__name__}, wanted a clip of the run's data or its id, as in "
                f"run.explain(run.predictions().ids[0])"
            )
        name = clip.id if isinstance(clip, Clip) else clip
        values = explain_run(self.path, clip=name, source=source, target=target, method=method)
        folder = home_path(out) if out else self.path / "explain"
        return ClipExplanation(values=values, path=write_explanation(values, folder))

    def _repr_html_(self) -> str:
        return run_card(self.files)


def _dataset_of(clips: Sequence[Clip | Features], run: OpenedRun) -> Dataset:
    """A data set of listed clips, as their features are before normalisation."""
    if isinstance(clips, Clip | Mapping):
        raise DeadpanError("got one clip, wanted a list of clips; put it into [ ]")
    if not isinstance(clips, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise DeadpanError(
            f"got a {type(clips).__name__}, wanted a list of clips, a data set, or its name or path"
        )
    if not clips:
        raise DeadpanError("got no clips, wanted at least one")
    widths, labels = run.model.widths, run.task.labels
    plain = [_plain_clip(index, clip, widths) for index, clip in enumerate(clips)]
    labelled = all(len(clip.label) == len(labels) for clip in plain)
    facts = run.files.environment()
    return Dataset(
        name="clips",
        task=facts.task if labelled else "scores",  # pyright: ignore[reportArgumentType]
        labels=labels if labelled else (),
        widths=widths,
        splits={"test": plain},
        # Nothing tells how listed features were made: as those of the run, as their widths are.
        recipes=facts.dataset.recipes,
    )


def _plain_clip(index: int, clip: Clip | Features, widths: Mapping[str, int]) -> Clip:
    """A clip with the features that the model reads, checked."""
    if isinstance(clip, Clip):
        known = {name: x for name, x in clip.sequences.items() if name in widths}
        plain = dataclasses.replace(clip, sequences=clip_features(index, known, widths))
    else:
        features, label = clip_features(index, clip, widths), np.zeros(0, np.float32)
        plain = Clip(id=str(index), sequences=features, label=label)
    if not plain.sequences:
        raise DeadpanError(
            f"clip {index}: has no step of {', '.join(widths)}, which the run was trained on; give "
            f"it one of these or leave it out"
        )
    return plain


def _checked(dataset: Dataset) -> Dataset:
    """The same data set; DataError at the first clip in memory that holds NaN or infinity."""
    for clips in dataset.splits.values():
        for clip in () if isinstance(clips, LazyClips) else clips:
            for name, x in clip.sequences.items():
                if not np.isfinite(x).all():
                    raise DataError(
                        f"{dataset.name}: clip '{clip.id}': {name} holds NaN or infinity; set such "
                        f"values to 0"
                    )
    return dataset
