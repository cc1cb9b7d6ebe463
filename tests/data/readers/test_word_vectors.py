import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.readers.word_vectors import read_word_vectors
from deadpan.errors import DataError


def read(folder, content, words=("good", "bad")):
    path = folder / "vectors.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_word_vectors(path, words)


def refusal(folder, content):
    with pytest.raises(DataError) as caught:
        read(folder, content)
    text = str(caught.value)
    assert text.startswith(f"{folder / 'vectors.txt'}: ")
    assert "\n" not in text
    return text


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
