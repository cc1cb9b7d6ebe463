"""What columns of numbers are labels of, where the file does not tell."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Num

from deadpan.data.dataset import TaskName

SENTIMENT = "sentiment"


def task_of(
    labels: Num[np.ndarray, "clip label"], names: Sequence[str] = ()
) -> tuple[TaskName, tuple[str, ...]]:
    """The task of a table of labels, and what its columns are called.

    One column with every number in [-3, 3] is sentiment, and its task regression. Any other (one
    column of ratings from 1 to 7, the seventeen of POM) has the task "scores".

    Args:
        labels: at least one column; NaN says nothing of the range.
        names: of the columns; those of any other number or not unique are not used. Without names,
            one column is "sentiment" and several are "label 1", "label 2" and so on.
    """
    width = labels.shape[1]
    if width == 1:
        with np.errstate(invalid="ignore"):  # NaN may be of the kind that signals
            within = not (np.abs(labels.astype(np.float64)) > 3).any()
        return "regression" if within else "scores", (SENTIMENT,)
    if len(set(names)) == len(names) == width:
        return "scores", tuple(names)
    return "scores", tuple(f"label {column + 1}" for column in range(width))
