"""Sentiment as the field scores it: one number in [-3, 3]."""

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deadpan.errors import DeadpanError
from deadpan.metrics import sentiment
from deadpan.tasks.task import Column, Outputs, PerLabel, Task, finite


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
        scores, truth = finite(prediction)[:, 0], labels[:, 0].astype(np.float64)
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
        return finite(prediction)

    def from_scores(self, scores: PerLabel) -> Outputs:
        """The scores themselves."""
        return scores
