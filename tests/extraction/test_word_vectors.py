import numpy as np
import pytest

from deadpan.errors import DataError
from deadpan.extraction.word_vectors import GLOVE_COLUMNS, GloveVectors

pyarrow = pytest.importorskip("pyarrow", reason="reads the index")
from pyarrow import parquet  # noqa: E402 - skips first

WORDS = ["the", "do", "n't", "she", "'s", "well", "known", "well-known", "o'clock", "ca", "can"]


@pytest.fixture
def folder(tmp_path):
    """A component whose row k holds 50 times k."""
    parquet.write_table(pyarrow.table({"index": WORDS}), tmp_path / "glove_6B_index.parquet")
    rows = np.arange(len(WORDS), dtype=np.float32)[:, None].repeat(50, axis=1)
    np.save(tmp_path / "glove_6B_50d_emb.npy", rows)
    return tmp_path


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("the", ["the"]),
        ("The,", ["the"]),
        ("(she", ["she"]),
        ("don't", ["do", "n't"]),
        ("DON\u2019T!", ["do", "n't"]),
        ("can't", ["ca", "n't"]),
        ("she's", ["she", "'s"]),
        ("o'clock", ["o'clock"]),
        ("well-known", ["well-known"]),
        ("well-can", ["well", "can"]),
    ],
)
def test_a_word_is_looked_up_as_glove_splits_it(folder, word, parts):
    vectors = GloveVectors(folder, [word])
    assert word in vectors
    mean = np.mean([WORDS.index(part) for part in parts])
    assert (vectors[word] == np.full(50, mean, np.float32)).all()
    assert vectors[word].dtype == np.float32


@pytest.mark.parametrize("word", ["xqz", "well-xqz", "...", "", "'"])
def test_a_word_without_a_vector_is_zeros(folder, word):
    vectors = GloveVectors(folder, [word, "the"])
    assert word not in vectors
    assert (vectors[word] == 0).all()


def test_a_file_of_vectors_is_looked_up_likewise(tmp_path):
    path = tmp_path / "tiny.txt"
    path.write_text("do 1 2 3\nn't 3 2 1\n")
    vectors = GloveVectors(path, ["Don't", "xqz"])
    assert vectors["Don't"].tolist() == [2, 2, 2]
    assert vectors["xqz"].tolist() == [0, 0, 0]
    assert "xqz" not in vectors


def test_a_damaged_component_is_refused(folder):
    np.save(folder / "glove_6B_50d_emb.npy", np.zeros((3, 40), np.float32))
    with pytest.raises(DataError, match="missing or damaged; run: deadpan components fetch glove"):
        GloveVectors(folder, ["the"])
    (folder / "glove_6B_50d_emb.npy").unlink()
    with pytest.raises(DataError, match="missing or damaged"):
        GloveVectors(folder, ["the"])


def test_the_component_has_the_words_of_speech_within_the_columns_ranges(component):
    vectors = GloveVectors(component("glove-6b-50d"), ["not", "don't", "don", "do", "I'm"])
    assert all(word in vectors for word in ("not", "don't", "do", "I'm"))
    assert vectors["the"].tolist() == [0] * 50  # was not asked for
    matrix = np.load(component("glove-6b-50d") / "glove_6B_50d_emb.npy", mmap_mode="r")
    for number, column in enumerate(GLOVE_COLUMNS):
        assert column.low <= matrix[::100, number].min()
        assert matrix[::100, number].max() <= column.high
