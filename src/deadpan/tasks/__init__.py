"""Tasks: how many outputs a model needs, its loss, and what its outputs mean and score."""

from collections.abc import Callable

from deadpan.errors import DeadpanError, unknown_name
from deadpan.tasks.classes import Classes
from deadpan.tasks.emotions import Emotions
from deadpan.tasks.regression import Regression
from deadpan.tasks.scores import Scores
from deadpan.tasks.task import Column, Task

__all__ = ["Classes", "Column", "Emotions", "Regression", "Scores", "Task", "make_task"]

_TASKS: dict[str, Callable[[tuple[str, ...]], Task]] = {
    "regression": Regression,
    "emotions": Emotions,
    "classes": Classes,
    "scores": Scores,
}


def make_task(name: str, labels: tuple[str, ...]) -> Task:
    """The task of a data set, by the name that data sets use.

    Raises:
        DeadpanError: an unknown name, or labels the task cannot have.
    """
    if name not in _TASKS:
        raise DeadpanError(unknown_name("task", name, _TASKS))
    return _TASKS[name](labels)
