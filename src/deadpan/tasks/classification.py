"""Tasks with class labels: one of several classes, or emotions that may be present together."""

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deadpan.errors import DeadpanError
from deadpan.metrics import classification as metrics
from deadpan.metrics.distributions import probabilities
from deadpan.tasks.task import MetricColumn, Outputs, PerLabel, Task, finite_outputs, safe_keys


class Classes(Task):
    """One of several classes; labels are one-hot, outputs a logit for each class."""

    constant_name = "majority"

    def __init__(self, labels: tuple[str, ...]) -> None:
        """Take the names of the classes."""
        if len(labels) < 2 or len(set(labels)) < len(labels):
            raise DeadpanError(f"classes got {labels}, wanted two or more names, each once")
        self.labels = labels
        self.outputs = len(labels)
        keys = safe_keys(labels)
        self.columns = (
            MetricColumn("accuracy", "Acc"),
            MetricColumn("weighted_f1", "weighted F1"),
            MetricColumn("macro_f1", "macro F1"),
            # The class last: "weighted F1" is then never the F1 of a class named so.
            *(MetricColumn(f"f1_{k}", f"F1 {name}") for k, name in zip(keys, labels, strict=True)),
        )

    def loss(
        self, prediction: Float[Tensor, "clip output"], labels: Float[Tensor, "clip label"]
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy over the clips, in nats."""
        return F.cross_entropy(prediction.float(), labels.argmax(dim=1))

    def metrics(self, prediction: Outputs, labels: PerLabel) -> dict[str, float]:
        """See :class:`Task`; a class that no clip has is NaN and counts in neither mean."""
        predicted = metrics.class_indices(finite_outputs(prediction))
        counts = metrics.confusion_counts(predicted, metrics.class_indices(labels), self.outputs)
        values = (
            metrics.accuracy(counts),
            metrics.weighted_f1(counts),
            metrics.macro_f1(counts),
            *metrics.f1_per_class(counts),
        )
        return {column.key: value for column, value in zip(self.columns, values, strict=True)}

    def decisions(self, prediction: Outputs) -> PerLabel:
        """Probability of each class, in [0, 1] with sum 1: the softmax of the logits."""
        return probabilities(finite_outputs(prediction))

    def from_scores(self, scores: PerLabel) -> Outputs:
        """The scores as logits: the highest fitted score wins, the first of several that tie."""
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
        keys = [f"emotion_{k}" if k in ("mean", "exclusive") else k for k in safe_keys(labels)]
        self.columns = (
            MetricColumn("mean_f1", "mean F1"),
            MetricColumn("mean_accuracy", "mean Acc"),
            MetricColumn("exclusive_accuracy", f"{len(labels)}-way Acc"),
            *(
                MetricColumn(f"{emotion}_{key}", f"{name} {title}")
                for emotion, name in zip(keys, labels, strict=True)
                for key, title in (("acc", "Acc"), ("f1", "F1"))
            ),
        )

    def loss(
        self, prediction: Float[Tensor, "clip output"], labels: Float[Tensor, "clip label"]
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy over the clips and the two-way problems, in nats."""
        return F.cross_entropy(prediction.float().reshape(-1, 2), labels.long().reshape(-1))

    def metrics(self, prediction: Outputs, labels: PerLabel) -> dict[str, float]:
        """See :class:`Task`; ``exclusive_accuracy`` is NaN unless each clip has one emotion."""
        margins = metrics.emotion_margins(finite_outputs(prediction))
        accuracies = metrics.emotion_accuracies(margins, labels)
        f1s = metrics.emotion_f1s(margins, labels)
        values = (
            float(np.mean(f1s)),
            float(np.mean(accuracies)),
            metrics.exclusive_accuracy(margins, labels),
            *(value for pair in zip(accuracies, f1s, strict=True) for value in pair),
        )
        return {column.key: value for column, value in zip(self.columns, values, strict=True)}

    def decisions(self, prediction: Outputs) -> PerLabel:
        """Probability in [0, 1] that each emotion is present: the softmax of its two logits."""
        # As a tanh of the margin, because exp would overflow for large logits.
        return 0.5 + 0.5 * np.tanh(0.5 * metrics.emotion_margins(finite_outputs(prediction)))

    def from_scores(self, scores: PerLabel) -> Outputs:
        """Logits (0.5, score) per emotion: present where a fit to 0 and 1 gives more than 0.5."""
        return np.stack([np.full_like(scores, 0.5), scores], axis=2).reshape(len(scores), -1)
