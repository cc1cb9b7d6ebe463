import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from deadpan.analysis.drawing import to_svg
from deadpan.analysis.prediction_figures import scatter, scatters, strips

from .test_predictions import predictions

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
