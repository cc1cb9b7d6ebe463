import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from deadpan.show.confusion import confusion_height, confusion_matrix, short_names
from deadpan.show.drawing import to_svg

COUNTS = np.array([[30, 10, 0], [0, 5, 0], [0, 0, 0]])


def drawn(counts, names):
    figure = Figure()
    confusion_matrix(figure, counts, names)
    return figure.axes[0]


def test_counts_and_shares_of_the_row():
    axes = drawn(COUNTS, ("a", "b", "c"))
    texts = {text.get_position(): text for text in axes.texts}
    cells = {
        (column, row): texts[column + 0.5, row + 0.5].get_text()
        for column in range(3)
        for row in range(2)
    }
    assert cells == {
        (0, 0): "30\n75%",
        (1, 0): "10\n25%",
        (2, 0): "0",
        (0, 1): "0",
        (1, 1): "5\n100%",
        (2, 1): "0",
    }
    # A row without a clip has no share to show.
    assert not any(place[1] == 2.5 and place[0] < 3 for place in texts)
    assert [t.get_text() for t in axes.texts if t.get_position()[0] > 3] == [
        "of 40",
        "of 5",
        "of 0",
    ]
    assert axes.get_ylim() == (3, 0)  # the first class on top
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "b", "c"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    assert axes.collections[0].get_array().ravel().tolist() == [0.75, 0.25, 0, 0, 1, 0, 0, 0, 0]


def luminance(colour):
    channels = np.array([int(to_hex(colour)[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("count", range(5, 101, 5))
def test_numbers_are_read_on_every_shade(count):
    axes = drawn(np.array([[count, 100 - count], [0, 1]]), ("a", "b"))
    shades = axes.collections[0]
    (text,) = (t for t in axes.texts if t.get_position() == (0.5, 0.5))
    back = luminance(shades.cmap(shades.norm(count / 100)))
    front = luminance(text.get_color())
    contrast = (max(back, front) + 0.05) / (min(back, front) + 0.05)
    assert contrast >= 4


@pytest.mark.parametrize(("classes", "numbers"), [(2, True), (16, True), (30, False)])
def test_many_classes_are_drawn_without_numbers(classes, numbers):
    counts = np.arange(classes**2).reshape(classes, classes)
    axes = drawn(counts, tuple(map(str, range(classes))))
    assert bool(axes.texts) == numbers
    assert 2 < confusion_height(classes) < 8
    svg = to_svg("c", lambda figure: confusion_matrix(figure, counts, ["n"] * classes))
    assert "<image" not in svg


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (("joy", "fear\n"), ("joy", "fear")),
        (("joy", "uncontrollable"), ("joy", "uncontrol…")),
        (("the sarcastic 1", "the sarcastic 2"), ("1 the sar…", "2 the sar…")),
        (("怒り", "joy"), ("1", "2 joy")),
        (("", "joy"), ("1", "2 joy")),
        (("Très", "Θυμός"), ("Très", "Θυμός")),
    ],
)
def test_names_are_shortened_and_stay_apart(names, short):
    assert short_names(names, longest=10) == short
