import warnings

import pytest

from deadpan.show import fonts
from deadpan.show.drawing import picture
from deadpan.show.fonts import drawn_words, installed_families, lacks_letters


@pytest.fixture
def families(monkeypatch):
    """Let figures know just these families, whatever else this machine has."""

    def choose(*names):
        monkeypatch.setattr(fonts, "FAMILIES", names)

    choose("DejaVu Sans")
    return choose


def test_words_the_house_font_has_are_drawn_as_they_are():
    words = drawn_words(["sad", "$x$", "naïve", "a\nb"])
    assert words.texts == ("sad", "$x$", "naïve", "a b")
    assert (words.note, words.right_to_left) == ("", False)
    assert words.widths(9.0)[2] > words.widths(9.0)[0] > 0


def test_a_word_no_font_has_is_numbered_and_said_to_be(families):
    words = drawn_words(["sad", "悲しい", "", "das"])
    assert words.texts == ("sad", "[2]", "[3]", "das")
    assert words.note == "2 of 4 words are numbered: no font here has the letters."
    assert drawn_words(["悲"]).note == "A word is numbered: no font here has the letters."


def test_a_letter_is_taken_from_the_first_family_that_has_it(families):
    assert drawn_words(["あのね", "の"]).texts == ("[1]", "[2]")
    families("DejaVu Sans", "A font that nobody has", "STIXGeneral")  # matplotlib brings both
    assert installed_families() == ("DejaVu Sans", "STIXGeneral")
    assert drawn_words(["あのね", "の", "a"]).texts == ("[1]", "の", "a")
    assert drawn_words(["の"]).widths(9.0)[0] > 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        there = picture("a", lambda figure: figure.text(0.5, 0.5, "の"), (1.0, 1.0))
    assert not caught
    families("DejaVu Sans")
    box = picture("a", lambda figure: figure.text(0.5, 0.5, "の"), (1.0, 1.0))
    assert there.png != box.png


@pytest.mark.parametrize("text", ["悲しい", "مرحبا", "नमस्ते", "😀👍🏽", "\u200d", "$\\frac$"])
def test_no_word_of_any_script_warns(text):
    words = drawn_words([text])
    assert words.texts[0] in (text, "[1]")
    picture("a", lambda figure: figure.text(0.5, 0.5, words.texts[0]), (1.0, 1.0))


@pytest.mark.parametrize("words", [["שלום", "עולם", "ok"], ["مرحبا"]])
def test_words_that_are_read_from_right_to_left(words):
    drawn = drawn_words(words)
    assert drawn.right_to_left
    assert drawn.texts == tuple(words)


def test_letters_that_join_need_a_matplotlib_that_joins_them(monkeypatch):
    from matplotlib import ft2font

    monkeypatch.delattr(ft2font, "__libraqm_version__", raising=False)
    assert drawn_words(["مرحبا", "ok"]).texts == ("[1]", "ok")


def test_a_broken_font_file_has_no_letters(tmp_path, monkeypatch):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    monkeypatch.setattr(fonts, "_path", lambda family: str(tmp_path / "broken.ttf"))
    assert lacks_letters("a", "A broken family")
