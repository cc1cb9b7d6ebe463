from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.words import WITHOUT_VECTOR, embedded, words_of
from deadpan.errors import DataError


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
    assert words_of(transcript) == words


@given(st.text())
def test_words_are_not_empty_and_found_again(transcript):
    words = words_of(transcript)
    assert all(words)
    assert words_of(" ".join(words)) == words


def test_words_become_vectors_and_those_without_become_zeros(vectors, tmp_path):
    repairs = Counter({"audio: NaN set to 0": 1})
    clips = [("good", "odd", "film"), (), ("odd",)]
    sequences, width = embedded(tmp_path, clips, vectors, repairs)
    assert width == 2
    assert [x.tolist() for x in sequences] == [[[1, 2], [0, 0], [3, 4]], [], [[0, 0]]]
    assert [x.shape for x in sequences] == [(3, 2), (0, 2), (1, 2)]
    assert {x.dtype for x in sequences} == {np.dtype(np.float32)}
    assert repairs == {"audio: NaN set to 0": 1, WITHOUT_VECTOR: 2}


def test_nothing_is_counted_where_every_word_has_a_vector(vectors, tmp_path):
    repairs = Counter()
    embedded(tmp_path, [("good",)], vectors, repairs)
    assert repairs == {}


def test_vectors_for_no_word_are_refused_but_no_words_are_none_of_their_fault(vectors, tmp_path):
    with pytest.raises(DataError, match=r"glove\.txt: has a vector for no word of .*table\.csv"):
        embedded(tmp_path / "table.csv", [("bon",)], vectors, Counter())
    sequences, width = embedded(tmp_path / "table.csv", [()], vectors, Counter())
    assert (sequences[0].shape, width) == ((0, 2), 2)
