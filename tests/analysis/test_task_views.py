import typing

import numpy as np
import pytest

from deadpan.analysis.predictions import hardest
from deadpan.analysis.task_views import VIEWS
from deadpan.data.dataset import TaskName

from .test_predictions import predictions


def test_every_task_has_a_view():
    assert set(VIEWS) == set(typing.get_args(TaskName))


@pytest.mark.parametrize(
    ("task", "labels", "truth", "said", "cells"),
    [
        ("regression", ("sentiment",), [2.0], [-0.5], ("+2.00", "−0.50", "−2.50")),
        ("emotions", ("Happy", "Sad"), [1, 0], [0.9, 0.6], ("Sad", "absent", "0.600", "0.400")),
        ("classes", ("no", "yes"), [0, 1], [0.7, 0.3], ("yes", "no", "0.300")),
        ("scores", ("calm", "age"), [3.0, 40], [3.5, 1], ("age", "40", "1", "−39")),
    ],
)
def test_a_hard_clip_in_cells(task, labels, truth, said, cells):
    view, one = VIEWS[task], predictions([truth], [said], labels)
    (clip,) = hardest(one, view.faults(one))
    assert view.hard_cells(clip) == cells
    assert len(view.hard_columns) == len(cells)
    assert view.panel(one).svg.startswith("<svg")


def test_scores_are_shown_with_the_digits_of_their_scale():
    one = predictions(np.array([[0.00012]]), np.array([[12345.678]]), ("a",))
    (clip,) = hardest(one, VIEWS["scores"].faults(one))
    assert VIEWS["scores"].hard_cells(clip) == ("a", "0.00012", "12,346", "+12,346")
