"""Tasks: each fixes the number of outputs, the loss, the decoding and the metrics."""

from collections.abc import Callable

from deadpan.errors import DeadpanError, unknown_name
from deadpan.tasks.classification import Classes, Emotions
from deadpan.tasks.regression import Regression, Scores
from deadpan.tasks.task import MetricColumn, Task

__all__ = ["Classes", "Emotions", "MetricColumn", "Regression", "Scores", "Task", "make_task"]

_TASKS: dict[str, Callable[[tuple[str, ...]], Task]] = {
    "regression": Regression,
    "emotions": Emotions,
    "classes": Classes,
    "scores": Scores,
}


def make_task(name: str, labels: tuple[str, ...]) -> Task:
    """Build the task that a data set names.

    Raises:
        DeadpanError: the name is unknown, or the task cannot have such labels.
    """
    if name not in _TASKS:
        raise DeadpanError(unknown_name("task", name, _TASKS))
    return _TASKS[name](labels)
