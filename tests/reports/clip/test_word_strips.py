import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from deadpan.reports.clip.word_strips import MARGIN, scale_of, shade, word_strips
from deadpan.show.drawing import picture


def strips(words, *rows):
    values = rows or (np.linspace(0.5, 1.5, len(words)),)
    return [(f"strip {i}", np.asarray(row, dtype=float)) for i, row in enumerate(values)]


def drawn(words, *rows):
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
    _, _, axes = drawn(words, [0.2, 0.8, 2.0], [1.0, 1.0, 1.0])
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
    (width, height), _, axes = drawn(words)
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
    _, _, axes = drawn(["שלום", "עולם"])
    first, second = (patch.get_x() for patch in axes.patches[:2])
    assert first > second


def test_a_picture_is_a_file_of_each_kind_without_the_words_as_text():
    words = ["--><script>alert(1)</script>", "b"]
    size, font, paint = word_strips(words, strips(words))
    found = picture("words", paint, size, families=font.families)
    assert found.png.startswith(b"\x89PNG")
    assert found.svg.startswith("<?xml")
    assert "alert" not in found.svg
    assert found.inline.startswith("<svg")
    assert found.svg == picture("words", paint, size, families=font.families).svg
