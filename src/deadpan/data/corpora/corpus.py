"""What is known of a corpus, as plain values; nothing here reads a file or asks the network."""

import dataclasses
from collections.abc import Mapping

from deadpan.data.dataset import TaskName


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """Where one file of a corpus comes from.

    Sources of the same ``file`` are tried in their order until one gives it.

    Attributes:
        url: of the file itself; with ``by_hand``, of the page that leads to it.
        file: the name it is kept under.
        note: from whom it is, and what is in it.
        size: in bytes; None where it is not known.
        sha256: in lower-case hexadecimal; None where nobody published it.
        by_hand: somebody must click, choose or sign in there: it is shown and never fetched.
    """

    url: str
    file: str
    note: str
    size: int | None = None
    sha256: str | None = None
    by_hand: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Corpus:
    """One data set of the field.

    Attributes:
        name: as tables, commands and folders call it.
        title: its full name.
        about: what it is, in a sentence.
        task: what its labels are.
        labels: their names, in the order of the files.
        label_range: the least and the greatest label; None for classes, where labels differ, and
            where it is not surely known.
        language: what is spoken.
        clips: labelled clips of the release that is used most.
        videos: how many videos (or dialogues) they are from; None where it is not surely known.
        hours: length of the labelled clips; None where it is not surely known.
        splits: clips of each split; empty where there is no standard split, None where they are
            not surely known.
        licence: what may be done with it, as far as its makers say.
        citation: the paper to cite.
        traps: what has misled others, a sentence or two each.
        layout: how its files must lie for deadpan to read them.
        sources: official ones first.
        how_to_get: what a person must do where no source may simply be fetched; else "".
    """

    name: str
    title: str
    about: str
    task: TaskName
    labels: tuple[str, ...]
    label_range: tuple[float, float] | None
    language: str
    clips: int
    videos: int | None
    hours: float | None
    splits: Mapping[str, int] | None = dataclasses.field(default_factory=dict[str, int])
    licence: str
    citation: str
    traps: tuple[str, ...]
    layout: str
    sources: tuple[Source, ...]
    how_to_get: str = ""

    def files(self) -> dict[str, tuple[Source, ...]]:
        """The sources of each file that can be fetched, files and sources in their order."""
        return self._sources_of(by_hand=False)

    def files_by_hand(self) -> dict[str, tuple[Source, ...]]:
        """The pages that lead to each file that a person must get."""
        return self._sources_of(by_hand=True)

    def _sources_of(self, *, by_hand: bool) -> dict[str, tuple[Source, ...]]:
        chosen = [source for source in self.sources if source.by_hand == by_hand]
        names = dict.fromkeys(source.file for source in chosen)
        return {name: tuple(s for s in chosen if s.file == name) for name in names}
