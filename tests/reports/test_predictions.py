import dataclasses
import typing

import numpy as np
import pytest
from matplotlib.figure import Figure

from deadpan.data.dataset import TaskName
from deadpan.reports import predictions as module
from deadpan.reports.predictions import (
    MOST_SCATTERS,
    VIEWS,
    classes_panel,
    emotions_panel,
    scatter,
    scatters,
    scores_panel,
    sentiment_panel,
    strips,
)
from deadpan.show.drawing import to_svg
from deadpan.training.predictions import hardest

from ..training.test_predictions import predictions


def test_sentiment_in_words():
    found = sentiment_panel(predictions([[-2], [2]], [[-1], [1]])).finding
    assert found == (
        "2 clips: on average 1.00 off the dashed line of perfect prediction; "
        "predictions spread 0.50 times as wide as the truth."
    )
    one = sentiment_panel(predictions([[-2]], [[-1]])).finding
    assert one == "1 clip: on average 1.00 off the dashed line of perfect prediction."


def test_emotions_in_words():
    found = emotions_panel(predictions([[0, 1]], [[0.2, 0.3]], ("Happy", "Sad"))).finding
    assert found.startswith("1 test clip: blue should lie right")


def one_hot(*classes):
    return np.eye(3)[list(classes)]


def test_classes_in_words():
    names = ("joy", "sadness", "anger")
    panel = classes_panel(predictions(one_hot(0, 1, 1, 1, 2), one_hot(0, 2, 2, 1, 0), names))
    assert panel.title == "Confusion matrix"
    assert panel.finding.startswith("5 test clips, a row for each true class and a column for each")
    assert panel.finding.endswith("Most often mistaken: sadness for anger, 2 of 3 clips.")
    right = classes_panel(predictions(one_hot(0, 1), one_hot(0, 1), names)).finding
    assert right.endswith("No clip is given a wrong class.")


def test_names_that_do_not_fit_are_explained():
    names = ("joy", "a very long name of a class", "怒り")
    found = classes_panel(predictions(one_hot(0), one_hot(0), names)).finding
    assert found.endswith("In the figure: 2 a very long… = a very long name of a class; 3 = 怒り.")


def test_one_score_in_words():
    found = scores_panel(predictions([[1], [5]], [[2], [4]], ("confident",))).finding
    assert found == (
        "2 clips: on average 1.00 off the dashed line of perfect prediction; "
        "predictions spread 0.50 times as wide as the truth."
    )


def test_several_scores_in_words():
    truth, said = [[1, 2, 3], [2, 3, 3]], [[1, 3, 1], [2, 2, 2]]
    found = scores_panel(predictions(truth, said, ("self-assured", "vivid", "same"))).finding
    assert found == (
        "2 clips: on the dashed line a prediction is perfect. "
        "Corr is −1.00 (vivid) to 1.00 (self-assured)."
    )
    undefined = scores_panel(predictions(truth[:1], said[:1], ("a", "b", "c"))).finding
    assert undefined == "1 clip: on the dashed line a prediction is perfect."


@pytest.mark.parametrize("count", [MOST_SCATTERS, 9])
def test_of_many_scores_the_worst_are_drawn_and_it_is_said(count, monkeypatch):
    drawn = []
    monkeypatch.setattr(module, "scatters", lambda _, shown, titles: drawn.append((shown, titles)))
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, count))
    # The later, the noisier; the last one never changes, which is not bad but undefined.
    said = truth + rng.normal(size=truth.shape) * np.arange(count)
    truth[:, -1] = 0
    found = scores_panel(predictions(truth, said, tuple(f"l{i}" for i in range(count))))
    ((shown, titles),) = drawn
    if count == MOST_SCATTERS:
        assert shown.labels == ("l0", "l1", "l2", "l3", "l4", "l5")
        assert titles[0] == "l0: Corr 1.00"
        assert titles[-1] == "l5"
        assert "are drawn" not in found.finding
    else:
        assert shown.labels == ("l2", "l3", "l4", "l5", "l6", "l7")
        assert (shown.truth == truth[:, 2:8]).all()
        assert (shown.predicted == said[:, 2:8]).all()
        assert found.finding.endswith("Of 9 labels, the 6 with the lowest Corr are drawn.")


THREE = predictions([[1], [2], [-3]], [[0.5], [4], [-1]])


def test_points_by_kind_beside_the_identity_line():
    figure = Figure()
    scatter(figure, dataclasses.replace(THREE, kinds=("sarcasm", "congruent", "sarcasm")))
    (axes,) = figure.axes
    points = {c.get_label(): c.get_offsets().tolist() for c in axes.collections}
    assert points == {
        "congruent (1)": [[2, 4]],
        "sarcasm (2)": [[1, 0.5], [-3, -1]],
    }
    (identity,) = axes.get_lines()
    assert (identity.get_xdata() == identity.get_ydata()).all()
    assert axes.get_xlim() == axes.get_ylim()
    assert axes.get_ylim()[1] > 4  # a prediction beyond the labels' range is still seen


def test_without_kinds_all_points_are_alike():
    figure = Figure()
    scatter(figure, THREE)
    (points,) = figure.axes[0].collections
    assert points.get_offsets().tolist() == [[1, 0.5], [2, 4], [-3, -1]]


def test_a_strip_for_absent_and_one_for_present():
    figure = Figure()
    strips(figure, predictions([[0], [0], [1]], [[0.1], [0.7], [0.9]], ("Happy",)))
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["Happy  absent", "present"]
    assert [text.get_text() for text in axes.texts] == ["50% of 2", "100% of 1", "right"]
    absent, absent_median, present, present_median = axes.collections
    assert absent.get_offsets()[:, 0].tolist() == [0.1, 0.7]
    assert present.get_offsets()[:, 0].tolist() == [0.9]
    assert absent_median.get_paths()[0].vertices[0, 0] == pytest.approx(0.4)
    assert present_median.get_paths()[0].vertices[0, 0] == pytest.approx(0.9)


def test_an_emotion_nobody_shows_says_so():
    figure = Figure()
    strips(figure, predictions([[0]], [[0.1]], ("Happy",)))
    assert "no clip" in [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("count", [1, 700])
def test_few_and_many_clips_are_drawn(count):
    truth = np.zeros((count, 4))
    many = predictions(truth, truth + 0.3, ("a", "b", "c", "d"))
    assert "<use" in to_svg("strips", lambda figure: strips(figure, many))
    assert "<use" in to_svg("scatter", lambda figure: scatter(figure, many))


def test_a_square_for_each_score_on_its_own_scale():
    figure = Figure()
    three = predictions([[1, 10, 0], [3, 30, 0]], [[2, 20, 0], [2, 40, 0]], ("a", "b", "c"))
    scatters(figure, three, ["A", "B", "C"])
    assert [axes.get_title() for axes in figure.axes] == ["A", "B", "C"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "true", "true"]
    for axes, low, high in zip(figure.axes, (1, 10, 0), (3, 40, 0), strict=True):
        assert axes.get_xlim() == axes.get_ylim()
        assert axes.get_xlim()[0] < low
        assert high < axes.get_xlim()[1]
        assert axes.get_aspect() == 1
    assert figure.axes[1].collections[0].get_offsets().tolist() == [[10, 20], [30, 40]]


def test_scores_by_kind_have_one_legend():
    figure = Figure()
    two = dataclasses.replace(
        predictions([[1, 2], [3, 4]], [[1, 2], [3, 4]], ("a", "b")), kinds=("sarcasm", "congruent")
    )
    scatters(figure, two, ["a", "b"])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        *("identity", "congruent (1)", "sarcasm (1)"),
    ]


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
