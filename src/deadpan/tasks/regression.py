"""Tasks with numeric labels: sentiment in [-3, 3], or one or several numbers on any scale."""

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deadpan.errors import DeadpanError
from deadpan.metrics import regression as metrics
from deadpan.tasks.task import MetricColumn, Outputs, PerLabel, Task, finite_outputs, safe_keys

# Never one convention without the other: see deadpan.metrics.regression.
_POLARITY = {
    MetricColumn("acc2_non0", "Acc-2 non0"): metrics.accuracy_2_non0,
    MetricColumn("f1_non0", "F1 non0"): metrics.f1_non0,
    MetricColumn("acc2_has0", "Acc-2 has0"): metrics.accuracy_2_has0,
    MetricColumn("f1_has0", "F1 has0"): metrics.f1_has0,
}


def _mae(key: str, title: str) -> MetricColumn:
    return MetricColumn(key, title, higher_is_better=False, percent=False)


def _corr(key: str, title: str) -> MetricColumn:
    return MetricColumn(key, title, percent=False)


class _Numbers(Task):
    """Base of both tasks: the outputs are the predicted numbers themselves."""

    constant_name = "train mean"

    def loss(
        self, prediction: Float[Tensor, "clip output"], labels: Float[Tensor, "clip label"]
    ) -> Float[Tensor, ""]:
        """Mean absolute error (L1) over the clips and the labels, in the labels' units."""
        return F.l1_loss(prediction.float(), labels.float())

    def decisions(self, prediction: Outputs) -> PerLabel:
        """The predicted numbers; they may leave the labels' range."""
        return finite_outputs(prediction)

    def from_scores(self, scores: PerLabel) -> Outputs:
        """The scores themselves."""
        return scores


class Regression(_Numbers):
    """Sentiment as one score in [-3, 3]."""

    outputs = 1
    columns = (
        _mae("mae", "MAE"),
        _corr("corr", "Corr"),
        MetricColumn("acc7", "Acc-7"),
        MetricColumn("acc5", "Acc-5"),
        *_POLARITY,
    )

    def __init__(self, labels: tuple[str, ...] = ("sentiment",)) -> None:
        """Take the name of the one label."""
        if len(labels) != 1:
            raise DeadpanError(f"regression got {len(labels)} labels {labels}, wanted 1; name one")
        self.labels = labels

    def metrics(
        self, prediction: Float[np.ndarray, "clip 1"], labels: Float[np.ndarray, "clip 1"]
    ) -> dict[str, float]:
        """See :class:`Task`; Acc-2 and F1 ``non0`` are NaN where every label is 0."""
        scores, label = finite_outputs(prediction)[:, 0], labels[:, 0].astype(np.float64)
        functions = (
            metrics.mean_absolute_error,
            metrics.pearson_correlation,
            metrics.accuracy_7,
            metrics.accuracy_5,
            *_POLARITY.values(),
        )
        return {
            column.key: metric(scores, label)
            for column, metric in zip(self.columns, functions, strict=True)
        }


class Scores(_Numbers):
    """A number for each label, on whatever scale the labels have: traits of a speaker, say.

    The loss and the mean MAE add up errors in the labels' own units: a label on a wide scale counts
    more. A single label named ``sentiment`` has its neutral point at 0 and is scored for polarity.
    """

    def __init__(self, labels: tuple[str, ...]) -> None:
        """Take the names of the labels."""
        if not labels or len(set(labels)) < len(labels):
            raise DeadpanError(f"scores got {labels}, wanted one or more names, each once")
        self.labels = labels
        self.outputs = len(labels)
        self._polarity = _POLARITY if labels == ("sentiment",) else {}
        single = len(labels) == 1
        self.columns = (
            _mae("mae", "MAE" if single else "mean MAE"),
            _corr("corr", "Corr" if single else "mean Corr"),
            *self._polarity,
            *(
                column
                for key, name in zip(safe_keys(labels), labels, strict=True)
                for column in (
                    _mae(f"mae_{key}", f"MAE {name}"),
                    _corr(f"corr_{key}", f"Corr {name}"),
                )
                if not single
            ),
        )

    def metrics(self, prediction: Outputs, labels: PerLabel) -> dict[str, float]:
        """See :class:`Task`; Corr is NaN for a label that is the same in all clips."""
        scores, label = finite_outputs(prediction), labels.astype(np.float64)
        maes = metrics.errors_per_label(scores, label)
        corrs = metrics.correlations_per_label(scores, label)
        each = zip(maes, corrs, strict=True) if len(self.labels) > 1 else ()
        values = (
            *(metrics.mean_without_nan(maes), metrics.mean_without_nan(corrs)),
            *(metric(scores[:, 0], label[:, 0]) for metric in self._polarity.values()),
            *(value for pair in each for value in pair),
        )
        return {column.key: value for column, value in zip(self.columns, values, strict=True)}
