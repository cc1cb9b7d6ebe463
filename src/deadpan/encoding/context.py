"""The context of a clip: the transcripts of those before it in its group, and what it lacks."""

import re
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from functools import partial

from deadpan.data.containers.files import printable
from deadpan.data.dataset import Dataset
from deadpan.data.recipe import Recipe
from deadpan.encoding.pieces import Pieces
from deadpan.errors import count_of

NUMBERED = re.compile(r"(.*?)(\d{1,9})", re.DOTALL)
"""An id that ends in a number."""


def contexts_of(dataset: Dataset, transcripts: Mapping[str, str], count: int) -> dict[str, str]:
    """What was said before each clip that has context, by id.

    Only clips of its own split are its context: splits have no order among each other, and training
    reads no transcript of the test split.

    Args:
        dataset: whose clips are in the order of speech within a split and a group.
        transcripts: of every clip, by id.
        count: how many clips before a clip are its context at most, those without a word included.
    """
    contexts: dict[str, str] = {}
    for clips in dataset.splits.values() if count else ():
        before: defaultdict[str, deque[str]] = defaultdict(partial(deque, maxlen=count))
        for clip in clips:
            if clip.group is None:
                continue
            if context := " ".join(before[clip.group]).strip():
                contexts[clip.id] = context
            before[clip.group].append(transcripts[clip.id])
    return contexts


def context_warnings(
    dataset: Dataset, recipe: Recipe, pieces: Pieces, contexts: Mapping[str, str]
) -> Iterator[str]:
    """Sentences on clips without context, with another's context, and with less than they have."""
    if not recipe.context:
        return
    if not contexts:
        yield (
            "no clip has context, as none has another of its group before it (the column of groups "
            "of a table: --data_options.group NAME)"
        )
    if pairs := list(_out_of_order(dataset)):
        earlier, later = map(printable, pairs[0])
        yield (
            f"{count_of(len(pairs), 'clip')} (first: '{later}', which stands behind '{earlier}') "
            f"out of the order of the numbers in their ids; the order of the data must be that of "
            f"speech, as context is what stands before a clip"
        )
    dropped = {clip: sum(piece.dropped for piece in parts) for clip, parts in pieces.items()}
    if short := [clip for clip, count in dropped.items() if count]:
        yield (
            f"{count_of(len(short), 'clip')} (first: '{printable(short[0])}') with more context "
            f"than {recipe.name} reads: the first words of it were left out, "
            f"{sum(dropped.values()):,} in all"
        )


def _out_of_order(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """The ids of two clips of a group, where the first has the larger number.

    The ids are the same before the number. V_10 before V_2 is the order of the alphabet.
    """
    for clips in dataset.splits.values():
        last: dict[tuple[str, str], tuple[int, str]] = {}
        for clip in clips:
            match = NUMBERED.fullmatch(clip.id)
            if clip.group is None or match is None:
                continue
            key, number = (clip.group, match[1]), int(match[2])
            if key in last and last[key][0] > number:
                yield last[key][1], clip.id
            last[key] = number, clip.id
