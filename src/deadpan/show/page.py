"""The one environment of all pages, and what pages are made of: facts, figures and their words."""

import dataclasses
from pathlib import Path

from deadpan.show.drawing import Picture


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fact:
    """A term, its value, and a smaller line below; ``colour`` is that of the modality named."""

    term: str
    value: str
    note: str
    colour: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShadedWord:
    """A word on a colour: its text, the value behind the colour, and the colours of both."""

    text: str
    value: str
    back: str
    front: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class WordStrip:
    """A line of words on colours, which the browser sets."""

    title: str
    words: tuple[ShadedWord, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Panel:
    """A figure as a page shows it.

    Attributes:
        title: what is drawn.
        finding: what it shows, in a sentence or two: also read aloud in the figure's place.
        svg: an ``<svg>`` element that holds no text of the data.
        strips: words in colours, shown in the place of ``svg``.
        right_to_left: whether the words of the strips are read from right to left.
        picture: the figure as files for papers, which lie beside the page.
        sources: names of the files beside the page that hold its numbers.
        head: headings of its numbers, where the page itself holds them.
        rows: cells of its numbers.
    """

    title: str
    finding: str
    svg: str
    strips: tuple[WordStrip, ...] = ()
    right_to_left: bool = False
    picture: Picture | None = None
    sources: tuple[str, ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def render(template: str, *, folder: Path | None = None, **values: object) -> str:
    """Fill a template; every text among the values is escaped, and the page needs no other file.

    Args:
        template: a file in ``show/templates``, or in the folder.
        folder: more templates, which may extend ``base.html.j2`` and import ``parts.html.j2``.
        values: by the names that the template uses; a name that is missing is an error.
    """
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

    own = PackageLoader("deadpan.show")
    environment = Environment(
        loader=ChoiceLoader([FileSystemLoader(folder), own]) if folder else own,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)
