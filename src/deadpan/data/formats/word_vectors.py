"""Word vectors as text, in the format of GloVe: a word, then its numbers, one word per line."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deadpan.data.containers.files import opened, shown
from deadpan.errors import DataError

LARGEST = float(np.finfo(np.float32).max)


def read_word_vectors(
    path: Path, words: Collection[str]
) -> tuple[dict[str, Float[np.ndarray, " width"]], int]:
    """The vectors of these words, and the width of all.

    The file is streamed and only these words' vectors are kept; only theirs are parsed, the other
    lines are merely counted. A header of word2vec (number of words, width) is passed over; words
    may contain spaces, as some of glove.840B do. The first of two lines for one word holds.

    Args:
        path: the vectors.
        words: without spaces.

    Returns:
        float32 vectors of the words found, and their width.

    Raises:
        DataError: not such a file, or a line that does not fit, named by its number.
    """
    wanted = {word.encode("utf-8"): word for word in words}
    vectors: dict[str, np.ndarray] = {}
    width = 0
    with opened(path, "a file of word vectors") as stream:
        for number, raw in enumerate(stream, start=1):
            line = raw.rstrip()
            if not line or (number == 1 and _is_header(line)):
                continue
            if not width and not (width := _width(line)):
                raise DataError(f"{path}: line {number}: wanted a word and its numbers")
            spaces = line.count(b" ")
            if spaces != width:
                _check_spaced(path, number, line, spaces, width)
            word = wanted.get(line.partition(b" ")[0])
            if spaces == width and word is not None and word not in vectors:
                vectors[word] = _vector(path, number, line)
    if not width:
        raise DataError(f"{path}: holds no vectors; wanted a word and its numbers per line")
    return vectors, width


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _is_header(line: bytes) -> bool:
    fields = line.split(b" ")
    return len(fields) == 2 and all(field.isdigit() for field in fields)


def _width(line: bytes) -> int:
    """How many numbers end a line, the first field being a word even if it is a number."""
    width = 0
    for field in reversed(line.split(b" ")[1:]):
        if not _is_number(field):
            break
        width += 1
    return width


def _check_spaced(path: Path, number: int, line: bytes, spaces: int, width: int) -> None:
    """Accept only a word that contains spaces; a line with a number too many is no such word."""
    if spaces > width:
        word = line.rsplit(b" ", width)[0]
        if not _is_number(word.rpartition(b" ")[2]):
            return
    raise DataError(f"{path}: line {number}: has {spaces} numbers; wanted {width} as on the first")


def _vector(path: Path, number: int, line: bytes) -> Float[np.ndarray, " width"]:
    values: list[float] = []
    for field in line.split(b" ")[1:]:
        try:
            value = float(field)
        except ValueError:
            value = np.nan
        if not abs(value) <= LARGEST:
            got = shown(field.decode("utf-8", errors="backslashreplace"))
            raise DataError(f"{path}: line {number}: '{got}' is no finite number; mend the line")
        values.append(value)
    return np.array(values, dtype=np.float32)


WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
WITHOUT_VECTOR = "text: words without a vector set to 0"


def words_of(transcript: str) -> tuple[str, ...]:
    """Lower-case runs of letters and digits, apostrophes within; underscores part words."""
    return tuple(WORD.findall(transcript.lower().replace("\u2019", "'")))


def embedded(
    path: Path, clips: Sequence[Sequence[str]], vectors: Path, repairs: Counter[str]
) -> tuple[list[Float[np.ndarray, "_ width"]], int]:
    """The words of every clip as vectors, and their width.

    A word without a vector keeps its step, with zeros, so that every word keeps its place (and no
    clip runs empty).

    Args:
        path: where the words are from, for messages.
        clips: words of each clip.
        vectors: word vectors in GloVe's text format; any width.
        repairs: receives the number of words without a vector.

    Raises:
        DataError: no such vectors, or none for any word.
    """
    vocabulary = {word for words in clips for word in words}
    known, width = read_word_vectors(vectors, vocabulary)
    if vocabulary and not known:
        raise DataError(f"{vectors}: has a vector for no word of {path}; give vectors that fit")
    if absent := sum(word not in known for words in clips for word in words):
        repairs[WITHOUT_VECTOR] += absent
    zeros = np.zeros(width, dtype=np.float32)
    sequences = [
        np.stack([known.get(word, zeros) for word in words])
        if words
        else np.zeros((0, width), dtype=np.float32)
        for words in clips
    ]
    return sequences, width
