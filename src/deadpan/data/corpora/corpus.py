"""What is known of a corpus, as plain values; nothing here reads a file or asks the network."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

from deadpan.data.dataset import TaskName
from deadpan.errors import DataError, unknown_name
from deadpan.types import SPLITS


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


CMU = "http://immortal.multicomp.cs.cmu.edu"
CMU_NOTE = "CMU MultiComp Lab, the list of CMU-MultimodalSDK 1.2.0"
CMU_TRAP = (
    "CMU's server has been down or has refused files for weeks in 2021, 2022, 2023 and 2024: fetch "
    "again later, or take a prepared file by hand."
)
MULT_PAGE = "https://www.dropbox.com/sh/hyzpgx1hp9nj37s/AAB7FhBqJOFDw2hEyvv2ZXHxa?dl=0"
MMSA_PAGE = "https://drive.google.com/drive/folders/1A2S4pqCHryGmiqnNSPLv7rEg63WvjCSk"
MULTIBENCH_PAGE = "https://github.com/pliang279/MultiBench"


def computational_sequence(path: str, what: str) -> Source:
    """A ``.csd`` file on CMU's server.

    Args:
        path: below the server's root.
        what: the file holds.
    """
    return Source(url=f"{CMU}/{path}", file=path.rpartition("/")[2], note=f"{what}; {CMU_NOTE}")


def in_mult_layout(file: str) -> Source:
    """A pickle of the MulT release."""
    note = "prepared by MulT's authors, linked from yaohungt/Multimodal-Transformer"
    return Source(url=MULT_PAGE, file=file, note=note, by_hand=True)


def in_mmsa_layout(file: str, sha256: str, inside: str) -> Source:
    """A pickle of the MMSA release, whose README publishes the hash.

    Args:
        file: its name.
        sha256: as published.
        inside: the folder of the page it is in.
    """
    note = f"prepared by MMSA's authors (thuiar/MMSA), in the folder {inside}"
    return Source(url=MMSA_PAGE, file=file, note=note, sha256=sha256, by_hand=True)


WITH_FOLDS = ("MOSI", "MOSEI", "POM")
"""Corpora that have standard folds."""

ENOUGH = 0.9
"""Of some videos, the share that must be in the folds of a corpus to say that they are its."""


@cache
def standard_folds(name: str) -> dict[str, frozenset[str]]:
    """The videos of each split.

    Args:
        name: of the corpus, as in ``CORPORA``.

    Raises:
        DataError: a corpus without standard folds.
    """
    if name not in WITH_FOLDS:
        raise DataError(unknown_name("corpus with standard folds", name, WITH_FOLDS))
    folder = resources.files("deadpan.data") / "corpora" / "folds"
    lines = (folder / f"{name}.txt").read_text(encoding="ascii").splitlines()
    starts = [lines.index(f"[{split}]") for split in SPLITS]
    ends = [*starts[1:], len(lines)]
    return {
        split: frozenset(lines[start + 1 : end])
        for split, start, end in zip(SPLITS, starts, ends, strict=True)
    }


def corpus_of_videos(videos: Iterable[str]) -> str | None:
    """The corpus whose folds contain these videos, or at least nine of ten of them.

    Where that is true of two (some videos are in both MOSEI and POM), the one with more of them,
    and of equals the smaller corpus.

    Args:
        videos: ids as the files have them.

    Returns:
        Its name; None where there is none, or no video.
    """
    wanted = frozenset(videos)
    found: Counter[str] = Counter()
    for name in sorted(WITH_FOLDS, key=_size):
        found[name] = len(wanted & frozenset[str]().union(*standard_folds(name).values()))
    name, count = found.most_common(1)[0]  # of equals, the first: the smaller corpus
    return name if wanted and count >= ENOUGH * len(wanted) else None


def _size(name: str) -> int:
    return sum(map(len, standard_folds(name).values()))
