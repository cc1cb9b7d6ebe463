import pytest

from deadpan.show import fonts as module
from deadpan.show.fonts import word_font


def test_words_the_house_font_has_are_drawn_as_they_are():
    font = word_font(["sad", "$x$", "naïve", "a\nb"])
    assert font.families == ("DejaVu Sans",)
    assert font.shown == ("sad", "$x$", "naïve", "a b")
    assert (font.note, font.right_to_left) == ("", False)
    assert font.widths(9.0)[2] > font.widths(9.0)[0] > 0


def test_a_word_no_font_has_is_numbered_and_said_to_be(monkeypatch):
    monkeypatch.setattr(module, "_has", lambda path, letters: set("sad"))
    font = word_font(["sad", "悲しい", "", "das"])
    assert font.shown == ("sad", "[2]", "[3]", "das")
    assert font.note == "2 of 4 words are numbered: no font here has the letters."


def test_a_font_that_adds_letters_stands_behind_the_house_font(monkeypatch):
    have = {"DejaVuSans.ttf": "abc", "DejaVuSansMono.ttf": "悲"}
    monkeypatch.setattr(
        module, "_has", lambda path, letters: letters & set(have.get(path.split("/")[-1], ""))
    )
    font = word_font(["ab", "悲"])
    assert font.families == ("DejaVu Sans", "DejaVu Sans Mono")
    assert font.shown == ("ab", "悲")


@pytest.mark.parametrize("words", [["שלום", "עולם", "ok"], ["مرحبا"]])
def test_words_that_are_read_from_right_to_left(words):
    font = word_font(words)
    assert font.right_to_left
    assert font.shown == tuple(words)


def test_letters_that_join_need_a_matplotlib_that_joins_them(monkeypatch):
    from matplotlib import ft2font

    monkeypatch.delattr(ft2font, "__libraqm_version__", raising=False)
    assert word_font(["مرحبا", "ok"]).shown == ("[1]", "ok")


def test_a_broken_font_file_has_no_letters(tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    assert module._has(str(tmp_path / "broken.ttf"), {"a"}) == set()
