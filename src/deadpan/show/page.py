"""What every page of deadpan is made of."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fact:
    """A term, its value, and a smaller line below; ``colour`` is that of the modality named."""

    term: str
    value: str
    note: str
    colour: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """A figure as the page shows it.

    Attributes:
        title: what is drawn.
        finding: what it shows in this run, in one sentence: also read aloud in the figure's place.
        svg: an ``<svg>`` element that holds no text of the data.
        sources: files of the run directory with its numbers.
    """

    title: str
    finding: str
    svg: str
    sources: tuple[str, ...]


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 clip``, ``2 clips``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
