"""Words of a recording with their times, and the utterances that they make."""

import dataclasses
import unicodedata
from collections.abc import Iterable

PAUSE = 0.7
"""Seconds between two words that end an utterance, whatever stands between them."""
ENDINGS = ".!?…。！？"
CLOSERS = "\"'”’»)]"
"""What may stand behind the mark that ends a sentence."""
ABBREVIATIONS = frozenset("mr mrs ms dr prof st jr sr vs etc gen col capt lt sgt rev hon".split())
"""Words whose full stop ends no sentence."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)  # an hour has ten thousand
class Word:
    """A word as it was said.

    Attributes:
        text: as it is written, with punctuation, without spaces.
        start: seconds from the recording's start.
        end: likewise; not before the start.
        probability: that the word is right, in [0, 1]; of a user's transcript see
            :class:`~deadpan.extraction.transcripts.TimedTranscript`.
    """

    text: str
    start: float
    end: float
    probability: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Utterance:
    """What was said between two pauses or ends of sentences.

    Attributes:
        start: seconds from the recording's start to that of the first word.
        end: likewise, to the last word's end.
        words: at least one, in order.
    """

    start: float
    end: float
    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        """The words with spaces between them."""
        return " ".join(word.text for word in self.words)


def split_utterances(words: Iterable[Word]) -> list[Utterance]:
    """Split words, in order, into utterances.

    One ends before a pause of .7 s or more; and behind a word that ends a sentence: its last mark
    is one of ``.!?…``, quotation marks and brackets aside, unless it is an abbreviation or a single
    letter, or the next word begins with a small letter.
    """
    groups: list[list[Word]] = []
    for word in words:
        if groups and not _is_between(groups[-1][-1], word):
            groups[-1].append(word)
        else:
            groups.append([word])
    return [
        Utterance(start=group[0].start, end=max(word.end for word in group), words=tuple(group))
        for group in groups
    ]


def normalized(text: str) -> str:
    """A word without case, accents and punctuation, as words are compared: "Don't!" is "dont"."""
    letters = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in letters if letter.isalnum())


def _is_between(before: Word, after: Word) -> bool:
    """Whether an utterance ends between two words."""
    if after.start - before.end >= PAUSE:
        return True
    text = before.text.rstrip(CLOSERS)
    if not text.endswith(tuple(ENDINGS)) or after.text[:1].islower():
        return False
    plain = normalized(text)
    return not (text[-1] == "." and (plain in ABBREVIATIONS or (plain != "i" and len(plain) == 1)))
