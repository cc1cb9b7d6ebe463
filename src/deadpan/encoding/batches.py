"""Encoding pieces in batches, each of which is kept in a file until all are done."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float

from deadpan.data.recipe import Recipe, layer_groups
from deadpan.encoding.pieces import Piece
from deadpan.encoding.text_encoder import TextEncoder
from deadpan.errors import DataError

TOKENS_AT_ONCE = 2048
"""Tokens of a batch, padding included: fewer leave the processor idle, more leave its caches."""
DIGEST = hashlib.sha256().digest_size


@runtime_checkable
class EncodingWatch(Protocol):
    """Follows an encoding: a progress bar, a log, a test."""

    def begin(self, tokens: int, done: int) -> None:
        """Before the first batch; ``done`` of all tokens were encoded before."""

    def advance(self, tokens: int) -> None:
        """After each batch, with the number of its tokens."""


def batches_of(pieces: Sequence[Piece]) -> list[list[int]]:
    """Indices of every piece once, in batches of similar length, shortest first.

    They depend on the pieces alone, so that a resumed encoding computes the same numbers.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(pieces)), key=lambda index: len(pieces[index].ids)):
        length = len(pieces[index].ids)
        if batches and (len(batches[-1]) + 1) * length <= TOKENS_AT_ONCE:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


class EncodedPieces:
    """The features of pieces, computed batch by batch and kept in a file.

    The file holds the batches that are done, one after the other: a SHA-256, then the rows. The
    hash is also of all that decides the rows, so that no batch is used that is damaged, written
    half, or of other pieces or another recipe.

    Args:
        path: of the file, which is made if it is not there, and stays.
        encoder: reads the pieces.
        recipe: how.
        pieces: each once.
    """

    def __init__(
        self, path: Path, encoder: TextEncoder, recipe: Recipe, pieces: Sequence[Piece]
    ) -> None:
        self._encoder, self._recipe, self._pieces = encoder, recipe, pieces
        self._batches = batches_of(pieces)
        self._dtype = np.dtype(recipe.dtype)
        self.width = recipe.blocks * encoder.width
        self._key = _key(recipe, pieces)
        self._starts = [0]  # of each batch in the file, in bytes, and its end
        self._row_starts: dict[Piece, int] = {}  # of the first row of each piece
        for batch in self._batches:
            start = self._starts[-1] + DIGEST
            for piece in (pieces[index] for index in batch):
                self._row_starts[piece] = start
                start += len(piece.steps) * self.width * self._dtype.itemsize
            self._starts.append(start)
        path.touch()
        self._file: BinaryIO = path.open("r+b")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def compute(self, watch: EncodingWatch | None = None) -> None:
        """Encode the batches that are not in the file yet.

        Raises:
            DataError: a feature is not finite, or too large for the precision of the recipe.
        """
        tokens = [sum(len(self._pieces[i].ids) for i in batch) for batch in self._batches]
        count = len(self._batches)
        done = next((batch for batch in range(count) if not self._is_sound(batch)), count)
        self._file.truncate(self._starts[done])
        if watch:
            watch.begin(sum(tokens), sum(tokens[:done]))
        for batch in range(done, count):
            pieces = [self._pieces[index] for index in self._batches[batch]]
            rows = encode_batch(self._encoder, self._recipe, pieces).astype(self._dtype)
            self._file.seek(self._starts[batch])
            self._file.write(self._digest(batch, rows.tobytes()) + rows.tobytes())
            self._file.flush()
            if watch:
                watch.advance(tokens[batch])

    def __getitem__(self, piece: Piece) -> Float[np.ndarray, "step width"]:
        """The features of a piece, as float32."""
        count = len(piece.steps)
        self._file.seek(self._row_starts[piece])
        content = self._file.read(count * self.width * self._dtype.itemsize)
        rows = np.frombuffer(content, dtype=self._dtype).astype(np.float32)
        return rows.reshape(count, self.width)

    def _is_sound(self, batch: int) -> bool:
        self._file.seek(self._starts[batch])
        content = self._file.read(self._starts[batch + 1] - self._starts[batch])
        return content[:DIGEST] == self._digest(batch, content[DIGEST:])

    def _digest(self, batch: int, rows: bytes) -> bytes:
        return hashlib.sha256(self._key + batch.to_bytes(8, "little") + rows).digest()


def _key(recipe: Recipe, pieces: Sequence[Piece]) -> bytes:
    """Hash of whatever changes a bit of the features of some pieces, or their order."""
    how = [recipe.digest, recipe.precision, dict(recipe.versions), torch.get_num_threads()]
    digest = hashlib.sha256(json.dumps(how).encode())
    for piece in pieces:
        digest.update(json.dumps([piece.ids, piece.steps]).encode())
    return digest.digest()


def encode_batch(
    encoder: TextEncoder, recipe: Recipe, pieces: Sequence[Piece]
) -> Float[np.ndarray, "step feature"]:
    """The features of all steps of some pieces, one piece after the other.

    A step is the mean of its tokens, zeros if it has none. Each block of features is the mean of a
    group of layers.

    Raises:
        DataError: a feature is not finite, or too large for half precision.
    """
    groups = layer_groups(recipe.layers, depth=encoder.depth)
    layers = sorted({layer for group in groups for layer in group})
    states = encoder.hidden_states([piece.ids for piece in pieces], layers)
    blocks = [torch.stack([states[layer] for layer in group]).mean(0) for group in groups]
    tokens = torch.cat(blocks, dim=-1).numpy()
    rows = np.zeros((sum(len(piece.steps) for piece in pieces), tokens.shape[2]), np.float32)
    spans = (
        (text, first, end)
        for text, piece in zip(tokens, pieces, strict=True)
        for first, end in piece.steps
    )
    for row, (text, first, end) in zip(rows, spans, strict=True):
        if end > first:
            row[:] = text[first:end].mean(axis=0)
    largest = float(np.abs(rows).max(initial=0))
    most = float(np.finfo(recipe.dtype).max)
    if not largest <= most:  # also of NaN
        remedy = "; give --precision single" if np.isfinite(largest) else ""
        raise DataError(
            f"{recipe.encoder}: layers {recipe.layers} hold {largest:g}, wanted numbers up to "
            f"{most:g}{remedy or '; give another encoder'}"
        )
    return rows
