"""Transcripts as word vectors: which words there are, and what stands for those without one."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from deadpan.data.readers.word_vectors import read_word_vectors
from deadpan.errors import DataError

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
