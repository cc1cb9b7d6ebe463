"""From a transcript to what an encoder reads at once: pieces of tokens, and the steps in them."""

import dataclasses
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from deadpan.data.containers.files import printable
from deadpan.data.recipe import TEXT_FIELD, EncodingOptions
from deadpan.encoding.text_encoder import TextEncoder, Tokens
from deadpan.errors import DataError

UNSPACED = (
    "\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff"
)
"""Ideographs and kana, of which each is a word: Chinese and Japanese write no blanks."""
WORD = re.compile(f"[{UNSPACED}]|[^\\s{UNSPACED}]+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Piece:
    """A transcript, or a part of one, that the encoder reads at once.

    Attributes:
        ids: numbers of the tokens of its prompt, special tokens included.
        steps: for each step the first of its tokens and the one after its last; they are the same
            for a word of which the tokenizer makes no token.
        words: the words, one per step; empty if steps are no words.
    """

    ids: tuple[int, ...]
    steps: tuple[tuple[int, int], ...]
    words: tuple[str, ...] = ()


def words_of(text: str) -> list[str]:
    """The words of a text: what stands between blanks, and each ideograph or kana by itself.

    They do not depend on the encoder, so that the steps of two encoders are the same words.
    """
    return WORD.findall(text)


def split_transcript(
    encoder: TextEncoder, options: EncodingOptions, transcript: str
) -> list[Piece]:
    """Split a transcript into the fewest halves of halves that the encoder can read.

    A part is cut at the word nearest to its middle; a word that is too long is cut in its middle,
    and is then two.

    Args:
        encoder: reads the pieces.
        options: how it reads.
        transcript: of one clip; blanks around and between its words count as one.

    Returns:
        The pieces in order; none for a transcript without words.

    Raises:
        DataError: the template leaves no room for a character of text.
    """
    # Half a surrogate pair cannot be encoded in UTF-8.
    text = " ".join(transcript.encode("utf-8", errors="replace").decode("utf-8").split())
    return _pieces(encoder, options, text) if text else []


def _pieces(encoder: TextEncoder, options: EncodingOptions, text: str) -> list[Piece]:
    before, after = options.template.split(TEXT_FIELD)
    read = text.lower() if options.casing == "lower" else text
    tokens = encoder.tokens(before + read + after)
    if encoder.longest is None or len(tokens.ids) <= encoder.longest:
        return [_piece(tokens, options, text, read, len(before))]
    if len(text) < 2:
        raise DataError(
            f"template {printable(options.template)!r} takes {len(tokens.ids):,} tokens with a "
            f"single character of text, and {encoder.name} reads {encoder.longest:,}; shorten it"
        )
    starts = [match.start() for match in WORD.finditer(text)][1:]
    middle = len(text) // 2
    cut = min(starts, key=lambda start: abs(start - middle), default=middle)
    parts = (text[:cut].strip(), text[cut:].strip())
    return [piece for part in parts if part for piece in _pieces(encoder, options, part)]


def _piece(tokens: Tokens, options: EncodingOptions, text: str, read: str, start: int) -> Piece:
    """The piece of a prompt in which ``text`` stands from ``start`` on, as it is ``read``."""
    if options.states == "last":
        real = [index for index, special in enumerate(tokens.special) if not special]
        return Piece(ids=tokens.ids, steps=tuple((i, i + 1) for i in real[-1:]))
    if options.states == "token":
        first, end = _overlapping(tokens.spans, start, start + len(read))
        return Piece(ids=tokens.ids, steps=tuple((i, i + 1) for i in range(first, end)))
    steps = tuple(
        _overlapping(tokens.spans, start + word.start(), start + word.end())
        for word in WORD.finditer(read)
    )
    return Piece(ids=tokens.ids, steps=steps, words=tuple(words_of(text)))


def _overlapping(spans: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """The first token that has a character from ``start`` to ``end``, and the one after them."""
    first = bisect_right(spans, start, key=lambda span: span[1])
    return first, max(first, bisect_left(spans, end, key=lambda span: span[0]))
