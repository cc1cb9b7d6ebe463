import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from deadpan.analysis.crossmodal import Axis, CrossmodalMap
from deadpan.reports.clip_figures import (
    MARGIN,
    MOST_NAMED,
    heatmap,
    scale_of,
    shade,
    word_strips,
)
from deadpan.show.drawing import picture


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


def strips(words, *rows):
    values = rows or (np.linspace(0.5, 1.5, len(words)),)
    return [(f"strip {i}", np.asarray(row, dtype=float)) for i, row in enumerate(values)]


def drawn_strips(words, *rows):
    size, font, paint = word_strips(words, strips(words, *rows))
    figure = Figure(figsize=size, dpi=300)
    paint(figure)
    (axes,) = figure.axes
    return size, font, axes


def test_the_scale_is_one_for_all_and_lies_around_1():
    assert scale_of(strips("ab", [0.7, 1.2], [1.0, 1.0])) == pytest.approx((0.7, 1.3))
    assert scale_of(strips("ab", [1.0, 1.0])) == pytest.approx((0.9, 1.1))
    assert scale_of(strips("ab", [0.0, 4.0])) == (0.0, 4.0)


def test_darker_is_more_and_letters_are_read_on_it():
    light, dark = shade(0.5, (0.5, 1.5)), shade(1.5, (0.5, 1.5))
    assert light[0] > dark[0]
    assert (light[1], dark[1]) == ("#1b1f24", "#ffffff")


def test_each_word_stands_on_the_colour_of_its_share():
    words = ["only", "the", "villain"]
    _, _, axes = drawn_strips(words, [0.2, 0.8, 2.0], [1.0, 1.0, 1.0])
    backs = [to_hex(patch.get_facecolor()) for patch in axes.patches[:6]]
    scale = (0.0, 2.0)
    assert backs == [shade(share, scale)[0] for share in (0.2, 0.8, 2.0, 1.0, 1.0, 1.0)]
    texts = [text.get_text() for text in axes.texts]
    assert texts[:8] == ["strip 0", *words, "strip 1", *words]


@pytest.mark.parametrize(
    "words",
    [
        ["one"],
        [f"word{i}" for i in range(500)],
        ["x" * 200, "short"],
        ["שלום"] * 60,
        ["<b>", "$\\frac$", "&amp;"],
    ],
    ids=["one", "500", "long", "rtl", "markup"],
)
def test_no_word_is_cut_and_none_covers_another(words):
    (width, height), _, axes = drawn_strips(words)
    renderer = FigureCanvasAgg(axes.figure).get_renderer()
    boxes = [patch.get_bbox() for patch in axes.patches[: len(words)]]
    for word, box in zip(axes.texts[1:], boxes, strict=False):
        assert MARGIN - 1e-6 <= box.x0 < box.x1 <= width * 72 - MARGIN + 1e-6
        assert 0 < box.y0 < box.y1 < height * 72
        drawn_width = word.get_window_extent(renderer).width * 72 / axes.figure.dpi
        assert drawn_width <= box.width + 1
    for one, next_one in zip(boxes[:-1], boxes[1:], strict=True):
        same_line = one.y0 == next_one.y0
        assert not same_line or one.x1 < next_one.x0 or next_one.x1 < one.x0


def test_words_from_right_to_left_begin_on_the_right():
    _, _, axes = drawn_strips(["שלום", "עולם"])
    first, second = (patch.get_x() for patch in axes.patches[:2])
    assert first > second


def test_a_picture_is_a_file_of_each_kind_without_the_words_as_text():
    words = ["--><script>alert(1)</script>", "b"]
    size, font, paint = word_strips(words, strips(words))
    found = picture("words", paint, size)
    assert found.png.startswith(b"\x89PNG")
    assert found.svg.startswith("<?xml")
    assert "alert" not in found.svg
    assert found.inline.startswith("<svg")
    assert found.svg == picture("words", paint, size).svg
