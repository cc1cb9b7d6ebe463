"""What a task is, and what its metrics are called."""

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

    def shown(self, value: float) -> str:
        """The value as pages show it: with a true minus sign, and a dash where undefined."""
        return self.format(value).replace("-", "−") if math.isfinite(value) else "–"

    def best(self, values: Mapping[str, float]) -> frozenset[str]:
        """Names of the values that none beats, as shown; none where fewer than two are defined."""
        known = {name: value for name, value in values.items() if math.isfinite(value)}
        if len(known) < 2:
            return frozenset()
        top = self.format((max if self.higher_is_better else min)(known.values()))
        return frozenset(name for name, value in known.items() if self.format(value) == top)


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
        """What a person reads of each label: a number, or a probability.

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
        Classes: the most frequent. Scores: the train mean of each.
        """
        return self.from_scores(train_labels.mean(axis=0, keepdims=True, dtype=np.float64))[0]


def finite(prediction: Outputs) -> Outputs:
    """The predictions in float64; raises DeadpanError where one is NaN or infinite, or none is."""
    if not len(prediction):
        raise DeadpanError("got no clips to score, wanted at least one; give the split some")
    if wrong := int((~np.isfinite(prediction)).any(axis=1).sum()):
        raise DeadpanError(
            f"predictions of {wrong} of {len(prediction)} clips are NaN or infinite, wanted "
            "numbers: the model has diverged; train it again with a lower learning rate"
        )
    return prediction.astype(np.float64)


def safe_keys(names: Sequence[str]) -> tuple[str, ...]:
    """A key of a-z, 0-9 and ``_`` per name, each another one: ``Très bien`` is ``tres_bien``.

    Where that leaves nothing of a name, or the same of two (``joy`` and ``Joy``), every key starts
    with its position from 1: ``1_joy``, ``2_joy``.
    """
    plain = [unicodedata.normalize("NFKD", name).encode("ascii", "ignore") for name in names]
    keys = [re.sub(r"[^a-z0-9]+", "_", text.decode().lower()).strip("_") for text in plain]
    if all(keys) and len(set(keys)) == len(keys):
        return tuple(keys)
    return tuple(f"{index}_{key}".rstrip("_") for index, key in enumerate(keys, start=1))
