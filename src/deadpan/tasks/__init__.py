"""Tasks: each fixes the number of outputs, the loss, the decoding and the metrics."""

from collections.abc import Sequence

from deadpan.errors import DeadpanError, unknown_name
from deadpan.tasks.classification import Classes, Emotions
from deadpan.tasks.regression import POINT_LOSSES, Regression, Scores
from deadpan.tasks.task import MetricColumn, Task

__all__ = ["Classes", "Emotions", "MetricColumn", "Regression", "Scores", "Task", "make_task"]

_TASKS: dict[str, type[Regression | Scores | Emotions | Classes]] = {
    "regression": Regression,
    "emotions": Emotions,
    "classes": Classes,
    "scores": Scores,
}

LOSSES = (*POINT_LOSSES, "distribution")
"""Losses that can be named; those that compare numbers fit regression and scores alone."""


def make_task(
    name: str,
    labels: tuple[str, ...],
    loss: str | None = None,
    *,
    ranges: Sequence[Sequence[float]] = (),
) -> Task:
    """Build the task that a data set names.

    Args:
        name: of the task.
        labels: names of its labels.
        loss: one of ``LOSSES``; None = the task's own, which for emotions and classes is that of a
            "distribution" too.
        ranges: lowest and highest training label of each, which a distribution over scores needs.

    Raises:
        DeadpanError: the name is unknown, or the task cannot have such labels or such a loss.
    """
    if name not in _TASKS:
        raise DeadpanError(unknown_name("task", name, _TASKS))
    if loss is None or (loss == "distribution" and not _TASKS[name].predicts_numbers):
        return _TASKS[name](labels)
    if loss not in LOSSES:
        raise DeadpanError(unknown_name("loss", loss, LOSSES))
    if name == "regression":
        return Regression(labels, loss)
    if name == "scores":
        return Scores(labels, loss, ranges)
    raise DeadpanError(
        f"loss '{loss}' compares numbers, but {name} has the loss cross-entropy; leave --loss out, "
        "or say distribution"
    )
