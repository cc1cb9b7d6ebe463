from contextlib import closing

import numpy as np
import pytest
import torch

from deadpan.data.recipe import EncodingOptions
from deadpan.encoding import batches
from deadpan.encoding.batches import EncodedPieces, batches_of, encode_batch
from deadpan.encoding.pieces import Piece, split_transcript
from deadpan.encoding.run import recipe_of
from deadpan.errors import DataError

TEXTS = ("so good", "bad", "the movie was really not sogood !", "not bad", "un", "good \u200b bad")


def recipe(encoder, **options):
    return recipe_of(encoder, EncodingOptions(**{"layers": "1-2", **options}))


def pieces_of(encoder, texts=TEXTS, **options):
    made = [split_transcript(encoder, recipe(encoder, **options), text) for text in texts]
    return [piece for parts in made for piece in parts]


class Log:
    def __init__(self, stop=None):
        self.began, self.tokens, self.stop = None, [], stop

    def begin(self, tokens, done):
        self.began = tokens, done

    def advance(self, tokens):
        self.tokens.append(tokens)
        if len(self.tokens) == self.stop:
            raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(batches, "TOKENS_AT_ONCE", 8)


def computed(path, encoder, pieces, *, log=None, **options):
    with closing(EncodedPieces(path, encoder, recipe(encoder, **options), pieces)) as encoded:
        encoded.compute(log)
        return [encoded[piece] for piece in pieces]


def test_batches_are_of_similar_length_and_depend_on_the_pieces_alone():
    pieces = [Piece(ids=(1,) * length, steps=()) for length in (3, 9, 1, 2, 4, 4)]
    assert batches_of(pieces) == [[2, 3], [0, 4], [5], [1]]


def test_a_step_is_the_mean_of_its_tokens_and_a_block_that_of_its_layers(opened):
    (piece,) = pieces_of(opened, ["so sogood \u200b"])
    states = opened.hidden_states([piece.ids], [0, 1, 2, 3])
    rows = encode_batch(opened, recipe(opened, layers="1-3,0"), [piece])
    mean = (states[1] + states[2] + states[3])[0] / 3
    block = torch.cat([mean, states[0][0]], dim=1).numpy()
    wanted = [block[1], block[2:4].mean(0), np.zeros(16)]  # a word that has no token is zeros
    np.testing.assert_allclose(rows, wanted, rtol=1e-5, atol=1e-6)


def test_all_layers_stand_side_by_side(opened):
    (piece,) = pieces_of(opened, ["bad"])
    how = recipe(opened, layers="all")
    assert how.blocks == 4
    states = opened.hidden_states([piece.ids], [0, 1, 2, 3])
    wanted = torch.cat([states[layer][0, 1] for layer in range(4)])
    np.testing.assert_array_equal(encode_batch(opened, how, [piece])[0], wanted)


def test_a_piece_is_encoded_as_it_is_alone(opened, tmp_path):
    together = computed(tmp_path / "a", opened, pieces_of(opened), precision="single")
    for rows, text in zip(together, TEXTS, strict=True):
        piece = pieces_of(opened, [text])
        (alone,) = computed(tmp_path / text[:2], opened, piece, precision="single")
        np.testing.assert_allclose(rows, alone, rtol=1e-4, atol=1e-5)


def test_half_precision_keeps_numbers_of_float16(opened, tmp_path):
    pieces = pieces_of(opened)
    exact = computed(tmp_path / "single", opened, pieces, precision="single")
    for half, single in zip(computed(tmp_path / "half", opened, pieces), exact, strict=True):
        assert half.dtype == np.float32
        np.testing.assert_array_equal(half, single.astype(np.float16).astype(np.float32))


def test_an_interrupted_encoding_goes_on_and_ends_with_the_same_bytes(opened, tmp_path):
    pieces, whole, part = pieces_of(opened), Log(), Log(stop=2)
    computed(tmp_path / "whole", opened, pieces, log=whole)
    with pytest.raises(KeyboardInterrupt):
        computed(tmp_path / "part", opened, pieces, log=part)
    rest = Log()
    computed(tmp_path / "part", opened, pieces, log=rest)
    assert whole.began == (sum(whole.tokens), 0)
    assert rest.began == (sum(whole.tokens), sum(part.tokens))
    assert part.tokens + rest.tokens == whole.tokens
    assert len(rest.tokens) > 1
    assert (tmp_path / "part").read_bytes() == (tmp_path / "whole").read_bytes()


def damage(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "change",
    [
        damage,
        lambda content: content[:-1],
        lambda content: content + b"more",
        lambda content: b"",
        lambda content: b"another file" * 100,
    ],
)
def test_what_is_damaged_is_computed_again(change, opened, tmp_path):
    pieces, path = pieces_of(opened), tmp_path / "part"
    computed(path, opened, pieces)
    content = path.read_bytes()
    path.write_bytes(change(content))
    computed(path, opened, pieces)
    assert path.read_bytes() == content


def test_batches_of_other_texts_or_another_recipe_are_not_used(opened, tmp_path):
    pieces = pieces_of(opened)
    computed(tmp_path / "part", opened, pieces)
    for texts, options in (
        (TEXTS, {"layers": "1"}),
        (TEXTS, {"precision": "single"}),
        ((*TEXTS[:-1], "good"), {}),
        (TEXTS, {}),
    ):
        log, others = Log(), pieces_of(opened, texts, **options)
        computed(tmp_path / "part", opened, others, log=log, **options)
        assert log.began[1] == 0


def test_batches_of_another_number_of_threads_are_not_used(opened, tmp_path, monkeypatch):
    pieces, log = pieces_of(opened), Log()
    computed(tmp_path / "part", opened, pieces)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    computed(tmp_path / "part", opened, pieces, log=log)
    assert log.began[1] == 0


@pytest.mark.parametrize(
    ("factor", "precision", "told"),
    [
        (1e6, "half", "wanted numbers up to 65504; give --precision single"),
        (float("nan"), "single", "hold nan, wanted numbers up to .*; give another encoder"),
    ],
)
def test_numbers_that_cannot_be_stored_are_refused(factor, precision, told, opened, monkeypatch):
    states = opened.hidden_states
    monkeypatch.setattr(
        type(opened), "hidden_states", lambda _, *x: {k: v * factor for k, v in states(*x).items()}
    )
    with pytest.raises(DataError, match=told):
        encode_batch(opened, recipe(opened, precision=precision), pieces_of(opened, ["bad"]))
