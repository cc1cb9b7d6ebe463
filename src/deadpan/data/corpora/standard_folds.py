"""Which video belongs to which split: the standard folds of CMU-MultimodalSDK.

They are kept as text, a video a line, in ``corpora/folds``: facts that every paper on these corpora
shares. No video is in two folds of one corpus; 459 are both in MOSEI and in POM.
"""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from importlib import resources

from deadpan.errors import DataError, unknown_name
from deadpan.types import SPLITS

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
