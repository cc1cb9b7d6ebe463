"""Emotions that may be present together: as many two-way problems."""

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deadpan.errors import DeadpanError
from deadpan.metrics import emotion
from deadpan.tasks.task import Column, Outputs, PerLabel, Task, finite, safe_keys


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
            Column("mean_f1", "mean F1"),
            Column("mean_accuracy", "mean Acc"),
            Column("exclusive_accuracy", f"{len(labels)}-way Acc"),
            *(
                Column(f"{emotion}_{key}", f"{name} {title}")
                for emotion, name in zip(keys, labels, strict=True)
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
        margins = emotion.margins(finite(prediction))
        accuracies, f1s = emotion.accuracies(margins, labels), emotion.f1s(margins, labels)
        scores = {
            "mean_f1": float(np.mean(f1s)),
            "mean_accuracy": float(np.mean(accuracies)),
            "exclusive_accuracy": emotion.exclusive_accuracy(margins, labels),
        }
        each = (value for pair in zip(accuracies, f1s, strict=True) for value in pair)
        keys = [column.key for column in self.columns[len(scores) :]]
        return scores | dict(zip(keys, each, strict=True))

    def decisions(self, prediction: Outputs) -> PerLabel:
        """Probability in [0, 1] that each emotion is present: the softmax of its two logits."""
        # As a tanh of the margin, because exp would overflow for large logits.
        return 0.5 + 0.5 * np.tanh(0.5 * emotion.margins(finite(prediction)))

    def from_scores(self, scores: PerLabel) -> Outputs:
        """(0.5, score) per emotion: present where a fit to 0 and 1 says more than 0.5."""
        return np.stack([np.full_like(scores, 0.5), scores], axis=2).reshape(len(scores), -1)
