"""GloVe's vectors of spoken words, whatever their case, punctuation or contraction."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from deadpan.data.containers.parquet import read_parquet_texts
from deadpan.data.feature_recipe import Column
from deadpan.errors import DataError

MATRIX, INDEX = "glove_6B_50d_emb.npy", "glove_6B_index.parquet"
"""Files of the component glove-6b-50d: vectors, and the word of each."""
WIDTH = 50


def glove_columns(width: int, source: str, bound: float) -> tuple[Column, ...]:
    """The numbers of a word; 0 for a word without a vector."""
    return tuple(
        Column(name=f"glove_{number}", unit="", source=source, low=-bound, high=bound)
        for number in range(1, width + 1)
    )


GLOVE_COLUMNS = glove_columns(WIDTH, "GloVe 6B", 6.0)
"""Those of the component."""

APOSTROPHE = re.compile("[\u2018\u2019\u02bc`]")
EDGES = re.compile(r"^[^\w']+|[^\w]+$")
PIECES = re.compile(r"[^\W_]+")


class GloveVectors:
    """The vectors of some words.

    A word is looked up as GloVe's makers split text: in lower case, "don't" as "do" and "n't",
    "she's" as "she" and "'s", "well-known" as it is or else as "well" and "known". The vector of
    what is split is the mean of its parts.

    Args:
        source: the folder of the component glove-6b-50d, or a file in GloVe's text format.
        words: that will be asked for, as they are written. The source is read once, for these.

    Raises:
        DataError: the component is not in the folder, or it or the file is damaged.
        DeadpanError: pyarrow, which reads the component's index, is not installed.
    """

    def __init__(self, source: Path, words: Iterable[str]) -> None:
        spellings = {word: tuple(_spellings(word)) for word in words}
        wanted = {part for each in spellings.values() for parts in each for part in parts}
        if source.is_file():
            from deadpan.data.formats.word_vectors import read_word_vectors  # its package: torch

            known, self._width = read_word_vectors(source, wanted)
        else:
            known, self._width = _component_vectors(source, wanted), WIDTH
        self._vectors: dict[str, Float32[np.ndarray, " width"]] = {}
        for word, each in spellings.items():
            if parts := next((parts for parts in each if all(part in known for part in parts)), ()):
                vectors = [known[part] for part in parts]
                self._vectors[word] = np.stack(vectors).mean(axis=0, dtype=np.float32)

    def __contains__(self, word: str) -> bool:
        """Whether a word has a vector."""
        return word in self._vectors

    def __getitem__(self, word: str) -> Float32[np.ndarray, " width"]:
        """The vector of a word; zeros if it has none."""
        return self._vectors.get(word, np.zeros(self._width, np.float32))

    def features(
        self, words: Sequence[str], probabilities: Float32[np.ndarray, " word"]
    ) -> Float32[np.ndarray, "word feature"]:
        """The vector of each word, at least one, and behind it how probable the word is."""
        return np.column_stack([np.stack([self[word] for word in words]), probabilities])


def _spellings(word: str) -> Iterator[tuple[str, ...]]:
    """The parts of a word, in the ways in which GloVe may have it, the best first."""
    plain = EDGES.sub("", APOSTROPHE.sub("'", word).lower())
    stem, apostrophe, rest = plain.partition("'")
    if not plain:
        return
    yield (plain,)
    if plain.endswith("n't") and len(plain) > 3:
        yield plain[:-3], "n't"
    elif stem and apostrophe:
        yield stem, f"'{rest}"
    if pieces := tuple(PIECES.findall(plain)):
        yield pieces


def _component_vectors(folder: Path, words: set[str]) -> dict[str, Float32[np.ndarray, " width"]]:
    """The vectors of those words that the component has."""
    _, rows, _ = read_parquet_texts(folder / INDEX)
    matrix = _matrix(folder)
    return {
        fields[0]: matrix[row] for row, fields in enumerate(rows) if fields and fields[0] in words
    }


def _matrix(folder: Path) -> Float32[np.ndarray, "word width"]:
    """All vectors, which stay in the file until they are asked for."""
    path = folder / MATRIX
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        matrix = np.zeros(0)
    if matrix.dtype != np.float32 or matrix.shape[1:] != (WIDTH,):
        raise DataError(
            f"{path}: is missing or damaged; run: deadpan components fetch glove-6b-50d"
        )
    return matrix
