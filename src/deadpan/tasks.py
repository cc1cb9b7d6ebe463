"""Tasks: how many outputs a model needs, its loss, and what its outputs mean and score."""

import abc
import dataclasses
import math

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deadpan.errors import DeadpanError, unknown_name
from deadpan.metrics import emotion, sentiment

Outputs = Float[np.ndarray, "clip output"]
PerLabel = Float[np.ndarray, "clip label"]


@dataclasses.dataclass(frozen=True)
class Column:
    """One metric, as every table shows it.

    Attributes:
        key: its name in what :meth:`Task.metrics` returns.
        title: its name for people.
        higher_is_better: False for errors.
        percent: the value is a share in [0, 1], shown times 100.
    """

    key: str
    title: str
    higher_is_better: bool = True
    percent: bool = True

    def format(self, value: float) -> str:
        """The value as text: one decimal of a percentage, else three; ``-`` where undefined."""
        if math.isnan(value):
            return "-"
        return f"{100 * value:.1f}" if self.percent else f"{value:.3f}"


class Task(abc.ABC):
    """What is predicted of a clip.

    Attributes:
        labels: names of the label's columns.
        outputs: how many numbers a model returns per clip.
        columns: the metrics, in the order in which tables show them.
        constant_name: what the row of :meth:`constant` is called.
    """

    labels: tuple[str, ...]
    outputs: int
    columns: tuple[Column, ...]
    constant_name: str

    @abc.abstractmethod
    def loss(
        self, prediction: Float[Tensor, "clip output"], labels: Float[Tensor, "clip label"]
    ) -> Float[Tensor, ""]:
        """The mean over clips of what training minimises; float32 also for half-precision input."""

    @abc.abstractmethod
    def metrics(self, prediction: Outputs, labels: PerLabel) -> dict[str, float]:
        """The value of every column, by key, in their order; NaN where one is undefined.

        Raises:
            DeadpanError: no clips, or a prediction that is not finite.
        """

    @abc.abstractmethod
    def decisions(self, prediction: Outputs) -> PerLabel:
        """What a person reads: a score for regression, probabilities of presence for emotions.

        Raises:
            DeadpanError: no clips, or a prediction that is not finite.
        """

    @abc.abstractmethod
    def from_scores(self, scores: PerLabel) -> Outputs:
        """What a linear model fitted to the labels says of each, as outputs that metrics reads."""

    def constant(self, train_labels: PerLabel) -> Float[np.ndarray, " output"]:
        """Outputs of the best guess that looks at no clip: the mean of the training labels.

        Regression: the train mean, whose Acc-2 is the share of its sign, not of the test split's
        majority. Emotions: the majority decision of each; the exclusive one is the most frequent.
        """
        return self.from_scores(train_labels.mean(axis=0, keepdims=True, dtype=np.float64))[0]


class Regression(Task):
    """Sentiment as one score in [-3, 3]."""

    outputs = 1
    constant_name = "train mean"
    columns = (
        Column("mae", "MAE", higher_is_better=False, percent=False),
        Column("corr", "Corr", percent=False),
        Column("acc7", "Acc-7"),
        Column("acc5", "Acc-5"),
        # Never one convention without the other: see deadpan.metrics.sentiment.
        Column("acc2_non0", "Acc-2 non0"),
        Column("f1_non0", "F1 non0"),
        Column("acc2_has0", "Acc-2 has0"),
        Column("f1_has0", "F1 has0"),
    )

    def __init__(self, labels: tuple[str, ...] = ("sentiment",)) -> None:
        """Take the name of the one label."""
        if len(labels) != 1:
            raise DeadpanError(f"regression got {len(labels)} labels {labels}, wanted 1; name one")
        self.labels = labels

    def loss(
        self, prediction: Float[Tensor, "clip 1"], labels: Float[Tensor, "clip 1"]
    ) -> Float[Tensor, ""]:
        """Mean absolute error (L1)."""
        return F.l1_loss(prediction.float(), labels.float())

    def metrics(
        self, prediction: Float[np.ndarray, "clip 1"], labels: Float[np.ndarray, "clip 1"]
    ) -> dict[str, float]:
        """See :class:`Task`; Acc-2 and F1 ``non0`` are NaN where every label is 0."""
        scores, truth = _finite(prediction)[:, 0], labels[:, 0].astype(np.float64)
        return {
            "mae": sentiment.mean_absolute_error(scores, truth),
            "corr": sentiment.pearson_correlation(scores, truth),
            "acc7": sentiment.accuracy_7(scores, truth),
            "acc5": sentiment.accuracy_5(scores, truth),
            "acc2_non0": sentiment.accuracy_2_non0(scores, truth),
            "f1_non0": sentiment.f1_non0(scores, truth),
            "acc2_has0": sentiment.accuracy_2_has0(scores, truth),
            "f1_has0": sentiment.f1_has0(scores, truth),
        }

    def decisions(self, prediction: Outputs) -> PerLabel:
        """The score as it is; it may leave [-3, 3]."""
        return _finite(prediction)

    def from_scores(self, scores: PerLabel) -> Outputs:
        """The scores themselves."""
        return scores


class Emotions(Task):
    """Several emotions, each absent or present; two logits (absent, present) for each in turn."""

    constant_name = "majority"

    def __init__(self, labels: tuple[str, ...]) -> None:
        """Take the names of the emotions."""
        if not labels or len({name.lower() for name in labels}) < len(labels):
            raise DeadpanError(f"emotions got {labels}, wanted one or more names, each once")
        self.labels = labels
        self.outputs = 2 * len(labels)
        self.columns = (
            Column("mean_f1", "mean F1"),
            Column("mean_accuracy", "mean Acc"),
            Column("exclusive_accuracy", f"{len(labels)}-way Acc"),
            *(
                Column(f"{name.lower()}_{key}", f"{name} {title}")
                for name in labels
                for key, title in (("acc", "Acc"), ("f1", "F1"))
            ),
        )

    def loss(
        self, prediction: Float[Tensor, "clip output"], labels: Float[Tensor, "clip label"]
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy over the clips and the two-way problems."""
        return F.cross_entropy(prediction.float().reshape(-1, 2), labels.long().reshape(-1))

    def metrics(self, prediction: Outputs, labels: PerLabel) -> dict[str, float]:
        """See :class:`Task`; ``exclusive_accuracy`` is NaN unless each clip has one emotion."""
        margins = emotion.margins(_finite(prediction))
        accuracies, f1s = emotion.accuracies(margins, labels), emotion.f1s(margins, labels)
        scores = {
            "mean_f1": float(np.mean(f1s)),
            "mean_accuracy": float(np.mean(accuracies)),
            "exclusive_accuracy": emotion.exclusive_accuracy(margins, labels),
        }
        for name, accuracy, f1 in zip(self.labels, accuracies, f1s, strict=True):
            scores |= {f"{name.lower()}_acc": accuracy, f"{name.lower()}_f1": f1}
        return scores

    def decisions(self, prediction: Outputs) -> PerLabel:
        """Probability in [0, 1] that each emotion is present: the softmax of its two logits."""
        # As a tanh of the margin, because exp would overflow for large logits.
        return 0.5 + 0.5 * np.tanh(0.5 * emotion.margins(_finite(prediction)))

    def from_scores(self, scores: PerLabel) -> Outputs:
        """(0.5, score) per emotion: present where a fit to 0 and 1 says more than 0.5."""
        return np.stack([np.full_like(scores, 0.5), scores], axis=2).reshape(len(scores), -1)


_TASKS: dict[str, type[Regression] | type[Emotions]] = {
    "regression": Regression,
    "emotions": Emotions,
}


def make_task(name: str, labels: tuple[str, ...]) -> Task:
    """The task of a data set: ``regression`` or ``emotions``.

    Raises:
        DeadpanError: an unknown name, or labels the task cannot have.
    """
    if name not in _TASKS:
        raise DeadpanError(unknown_name("task", name, _TASKS))
    return _TASKS[name](labels)


def _finite(prediction: Outputs) -> Outputs:
    """The predictions in float64; raises DeadpanError where one is NaN or infinite, or none is."""
    if not len(prediction):
        raise DeadpanError("got no clips to score, wanted at least one; give the split some")
    if wrong := int((~np.isfinite(prediction)).any(axis=1).sum()):
        raise DeadpanError(
            f"predictions of {wrong} of {len(prediction)} clips are NaN or infinite, wanted "
            "numbers: the model has diverged; train it again with a lower learning rate"
        )
    return prediction.astype(np.float64)
