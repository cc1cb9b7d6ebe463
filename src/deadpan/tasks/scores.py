"""One or several numbers per clip on any scale: traits of a speaker, sentiment in [-1, 1]."""

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from deadpan.errors import DeadpanError
from deadpan.metrics import scores as metrics
from deadpan.metrics import sentiment
from deadpan.tasks.task import Column, Outputs, PerLabel, Task, finite, safe_keys

# Where 0 is neutral. Never one convention without the other: see deadpan.metrics.sentiment.
_POLARITY = {
    Column("acc2_non0", "Acc-2 non0"): sentiment.accuracy_2_non0,
    Column("f1_non0", "F1 non0"): sentiment.f1_non0,
    Column("acc2_has0", "Acc-2 has0"): sentiment.accuracy_2_has0,
    Column("f1_has0", "F1 has0"): sentiment.f1_has0,
}


class Scores(Task):
    """A number for each label, on whatever scale the labels have.

    The loss and the mean MAE add up what is measured in the labels' own units: a label on a wide
    scale counts more. A single label named ``sentiment`` has its neutral point at 0.
    """

    constant_name = "train mean"

    def __init__(self, labels: tuple[str, ...]) -> None:
        """Take the names of the labels."""
        if not labels or len(set(labels)) < len(labels):
            raise DeadpanError(f"scores got {labels}, wanted one or more names, each once")
        self.labels = labels
        self.outputs = len(labels)
        self._polarity = _POLARITY if labels == ("sentiment",) else {}
        alone = len(labels) == 1
        self.columns = (
            _mae("mae", "MAE" if alone else "mean MAE"),
            _corr("corr", "Corr" if alone else "mean Corr"),
            *self._polarity,
            *(
                column
                for key, name in zip(safe_keys(labels), labels, strict=True)
                for column in (
                    _mae(f"mae_{key}", f"MAE {name}"),
                    _corr(f"corr_{key}", f"Corr {name}"),
                )
                if not alone
            ),
        )

    def loss(
        self, prediction: Float[Tensor, "clip output"], labels: Float[Tensor, "clip label"]
    ) -> Float[Tensor, ""]:
        """Mean absolute error (L1) over the clips and the labels."""
        return F.l1_loss(prediction.float(), labels.float())

    def metrics(self, prediction: Outputs, labels: PerLabel) -> dict[str, float]:
        """See :class:`Task`; a label that is the same in all clips has no Corr."""
        said, true = finite(prediction), labels.astype(np.float64)
        maes = metrics.mean_absolute_errors(true, said)
        corrs = metrics.pearson_correlations(true, said)
        each = zip(maes, corrs, strict=True) if len(self.labels) > 1 else ()
        values = (
            *(metrics.mean_of_known(maes), metrics.mean_of_known(corrs)),
            *(metric(said[:, 0], true[:, 0]) for metric in self._polarity.values()),
            *(value for pair in each for value in pair),
        )
        return {column.key: value for column, value in zip(self.columns, values, strict=True)}

    def decisions(self, prediction: Outputs) -> PerLabel:
        """The numbers as they are; they may leave the labels' scale."""
        return finite(prediction)

    def from_scores(self, scores: PerLabel) -> Outputs:
        """The scores themselves."""
        return scores


def _mae(key: str, title: str) -> Column:
    return Column(key, title, higher_is_better=False, percent=False)


def _corr(key: str, title: str) -> Column:
    return Column(key, title, percent=False)
