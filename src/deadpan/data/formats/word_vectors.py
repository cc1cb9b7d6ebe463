"""Word vectors in GloVe's text format: a word and its numbers on each line."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deadpan.data.containers.files import open_file, printable
from deadpan.data.containers.memory import charge
from deadpan.errors import DataError

LARGEST = float(np.finfo(np.float32).max)
OVERHEAD = 256
"""Bytes that a vector takes besides its numbers: an array, a word and an entry of a dictionary."""


def read_word_vectors(
    path: Path, words: Collection[str]
) -> tuple[dict[str, Float[np.ndarray, " width"]], int]:
    """Read the vectors of some words.

    The file is streamed; only the vectors of these words are parsed and kept. A header of word2vec
    (number of words, width) is skipped. Words in the file may contain spaces, as some of glove.840B
    do. If a word has two lines, the first is used.

    Args:
        path: the file of word vectors.
        words: the words to look up, without spaces.

    Returns:
        float32 vectors of those words that the file has, and the width of all its vectors.

    Raises:
        DataError: the file cannot be read, or a line does not fit; the message names the line.
    """
    encoded = {word.encode("utf-8"): word for word in words}
    vectors: dict[str, np.ndarray] = {}
    width = 0
    with open_file(path, "a file of word vectors") as stream:
        for number, raw in enumerate(stream, start=1):
            line = raw.rstrip()
            if not line or (number == 1 and _is_header(line)):
                continue
            if not width and not (width := _width(line)):
                raise DataError(f"{path}: line {number}: wanted a word and its numbers")
            spaces = line.count(b" ")
            if spaces != width:
                _check_spaced(path, number, line, spaces, width)
            word = encoded.get(line.partition(b" ")[0])
            if spaces == width and word is not None and word not in vectors:
                charge(4 * width + OVERHEAD)
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
    """Count the numbers at the end of a line; the first field is a word even if it is a number."""
    width = 0
    for field in reversed(line.split(b" ")[1:]):
        if not _is_number(field):
            break
        width += 1
    return width


def _check_spaced(path: Path, number: int, line: bytes, spaces: int, width: int) -> None:
    """Refuse a line of another width, unless its word contains spaces."""
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
            text = printable(field.decode("utf-8", errors="backslashreplace"))
            raise DataError(f"{path}: line {number}: '{text}' is no finite number; mend the line")
        values.append(value)
    return np.array(values, dtype=np.float32)


WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
WITHOUT_VECTOR = "text: words without a vector set to 0"


def tokenize(transcript: str) -> tuple[str, ...]:
    """Split a transcript into lower-case words of letters, digits and inner apostrophes."""
    return tuple(WORD.findall(transcript.lower().replace("\u2019", "'")))


def embed_words(
    path: Path, clips: Sequence[Sequence[str]], vectors: Path, repairs: Counter[str]
) -> tuple[list[Float[np.ndarray, "_ width"]], int]:
    """Look up the vectors of every clip's words.

    A word without a vector becomes a step of zeros, so that steps and words stay aligned.

    Args:
        path: the file of the words, for messages.
        clips: words of each clip.
        vectors: word vectors in GloVe's text format, of any width.
        repairs: receives the number of words without a vector.

    Returns:
        A sequence [word, width] per clip, and the width.

    Raises:
        DataError: the vectors cannot be read, or have none of the words.
    """
    vocabulary = {word for words in clips for word in words}
    table, width = read_word_vectors(vectors, vocabulary)
    if vocabulary and not table:
        raise DataError(f"{vectors}: has a vector for no word of {path}; give vectors that fit")
    if missing := sum(word not in table for words in clips for word in words):
        repairs[WITHOUT_VECTOR] += missing
    charge(4 * width * sum(map(len, clips)))
    zeros = np.zeros(width, dtype=np.float32)
    sequences = [np.empty((len(words), width), dtype=np.float32) for words in clips]
    for sequence, words in zip(sequences, clips, strict=True):
        for step, word in enumerate(words):
            sequence[step] = table.get(word, zeros)
    return sequences, width
