"""Tasks with numeric labels: sentiment in [-3, 3], or one or several numbers on any scale.

Three losses train them. ``l1`` and ``smooth_l1`` compare predicted numbers with the labels.
``distribution`` has the model predict a logit for each of ``BINS`` values over each label's range:
the target is a Gaussian of deviation ``SIGMA`` round the label, and the prediction is the
expectation.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deadpan.errors import DeadpanError
from deadpan.metrics import distributions
from deadpan.metrics import regression as metrics
from deadpan.tasks.task import MetricColumn, Outputs, PerLabel, Task, finite_outputs, safe_keys

# Never one convention without the other: see deadpan.metrics.regression.
_POLARITY = {
    MetricColumn("acc2_non0", "Acc-2 non0"): metrics.accuracy_2_non0,
    MetricColumn("f1_non0", "F1 non0"): metrics.f1_non0,
    MetricColumn("acc2_has0", "Acc-2 has0"): metrics.accuracy_2_has0,
    MetricColumn("f1_has0", "F1 has0"): metrics.f1_has0,
}

BINS = 25
"""Bins of a label's range under the loss ``distribution``."""
REACH = 3.0
"""Half the range of sentiment; the range of any label is scaled to it under ``distribution``."""
SIGMA = 0.35
"""Deviation of the target round a label, where its range is [-3, 3]."""
EXPECTATION_WEIGHT = 0.5
"""Weight of the smooth L1 error of the expectation, beside the cross-entropy."""
POINT_LOSSES = {"l1": F.l1_loss, "smooth_l1": F.smooth_l1_loss}
"""Losses that compare predicted numbers with labels, in the labels' units."""


def _mae(key: str, title: str) -> MetricColumn:
    return MetricColumn(key, title, higher_is_better=False, percent=False)


def _corr(key: str, title: str) -> MetricColumn:
    return MetricColumn(key, title, percent=False)


class _Numbers(Task):
    """Base of both tasks: the outputs are the predicted numbers, or logits over bins of them.

    Args:
        labels: names of the labels.
        loss: ``l1``, ``smooth_l1`` or ``distribution``.
        ranges: lowest and highest value of each label, for ``distribution``.
    """

    constant_name = "train mean"
    predicts_numbers = True

    def __init__(
        self, labels: tuple[str, ...], loss: str, ranges: Sequence[Sequence[float]]
    ) -> None:
        self.labels, self._loss = labels, loss
        self.outputs = len(labels)
        if loss == "distribution":
            self.bins = _bins(labels, ranges)
            self.outputs *= BINS

    def loss(
        self, prediction: Float[Tensor, "clip output"], labels: Float[Tensor, "clip label"]
    ) -> Float[Tensor, ""]:
        """Mean over the clips and the labels: the absolute error (L1) unless another was chosen.

        Errors are in the labels' units, so that a label on a wide scale counts more; those of a
        distribution are in units of its range.
        """
        prediction, labels = prediction.float(), labels.float()
        if self.bins is None:
            return POINT_LOSSES[self._loss](prediction, labels)
        low, high = torch.from_numpy(self.bins[:, [0, -1]]).to(labels).unbind(dim=1)
        target = (labels - (low + high) / 2) * (2 * REACH / (high - low))
        values = torch.linspace(-REACH, REACH, BINS, device=labels.device)
        wanted = (-0.5 * ((values - target[:, :, None]) / SIGMA).square()).softmax(dim=2)
        logits = prediction.unflatten(1, (len(self.labels), BINS))
        cross_entropy = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(0, 1))
        error = F.smooth_l1_loss(logits.softmax(dim=2) @ values, target)
        return cross_entropy + EXPECTATION_WEIGHT * error

    def validation_loss(self, prediction: Outputs, labels: PerLabel) -> float:
        """Mean absolute error of the predicted numbers, whatever loss trains them.

        Cross-entropy rises as probabilities grow too sure, long before the expectations err more;
        and runs of different losses can be compared. Units are those of :meth:`loss`.
        """
        values, scale = prediction, np.ones(len(self.labels))
        if self.bins is not None:
            values = self.decisions(prediction)
            scale = 2 * REACH / (self.bins[:, -1] - self.bins[:, 0])
        predicted, true = (
            torch.from_numpy(np.asarray(x * scale, np.float32)) for x in (values, labels)
        )
        return float(F.l1_loss(predicted, true))

    def decisions(self, prediction: Outputs) -> PerLabel:
        """The predicted numbers, which may leave the labels' range unless they are expectations."""
        if self.bins is None or prediction.shape[1] == len(self.labels):
            return finite_outputs(prediction)
        logits = finite_outputs(prediction).reshape(len(prediction), *self.bins.shape)
        return distributions.expectation(logits, self.bins)

    def from_scores(self, scores: PerLabel) -> Outputs:
        """The scores themselves."""
        return scores


def _bins(
    labels: tuple[str, ...], ranges: Sequence[Sequence[float]]
) -> Float[np.ndarray, "label bin"]:
    """Values of the bins over the range of each label; DeadpanError where one has no range."""
    if [len(ends) for ends in ranges] != [2] * len(labels):
        raise DeadpanError(
            f"distribution got the ranges {list(ranges)}, wanted the lowest and highest value of "
            f"each of {len(labels)} labels"
        )
    for name, (low, high) in zip(labels, ranges, strict=True):
        if not -np.inf < low < high < np.inf:
            raise DeadpanError(
                f"label '{name}' goes from {low:g} to {high:g} in the training clips, which leaves "
                "no range for a distribution; train with --loss smooth_l1"
            )
    return np.stack([np.linspace(low, high, BINS) for low, high in ranges])


class Regression(_Numbers):
    """Sentiment as one score in [-3, 3]."""

    bounds = -REACH, REACH

    columns = (
        _mae("mae", "MAE"),
        _corr("corr", "Corr"),
        MetricColumn("acc7", "Acc-7"),
        MetricColumn("acc5", "Acc-5"),
        *_POLARITY,
    )

    def __init__(self, labels: tuple[str, ...] = ("sentiment",), loss: str = "l1") -> None:
        """Take the name of the one label, and the loss."""
        if len(labels) != 1:
            raise DeadpanError(f"regression got {len(labels)} labels {labels}, wanted 1; name one")
        super().__init__(labels, loss, [(-REACH, REACH)])

    def metrics(self, prediction: Outputs, labels: Float[np.ndarray, "clip 1"]) -> dict[str, float]:
        """See :class:`Task`; Acc-2 and F1 ``non0`` are NaN where every label is 0."""
        scores, label = self.decisions(prediction)[:, 0], labels[:, 0].astype(np.float64)
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

    The mean MAE adds up errors in the labels' own units: a label on a wide scale counts more. A
    single label named ``sentiment`` has its neutral point at 0 and is scored for polarity.
    """

    def __init__(
        self,
        labels: tuple[str, ...],
        loss: str = "l1",
        ranges: Sequence[Sequence[float]] = (),
    ) -> None:
        """Take the names of the labels, the loss, and the ranges of the labels in training."""
        if not labels or len(set(labels)) < len(labels):
            raise DeadpanError(f"scores got {labels}, wanted one or more names, each once")
        super().__init__(labels, loss, ranges)
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
        scores, label = self.decisions(prediction), labels.astype(np.float64)
        maes = metrics.errors_per_label(scores, label)
        corrs = metrics.correlations_per_label(scores, label)
        each = zip(maes, corrs, strict=True) if len(self.labels) > 1 else ()
        values = (
            *(metrics.mean_without_nan(maes), metrics.mean_without_nan(corrs)),
            *(metric(scores[:, 0], label[:, 0]) for metric in self._polarity.values()),
            *(value for pair in each for value in pair),
        )
        return {column.key: value for column, value in zip(self.columns, values, strict=True)}
