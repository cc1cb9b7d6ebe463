import numpy as np
import pytest
from matplotlib.figure import Figure

from deadpan.analysis.maps import Axis, CrossmodalMap
from deadpan.reports.clip.heatmap import MOST_NAMED, heatmap


def axis(name, steps, *, words=False, unit="seconds"):
    edges = np.arange(steps + 1) / 10 if unit == "seconds" else np.arange(steps + 1) + 0.5
    told = tuple(f"word{i}" for i in range(steps)) if words else ()
    return Axis(name=name, words=told, edges=edges, unit=unit)


def crossmodal(rows=3, columns=4, *, words=True, seed=0):
    weights = np.random.default_rng(seed).dirichlet(np.ones(columns), rows)
    return CrossmodalMap(
        source=axis("vision", columns), target=axis("text", rows, words=words), weights=weights
    )


def drawn(what):
    size, _, paint = heatmap(what)
    figure = Figure(figsize=size, layout="constrained")
    paint(figure)
    return size, figure


def test_the_cells_are_the_weights_in_units_of_their_mean():
    what = crossmodal()
    _, figure = drawn(what)
    axes, bar = figure.axes
    (mesh,) = axes.collections
    np.testing.assert_allclose(mesh.get_array().reshape(3, 4), what.weights * 4)
    assert axes.get_xlabel() == "vision (seconds)"
    assert bar.get_ylabel() == "attention (1 = all alike)"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["word0", "word1", "word2"]


def test_the_strongest_cells_one_per_row_are_marked():
    weights = np.array([[0.1, 0.9], [0.5, 0.5], [0.8, 0.2]])
    what = CrossmodalMap(
        source=axis("audio", 2), target=axis("text", 3, words=True), weights=weights
    )
    assert what.strongest() == [(0, 1), (2, 0), (1, 0)]
    _, figure = drawn(what)
    marks = [line.get_xydata()[0] for line in figure.axes[0].get_lines()[::2]]
    np.testing.assert_allclose(marks, [[0.15, 0.5], [0.05, 2.5], [0.05, 1.5]])


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 375), (500, 7)])
def test_whatever_clip_is_drawn(rows, columns):
    size, figure = drawn(crossmodal(rows, columns))
    figure.canvas.draw()
    assert size[1] * 300 < 2**15
    assert 1 <= len(figure.axes[0].get_yticks()) <= MOST_NAMED + 5


def test_too_many_words_name_the_marked_ones_and_those_that_fit():
    what = crossmodal(500, 7)
    _, figure = drawn(what)
    named = {label.get_text() for label in figure.axes[0].get_yticklabels()}
    assert {f"word{row}" for row, _ in what.strongest()} <= named
    places = np.diff(figure.axes[0].get_yticks())
    assert places.min() == what.apart == 6


def test_steps_without_words_stand_at_their_times():
    _, figure = drawn(crossmodal(words=False))
    axes = figure.axes[0]
    assert axes.get_ylabel() == "text (seconds)"
    assert sorted(axes.get_ylim()) == pytest.approx([0, 0.3])


def test_a_step_is_told_by_word_time_or_number():
    assert axis("text", 2, words=True).at(1) == "“\u2068word1\u2069”"
    assert axis("audio", 2).at(1) == "0.15 s"
    assert axis("audio", 2, unit="steps").at(1) == "step 2"


def test_weights_that_are_all_0_are_drawn():
    what = CrossmodalMap(
        source=axis("a", 2), target=axis("text", 2, words=True), weights=np.zeros((2, 2))
    )
    assert not what.shares.any()
    drawn(what)
