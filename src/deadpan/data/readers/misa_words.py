"""The words of a clip in MISA's and BERT-MAG's pickles, in whichever form they come."""

import dataclasses
from typing import cast

import numpy as np
from jaxtyping import Num

from deadpan.data.readers.pickled_values import text_of
from deadpan.errors import DataError


@dataclasses.dataclass(frozen=True, kw_only=True)
class MisaWords:
    """Words of a clip.

    Attributes:
        count: how many.
        texts: the words as such; none where the file has numbers or vectors only.
        vectors: one per word, where the file has them.
    """

    count: int
    texts: tuple[str, ...] = ()
    vectors: Num[np.ndarray, "_ _"] | None = None

    @property
    def form(self) -> str:
        """What they are, as a noun."""
        if self.vectors is not None:
            return "vectors"
        return "texts" if self.texts else "numbers of a vocabulary"


def words_in(value: object) -> MisaWords:
    """The words of a clip: texts (a list, an array or one text), numbers of a vocabulary, vectors.

    Raises:
        DataError: none of these.
    """
    if isinstance(value, str | bytes):
        value = text_of(value).split()
    if isinstance(value, np.ndarray) and value.ndim:
        if value.ndim == 2 and value.dtype.kind == "f" and value.size:
            return MisaWords(count=len(value), vectors=value)
        value = list(value.ravel()) if value.size == len(value) else value  # [N, 1] too
    if not isinstance(value, list | tuple):
        raise DataError(f"words are {_noun(value)}; wanted words, their numbers or their vectors")
    entries = list(cast("list[object]", value))
    if all(isinstance(entry, str | bytes) for entry in entries):
        return MisaWords(count=len(entries), texts=tuple(map(text_of, entries)))
    for entry in entries:
        if isinstance(entry, bool) or not isinstance(entry, int | np.integer):
            raise DataError(f"words hold {_noun(entry)}; wanted words, or numbers of a vocabulary")
    return MisaWords(count=len(entries))


def _noun(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype.name} {value.shape}"
    return f"a {type(value).__name__}"
