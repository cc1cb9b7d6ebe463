"""From a transcript to what an encoder reads at once: pieces of tokens, and the steps in them."""

import dataclasses
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from deadpan.data.containers.files import printable
from deadpan.data.recipe import TEXT_FIELD, EncodingOptions, States
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
        dropped: number of words of context for which there was no room. Pieces that differ in
            nothing else have the same features, and are equal.
    """

    ids: tuple[int, ...]
    steps: tuple[tuple[int, int], ...]
    words: tuple[str, ...] = ()
    dropped: int = dataclasses.field(default=0, compare=False)


Pieces = Mapping[str, Sequence[Piece]]
"""The pieces of each clip's transcript, by id."""


def words_of(text: str) -> list[str]:
    """The words of a text: what stands between blanks, and each ideograph or kana by itself.

    They do not depend on the encoder, so that the steps of two encoders are the same words.
    """
    return WORD.findall(text)


def split_transcript(
    encoder: TextEncoder, options: EncodingOptions, transcript: str, *, context: str = ""
) -> list[Piece]:
    """Split a transcript into the fewest halves of halves that the encoder can read.

    A part is cut at the word nearest to its middle; a word that is too long is cut in its middle,
    and is then two. The first part is read with as many of the last words of the context as there
    is room for; what stands before a later part is the transcript's own.

    Args:
        encoder: reads the pieces.
        options: how it reads.
        transcript: of one clip; blanks around and between its words count as one.
        context: what was said before it.

    Returns:
        The pieces in order; none for a transcript without words.

    Raises:
        DataError: the template leaves no room for a character of text.
    """
    text, before = _plain(transcript), _plain(context)
    if not text:
        return []
    prompts, dropped = _prompts(encoder, options, text), 0
    if before:
        prompts[0], dropped = _behind_context(encoder, options, prompts[0].text, before)
    first, *later = (_piece(prompt, options.states) for prompt in prompts)
    return [dataclasses.replace(first, dropped=dropped), *later]


def _plain(text: str) -> str:
    """The text with one blank between words, and none around them."""
    # Half a surrogate pair cannot be encoded in UTF-8.
    return " ".join(text.encode("utf-8", errors="replace").decode("utf-8").split())


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Prompt:
    """A text in its prompt, behind its context.

    Attributes:
        text: as it was said.
        read: as it stands in the prompt.
        start: its first character there.
        tokens: of the whole prompt.
        fits: whether the encoder reads them at once.
    """

    text: str
    read: str
    start: int
    tokens: Tokens
    fits: bool


def _prompt(encoder: TextEncoder, options: EncodingOptions, text: str, context: str) -> _Prompt:
    """The prompt of a text, in which the context stands before it in place of ``{text}``."""
    before, after = options.template.split(TEXT_FIELD)
    front, read = f"{context} " if context else "", text
    if options.casing == "lower":
        front, read = front.lower(), read.lower()
    tokens = encoder.tokens(before + front + read + after)
    fits = encoder.longest is None or len(tokens.ids) <= encoder.longest
    return _Prompt(text=text, read=read, start=len(before + front), tokens=tokens, fits=fits)


def _prompts(encoder: TextEncoder, options: EncodingOptions, text: str) -> list[_Prompt]:
    """The prompts of the parts of a text, without context."""
    prompt = _prompt(encoder, options, text, "")
    if prompt.fits:
        return [prompt]
    if len(text) < 2:
        raise DataError(
            f"template {printable(options.template)!r} takes {len(prompt.tokens.ids):,} tokens "
            f"with a single character of text, and {encoder.name} reads {encoder.longest:,}; "
            f"shorten it"
        )
    starts = [match.start() for match in WORD.finditer(text)][1:]
    middle = len(text) // 2
    cut = min(starts, key=lambda start: abs(start - middle), default=middle)
    halves = (text[:cut].strip(), text[cut:].strip())
    return [prompt for half in halves if half for prompt in _prompts(encoder, options, half)]


def _behind_context(
    encoder: TextEncoder, options: EncodingOptions, text: str, context: str
) -> tuple[_Prompt, int]:
    """The prompt of a text that fits by itself, and how many words of context had no room."""
    starts = [*(match.start() for match in WORD.finditer(context)), len(context)]

    def without(words: int) -> _Prompt:
        return _prompt(encoder, options, text, context[starts[words] :])

    if (prompt := without(0)).fits:
        return prompt, 0
    dropped = bisect_left(range(len(starts)), True, key=lambda words: without(words).fits)
    return without(dropped), dropped


def _piece(prompt: _Prompt, states: States) -> Piece:
    """The piece of a prompt, whose steps are those of its text."""
    tokens, start, read = prompt.tokens, prompt.start, prompt.read
    if states == "last":
        real = [index for index, special in enumerate(tokens.special) if not special]
        return Piece(ids=tokens.ids, steps=tuple((i, i + 1) for i in real[-1:]))
    if states == "token":
        first, end = _overlapping(tokens.spans, start, start + len(read))
        return Piece(ids=tokens.ids, steps=tuple((i, i + 1) for i in range(first, end)))
    steps = tuple(
        _overlapping(tokens.spans, start + word.start(), start + word.end())
        for word in WORD.finditer(read)
    )
    return Piece(ids=tokens.ids, steps=steps, words=tuple(words_of(prompt.text)))


def _overlapping(spans: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """The first token that has a character from ``start`` to ``end``, and the one after them."""
    first = bisect_right(spans, start, key=lambda span: span[1])
    return first, max(first, bisect_left(spans, end, key=lambda span: span[0]))
