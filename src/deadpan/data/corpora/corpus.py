"""The description of a corpus as plain values, its usual sources, and its standard folds."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from deadpan.errors import DataError, unknown_name

if TYPE_CHECKING:  # a list of corpora is shown without torch
    from deadpan.data.dataset import TaskName


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """A source of one file of a corpus.

    Sources of the same ``file`` are tried in their order until one delivers it.

    Attributes:
        url: address of the file itself; with ``by_hand``, of the page that leads to it.
        file: name under which the file is saved.
        note: who publishes the file, and its content.
        size: size in bytes; None if unknown.
        sha256: SHA-256 in lower-case hexadecimal; None if not published.
        by_hand: whether a person must click, choose or sign in there; it is shown, never fetched.
    """

    url: str
    file: str
    note: str
    size: int | None = None
    sha256: str | None = None
    by_hand: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Corpus:
    """The description of a corpus.

    Attributes:
        name: its name in tables, commands and folders.
        title: its full name.
        about: a sentence on what it is.
        task: the task of its labels.
        labels: names of the labels, in the order of the files.
        label_range: the smallest and the largest label; None for classes, if labels differ, or if
            not known for certain.
        language: the language spoken.
        clips: number of labelled clips in the release that is used most.
        videos: number of videos (or dialogues); None if not known for certain.
        hours: duration of the labelled clips; None if not known for certain.
        splits: number of clips in each split; empty if there is no standard split, None if not
            known for certain.
        licence: the terms of use, as far as its makers state them.
        citation: the paper to cite.
        traps: known pitfalls, a sentence or two each.
        layout: the files and formats in which deadpan reads it.
        sources: its sources, official ones first.
        how_to_get: what a person must do if no source can be fetched; else "".
    """

    name: str
    title: str
    about: str
    task: "TaskName"
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
        """The sources of each file that can be fetched, in order."""
        return self._sources_of(by_hand=False)

    def files_by_hand(self) -> dict[str, tuple[Source, ...]]:
        """The sources of each file that a person must get."""
        return self._sources_of(by_hand=True)

    def _sources_of(self, *, by_hand: bool) -> dict[str, tuple[Source, ...]]:
        chosen = [source for source in self.sources if source.by_hand == by_hand]
        names = dict.fromkeys(source.file for source in chosen)
        return {name: tuple(s for s in chosen if s.file == name) for name in names}


WITH_FOLDS = ("MOSI", "MOSEI", "POM")
"""Corpora that have standard folds."""

MIN_SHARE_IN_FOLDS = 0.9
"""Share of videos that must be in the folds of a corpus for them to be taken as that corpus."""


@cache
def standard_folds(name: str) -> dict[str, frozenset[str]]:
    """The videos of each standard fold of a corpus.

    Raises:
        DataError: the corpus has no standard folds.
    """
    if name not in WITH_FOLDS:
        raise DataError(unknown_name("corpus with standard folds", name, WITH_FOLDS))
    from deadpan.types import SPLITS

    folder = resources.files("deadpan.data") / "corpora" / "folds"
    lines = (folder / f"{name}.txt").read_text(encoding="ascii").splitlines()
    starts = [lines.index(f"[{split}]") for split in SPLITS]
    ends = [*starts[1:], len(lines)]
    return {
        split: frozenset(lines[start + 1 : end])
        for split, start, end in zip(SPLITS, starts, ends, strict=True)
    }


def corpus_of_videos(videos: Iterable[str]) -> str | None:
    """Find the corpus whose folds contain at least nine of ten of these videos.

    If there are two (some videos are in both MOSEI and POM), it is the one with more of the videos,
    or the smaller corpus if both have as many.

    Returns:
        The name of the corpus; None if there is none, or no video.
    """
    ids = frozenset(videos)
    matches: Counter[str] = Counter()
    for name in sorted(WITH_FOLDS, key=lambda name: sum(map(len, standard_folds(name).values()))):
        matches[name] = len(ids & frozenset[str]().union(*standard_folds(name).values()))
    name, count = matches.most_common(1)[0]  # of equals, the first: the smaller corpus
    return name if ids and count >= MIN_SHARE_IN_FOLDS * len(ids) else None
