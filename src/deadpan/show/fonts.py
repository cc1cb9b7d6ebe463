"""Which font shows the words of a clip, and which words no font of this machine can show."""

import dataclasses
import unicodedata
from collections.abc import Sequence

DEFAULT = "DejaVu Sans"


@dataclasses.dataclass(frozen=True, kw_only=True)
class WordFont:
    """How figures show some words.

    Attributes:
        families: of fonts, the first that has a glyph is used for it.
        shown: each word as it is drawn; its number from 1 in brackets where no font has it.
        right_to_left: whether most words are read from right to left.
        note: what must be said of numbered words; empty where there are none.
    """

    families: tuple[str, ...]
    shown: tuple[str, ...]
    right_to_left: bool
    note: str

    def widths(self, size: float) -> list[float]:
        """How wide each word is drawn, in points, at a size in points."""
        from matplotlib.font_manager import FontProperties, findfont, get_font

        font = get_font([findfont(FontProperties(family=family)) for family in self.families])
        found: list[float] = []
        for word in self.shown:
            font.set_size(10 * size, 72)  # so large that hinting does not round
            font.set_text(word)
            found.append(font.get_width_height()[0] / 640)
        return found


def word_font(words: Sequence[str]) -> WordFont:
    """Fonts of this machine that have the letters of the words, and what to draw for each word.

    A word is drawn as it is where a font has each of its letters and matplotlib can set it; else
    as its number, for the page, which a browser sets, has it right. Nothing is ever cut.
    """
    plain = [" ".join(word.split()) for word in words]
    families, letters = _families({letter for word in plain for letter in word} - {" "})
    drawn = [bool(word) and set(word) <= letters | {" "} and _can_set(word) for word in plain]
    shown = tuple(
        word if fits else f"[{index}]"
        for index, (word, fits) in enumerate(zip(plain, drawn, strict=True), start=1)
    )
    missing = drawn.count(False)
    backwards = sum(_backwards(word) for word in plain)
    told = f"{missing} of {len(words)} words are" if missing > 1 else "A word is"
    return WordFont(
        families=families,
        shown=shown,
        right_to_left=2 * backwards > len(plain),
        note=f"{told} numbered: no font here has the letters." if missing else "",
    )


def _families(letters: set[str]) -> tuple[tuple[str, ...], set[str]]:
    """The house's font and up to three more that add letters, the most first; what they have."""
    from matplotlib.font_manager import FontProperties, findfont, fontManager

    families, known = [DEFAULT], _has(findfont(FontProperties(family=DEFAULT)), letters)
    if letters - known:
        plain = [f for f in fontManager.ttflist if f.style == "normal" and f.weight == 400]
        upright = {f.name: f.fname for f in plain}
        named = sorted(upright, key=lambda name: ("Noto Sans" not in name, name))
        have = {name: _has(upright[name], letters) for name in named if "Last Resort" not in name}
        for _ in range(3):
            best = max(have, key=lambda name: len(have[name] - known), default=DEFAULT)
            if not have.get(best, set()) - known:
                break
            families.append(best)
            known |= have[best]
    return tuple(families), known


def _has(path: str, letters: set[str]) -> set[str]:
    from matplotlib.font_manager import get_font

    try:
        charmap = get_font(path).get_charmap()
    except (OSError, RuntimeError):  # a file that is no font after all
        return set()
    return {letter for letter in letters if ord(letter) in charmap}


def _backwards(word: str) -> bool:
    return any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in word)


def _can_set(word: str) -> bool:
    """Whether matplotlib sets the word right: letters that join or turn need libraqm (3.11)."""
    from matplotlib import ft2font

    simple = not _backwards(word) and not any("\u0900" <= letter <= "\u109f" for letter in word)
    return simple or hasattr(ft2font, "__libraqm_version__")
