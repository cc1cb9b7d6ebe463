"""Fonts of figures: matplotlib takes each letter from the first family that has it."""

import dataclasses
import functools
import unicodedata
from collections.abc import Sequence

HOUSE = "DejaVu Sans"  # comes with matplotlib

FAMILIES = (
    HOUSE,
    # Free fonts, as Linux distributions ship them.
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Sans JP", "Noto Sans KR"),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "Unifont"),
    *("Noto Sans Arabic", "Noto Naskh Arabic", "Noto Sans Hebrew", "Noto Sans Devanagari"),
    *("Noto Sans Bengali", "Noto Sans Tamil", "Noto Sans Telugu", "Noto Sans Thai"),
    *("Noto Emoji", "Symbola"),
    # macOS.
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Arial Unicode MS"),
    # Windows.
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Nirmala UI", "Leelawadee UI"),
    *("Segoe UI", "Segoe UI Emoji"),
)
"""Families that are tried for the words of a clip, as far as they are installed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrawnWords:
    """Words as a figure can draw them.

    Attributes:
        texts: each word, or its number from 1 in brackets where no font has its letters.
        right_to_left: whether most words are read from right to left.
        note: says which words are numbered; empty where none is.
    """

    texts: tuple[str, ...]
    right_to_left: bool
    note: str

    def widths(self, size: float) -> list[float]:
        """Width of each word in points, at a font size in points."""
        from matplotlib.font_manager import get_font

        font = get_font([_path(family) for family in installed_families()])
        widths: list[float] = []
        for text in self.texts:
            font.set_size(10 * size, 72)  # so large that hinting does not round
            font.set_text(text)
            widths.append(font.get_width_height()[0] / 640)
        return widths


def drawn_words(words: Sequence[str]) -> DrawnWords:
    """What to draw for each word: the word itself, or its number where no font can show it.

    The page, which a browser sets, has all words right. Nothing is ever cut.
    """
    plain = [" ".join(word.split()) for word in words]
    families = installed_families()
    fits = [bool(word) and not lacks_letters(word, *families) and _can_set(word) for word in plain]
    missing = fits.count(False)
    subject = f"{missing} of {len(words)} words are" if missing > 1 else "A word is"
    return DrawnWords(
        texts=tuple(
            word if fit else f"[{index}]"
            for index, (word, fit) in enumerate(zip(plain, fits, strict=True), start=1)
        ),
        right_to_left=2 * sum(map(_backwards, plain)) > len(plain),
        note=f"{subject} numbered: no font here has the letters." if missing else "",
    )


def installed_families() -> tuple[str, ...]:
    """Those of ``FAMILIES`` that this machine has, for matplotlib's ``font.family``."""
    from matplotlib.font_manager import fontManager

    names = set(fontManager.get_font_names())
    return tuple(family for family in FAMILIES if family in names)


def lacks_letters(text: str, *families: str) -> bool:
    """Whether none of the families has one of the letters; none given = the house's font."""
    return any(
        not any(ord(letter) in _letters(family) for family in families or (HOUSE,))
        for letter in text
        if not letter.isspace()
    )


@functools.cache
def _letters(family: str) -> frozenset[int]:
    from matplotlib.font_manager import get_font

    try:
        return frozenset(get_font(_path(family)).get_charmap())
    except (OSError, RuntimeError):  # a broken file
        return frozenset()


def _path(family: str) -> str:
    from matplotlib.font_manager import FontProperties, findfont

    return findfont(FontProperties(family=family))


def _backwards(word: str) -> bool:
    return any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in word)


def _can_set(word: str) -> bool:
    """Whether matplotlib sets the word right: letters that join or turn need libraqm (3.11)."""
    from matplotlib import ft2font

    simple = not _backwards(word) and not any("\u0900" <= letter <= "\u109f" for letter in word)
    return simple or hasattr(ft2font, "__libraqm_version__")
