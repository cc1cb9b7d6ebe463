import numpy as np
import pytest

from deadpan.data.formats.label_columns import task_of


@pytest.mark.parametrize(
    ("labels", "names", "wanted"),
    [
        ([[-3], [3]], (), ("regression", ("sentiment",))),
        ([[np.nan], [3]], ("anything",), ("regression", ("sentiment",))),
        ([[1], [7]], (), ("scores", ("sentiment",))),
        ([[0, 1]], (), ("scores", ("label 1", "label 2"))),
        ([[0, 1]], ("a", "b"), ("scores", ("a", "b"))),
        ([[0, 1]], ("a", "a"), ("scores", ("label 1", "label 2"))),
        ([[0, 1]], ("a", "b", "c"), ("scores", ("label 1", "label 2"))),
    ],
)
def test_labels_tell_the_task(labels, names, wanted):
    assert task_of(np.array(labels), names) == wanted
