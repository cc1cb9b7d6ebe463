"""The task contract, and the columns in which tables show its metrics."""

import abc
import dataclasses
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from torch import Tensor

from deadpan.errors import DeadpanError

Outputs = Float[np.ndarray, "clip output"]
PerLabel = Float[np.ndarray, "clip label"]


@dataclasses.dataclass(frozen=True)
class MetricColumn:
    """A metric as a table column: its key, its title and its format.

    Attributes:
        key: its name in the dictionary of :meth:`Task.metrics`.
        title: its heading in tables.
        higher_is_better: False for errors.
        percent: the value is a share in [0, 1], shown times 100.
    """

    key: str
    title: str
    higher_is_better: bool = True
    percent: bool = True

    def format(self, value: float) -> str:
        """Text of a value: a percentage with one decimal or else three decimals; ``-`` for NaN."""
        if math.isnan(value):
            return "-"
        return f"{100 * value:.1f}" if self.percent else f"{value:.3f}"

    def shown(self, value: float) -> str:
        """The value as pages show it: with a true minus sign, and a dash where undefined."""
        return self.format(value).replace("-", "−") if math.isfinite(value) else "–"

    def best(self, values: Mapping[str, float]) -> frozenset[str]:
        """Names of the values that none beats, as shown; none where fewer than two are defined."""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        if len(finite) < 2:
            return frozenset()
        top = self.format((max if self.higher_is_better else min)(finite.values()))
        return frozenset(name for name, value in finite.items() if self.format(value) == top)


class Task(abc.ABC):
    """A prediction task: number of outputs, loss, decoding and metrics.

    Attributes:
        labels: names of the columns of the label array.
        outputs: how many numbers a model returns per clip.
        bins: values of the bins over which the outputs are each label's logits; None where they are
            no distribution.
        predicts_numbers: whether decisions are numbers; else they are probabilities.
        bounds: lowest and highest value a label can have; None where no scale is known.
        columns: the metrics, in the order in which tables show them.
        constant_name: name of the table row that scores :meth:`constant`.
    """

    labels: tuple[str, ...]
    outputs: int
    bins: Float[np.ndarray, "label bin"] | None = None
    predicts_numbers: bool = False
    bounds: tuple[float, float] | None = None
    columns: tuple[MetricColumn, ...]
    constant_name: str

    @abc.abstractmethod
    def loss(
        self, prediction: Float[Tensor, "clip output"], labels: Float[Tensor, "clip label"]
    ) -> Float[Tensor, ""]:
        """Training loss, averaged over clips; computed in float32 even for half-precision input."""

    @abc.abstractmethod
    def metrics(self, prediction: Outputs, labels: PerLabel) -> dict[str, float]:
        """Value of every column by key, in the order of ``columns``; NaN where undefined.

        Raises:
            DeadpanError: there are no clips, or a prediction is not finite.
        """

    @abc.abstractmethod
    def decisions(self, prediction: Outputs) -> PerLabel:
        """Predicted number of each label, or its predicted probability in [0, 1].

        Raises:
            DeadpanError: there are no clips, or a prediction is not finite.
        """

    @abc.abstractmethod
    def from_scores(self, scores: PerLabel) -> Outputs:
        """Model outputs that stand for the scores of a linear model fitted to the labels.

        Where a model's outputs are a distribution these are the scores themselves, which metrics
        and decisions take as they are: a baseline scores alike under every loss.
        """

    def constant(self, train_labels: PerLabel) -> Float[np.ndarray, " output"]:
        """Outputs of the constant baseline: the mean of the training labels, for every clip.

        For regression and scores this predicts the train mean of each label, so its Acc-2 is the
        share of that mean's sign, not of the test split's majority. For emotions it predicts the
        majority decision of each, and for the exclusive accuracy the most frequent emotion; for
        classes the most frequent class.
        """
        return self.from_scores(train_labels.mean(axis=0, keepdims=True, dtype=np.float64))[0]


def finite_outputs(prediction: Outputs) -> Outputs:
    """Convert predictions to float64.

    Raises:
        DeadpanError: there are no predictions, or one is NaN or infinite.
    """
    if not len(prediction):
        raise DeadpanError("got no clips to score, wanted at least one; give the split some")
    if count := int((~np.isfinite(prediction)).any(axis=1).sum()):
        raise DeadpanError(
            f"predictions of {count} of {len(prediction)} clips are NaN or infinite, wanted "
            "numbers: the model has diverged; train it again with a lower learning rate"
        )
    return prediction.astype(np.float64)


def safe_keys(names: Sequence[str]) -> tuple[str, ...]:
    """Turn names into distinct keys of a-z, 0-9 and ``_``: ``Très bien`` becomes ``tres_bien``.

    If a name leaves nothing or two leave the same (``joy`` and ``Joy``), every key starts with its
    position from 1: ``1_joy``, ``2_joy``.
    """
    plain = [unicodedata.normalize("NFKD", name).encode("ascii", "ignore") for name in names]
    keys = [re.sub(r"[^a-z0-9]+", "_", text.decode().lower()).strip("_") for text in plain]
    if all(keys) and len(set(keys)) == len(keys):
        return tuple(keys)
    return tuple(f"{index}_{key}".rstrip("_") for index, key in enumerate(keys, start=1))
