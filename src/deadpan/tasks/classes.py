"""Exactly one of several classes: MELD's emotions, sarcasm or none, and the like."""

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deadpan.errors import DeadpanError
from deadpan.metrics import classes
from deadpan.tasks.task import Column, Outputs, PerLabel, Task, finite, safe_keys


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
            Column("accuracy", "Acc"),
            Column("weighted_f1", "weighted F1"),
            Column("macro_f1", "macro F1"),
            # The class last: "weighted F1" is then never the F1 of a class named so.
            *(Column(f"f1_{k}", f"F1 {name}") for k, name in zip(keys, labels, strict=True)),
        )

    def loss(
        self, prediction: Float[Tensor, "clip output"], labels: Float[Tensor, "clip label"]
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy over the clips, in nats."""
        return F.cross_entropy(prediction.float(), labels.argmax(dim=1))

    def metrics(self, prediction: Outputs, labels: PerLabel) -> dict[str, float]:
        """See :class:`Task`; a class that no clip is of has NaN and counts in neither mean."""
        true, said = classes.positions(labels), classes.positions(finite(prediction))
        counts = classes.confusion(true, said, self.outputs)
        values = (
            classes.accuracy(counts),
            classes.weighted_f1(counts),
            classes.macro_f1(counts),
            *classes.f1s(counts),
        )
        return {column.key: value for column, value in zip(self.columns, values, strict=True)}

    def decisions(self, prediction: Outputs) -> PerLabel:
        """Probability in [0, 1] of each class, sum 1: the softmax of the logits."""
        logits = finite(prediction)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def from_scores(self, scores: PerLabel) -> Outputs:
        """The scores as logits: the class whose 0 and 1 were fitted highest, ties the first."""
        return scores
