from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.containers.memory import MemoryBoundError, charge, memory_bound
from deadpan.data.formats.word_vectors import (
    WITHOUT_VECTOR,
    embed_words,
    read_word_vectors,
    tokenize,
)
from deadpan.errors import DataError

from ...refusals import refusal_of


def read(folder, content, words=("good", "bad")):
    path = folder / "vectors.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_word_vectors(path, words)


def refusal(folder, content):
    return refusal_of(f"{folder / 'vectors.txt'}: ", read, folder, content)


def test_keeps_the_vectors_of_the_words_asked_for(tmp_path):
    vectors, width = read(tmp_path, "film 1 2 3\ngood .5 -1e-1 0\n")
    assert width == 3
    assert list(vectors) == ["good"]
    assert vectors["good"].dtype == np.float32
    np.testing.assert_allclose(vectors["good"], [0.5, -0.1, 0])


@pytest.mark.parametrize(
    "content",
    [
        "2 2\ngood 1 2\nbad 3 4\n",  # header of word2vec
        "good 1 2 \nbad 3 4 \n",  # as word2vec ends its lines
        "good 1 2\r\nbad 3 4\r\n\r\n",
        ". . 9 9\ngood 1 2\nat me@x.org 9 9\nbad 3 4",  # words with spaces, as in glove.840B
        "good 1 2\nbad 3 4\ngood 7 7\n",  # the first line of a word holds
        b"good 1 2\n\xff\xfe 0 0\nbad 3 4\n",  # a word that is not UTF-8
        "3 1 2\ngood 1 2\nbad 3 4\n",  # a word that is a number is no header
    ],
)
def test_variants_of_the_format(content, tmp_path):
    vectors, width = read(tmp_path, content)
    assert width == 2
    assert {word: vector.tolist() for word, vector in vectors.items()} == {
        "good": [1, 2],
        "bad": [3, 4],
    }


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("film 1 2\ngood 1\n", "line 2: has 1 numbers; wanted 2"),
        ("film 1 2\ngood 1 2 3\n", "line 2: has 3 numbers; wanted 2"),
        ("film 1 2\ngood 1 x\n", "line 2: 'x' is no finite number"),
        ("film 1 2\ngood 1 nan\n", "line 2: 'nan' is no finite number"),
        ("film 1 2\ngood 1 1e39\n", "line 2: '1e39' is no finite number"),
        ("2 2\ngood 1 2\nfilm 1\n", "line 3: has 1 numbers; wanted 2"),
        ("video_id,clip_id,text,label,mode\n", "line 1: wanted a word and its numbers"),
        (b"\x80\x04\x95\x00\xff\n", "line 1: wanted a word and its numbers"),
        ("2 2\n", "holds no vectors"),
        ("", "is empty; give a file of word vectors"),
    ],
)
def test_what_does_not_fit_is_named_by_its_line(content, wanted, tmp_path):
    assert wanted in refusal(tmp_path, content)


numbers = st.floats(-100, 100, width=32)


@given(
    table=st.dictionaries(
        st.from_regex(r"[a-z]{1,8}", fullmatch=True),
        st.lists(numbers, min_size=3, max_size=3),
        min_size=1,
    )
)
def test_what_was_written_comes_back(table, tmp_path_factory):
    content = "".join(f"{w} {' '.join(map(repr, vector))}\n" for w, vector in table.items())
    vectors, width = read(tmp_path_factory.getbasetemp(), content, words=table)
    assert width == 3
    assert {word: vector.tolist() for word, vector in vectors.items()} == table


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_text("good 1 2\nfilm 3 4\n")
    return path


@pytest.mark.parametrize(
    ("transcript", "words"),
    [
        ("NOT Good", ("not", "good")),
        ("don\u2019t 'film' rock'n'roll '", ("don't", "film", "rock'n'roll")),
        ("snake_case -- 3D, 2.5!", ("snake", "case", "3d", "2", "5")),
        ("Très bien; 很好", ("très", "bien", "很好")),
        (" ... \n", ()),
        ("", ()),
    ],
)
def test_words(transcript, words):
    assert tokenize(transcript) == words


@given(st.text())
def test_words_are_not_empty_and_found_again(transcript):
    words = tokenize(transcript)
    assert all(words)
    assert tokenize(" ".join(words)) == words


def test_words_become_vectors_and_those_without_become_zeros(vectors, tmp_path):
    repairs = Counter({"audio: NaN set to 0": 1})
    clips = [("good", "odd", "film"), (), ("odd",)]
    sequences, width = embed_words(tmp_path, clips, vectors, repairs)
    assert width == 2
    assert [x.tolist() for x in sequences] == [[[1, 2], [0, 0], [3, 4]], [], [[0, 0]]]
    assert [x.shape for x in sequences] == [(3, 2), (0, 2), (1, 2)]
    assert {x.dtype for x in sequences} == {np.dtype(np.float32)}
    assert repairs == {"audio: NaN set to 0": 1, WITHOUT_VECTOR: 2}


def test_nothing_is_counted_where_every_word_has_a_vector(vectors, tmp_path):
    repairs = Counter()
    embed_words(tmp_path, [("good",)], vectors, repairs)
    assert repairs == {}


def test_vectors_for_no_word_are_refused_but_no_words_are_none_of_their_fault(vectors, tmp_path):
    with pytest.raises(DataError, match=r"glove\.txt: has a vector for no word of .*table\.csv"):
        embed_words(tmp_path / "table.csv", [("bon",)], vectors, Counter())
    sequences, width = embed_words(tmp_path / "table.csv", [()], vectors, Counter())
    assert (sequences[0].shape, width) == ((0, 2), 2)


def test_a_vector_is_charged_with_what_it_takes(tmp_path):
    """A number of a vector takes 4 bytes; 40 were counted, and 10,605 sentences were refused."""
    width, words = 300, 200
    path = tmp_path / "vectors.txt"
    numbers = b" 1" * width + b"\n"
    path.write_bytes(b"".join(b"w%d" % index + numbers for index in range(words)))
    names = [f"w{index}" for index in range(words)]
    with memory_bound(path):
        table, _ = read_word_vectors(path, names)
        # What is left of 32 times the file's size and 128 MB is for the sentences.
        charge(32 * path.stat().st_size + (128 << 20) - (4 * width + 256) * words)
        with pytest.raises(MemoryBoundError):
            charge(1)
    assert len(table) == words
