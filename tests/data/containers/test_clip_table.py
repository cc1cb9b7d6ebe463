from pathlib import Path

import numpy as np
import pytest

from deadpan.data.formats.own.dataset import own_dataset
from deadpan.data.formats.pickles import pickle_dataset
from deadpan.errors import DataError

HEADER = "video_id,clip_id,text,label,mode\n"
VECTORS = "good 1 2\nnot 3 4\nfilm 5 6\ndon't 7 8\n"


def load(folder, rows, vectors=VECTORS):
    (folder / "label.csv").write_text(HEADER + rows, encoding="utf-8")
    (folder / "vectors.txt").write_text(vectors, encoding="utf-8")
    return own_dataset(folder / "label.csv", vectors=folder / "vectors.txt")


def test_words_become_steps(tmp_path):
    dataset = load(tmp_path, "v,1,NOT GOOD,-2.5,train\nw,1,film,1,valid\n")
    assert (dataset.name, dataset.task, dataset.labels) == ("label", "regression", ("sentiment",))
    assert dataset.widths == {"text": 2}
    assert [len(dataset[name]) for name in ("train", "valid", "test")] == [1, 1, 0]
    (clip,) = dataset["train"]
    assert (clip.id, clip.group, clip.words) == ("v_1", "v", ("not", "good"))
    np.testing.assert_array_equal(clip.sequences["text"], np.float32([[3, 4], [1, 2]]))
    assert clip.sequences["text"].dtype == np.float32
    np.testing.assert_array_equal(clip.label, np.float32([-2.5]))
    assert (dataset.repairs, dataset.warnings) == ({}, ())


def test_a_word_without_a_vector_keeps_its_step(tmp_path):
    dataset = load(tmp_path, "v,1,wasnt good 3D,1,train\nv,2,hm,0,train\n")
    first, second = dataset["train"]
    assert first.words == ("wasnt", "good", "3d")
    np.testing.assert_array_equal(first.sequences["text"], [[0, 0], [1, 2], [0, 0]])
    np.testing.assert_array_equal(second.sequences["text"], [[0, 0]])
    assert dataset.repairs == {"text: words without a vector set to 0": 3}


def test_punctuation_is_no_word(tmp_path):
    text = '"Good -- not_good, ""film""... don\u2019t \'Film\' !"'
    dataset = load(tmp_path, f"v,1,{text},1,train\n")
    words = ("good", "not", "good", "film", "don't", "film")
    assert dataset["train"][0].words == words
    assert dataset.repairs == {}


def test_a_transcript_without_words_is_a_clip_without_text(tmp_path):
    dataset = load(tmp_path, "v,1,...,1,train\nv,2,good,1,train\n")
    assert dataset["train"][0].sequences == {}
    assert dataset["train"][0].words == ()
    assert dataset.warnings == ("1 clips have a transcript without words: they lack text",)


def test_splits_that_share_a_video_are_told(tmp_path):
    dataset = load(tmp_path, "v,1,good,1,train\nv,2,good,1,test\n")
    assert len(dataset.warnings) == 1
    assert "'v'" in dataset.warnings[0]


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ("v,1,good,1,trian\n", "line 2: unknown mode 'trian'; did you mean 'train'?"),
        ("v,1,good,1,train\nv,2,good,nan,train\n", "line 3: label is nan; wanted a number in"),
        ("v,1,good,3.1,train\n", "line 2: label is 3.1; wanted a number in [-3, 3]"),
        ("v,1,good,-inf,train\n", "line 2: label is -inf"),
        ("v,1,good,1,train\nv,1,film,1,test\n", "line 3: clip 'v_1' is already on line 2"),
    ],
)
def test_rows_that_do_not_fit_are_named_by_their_line(rows, wanted, tmp_path):
    with pytest.raises(DataError) as caught:
        load(tmp_path, rows)
    assert str(caught.value).startswith(f"{tmp_path / 'label.csv'}: {wanted}")


def test_vectors_of_another_vocabulary_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"vectors\.txt: has a vector for no word of .*label\.csv"):
        load(tmp_path, "v,1,good,1,train\n", vectors="bon 1 2\n")


@pytest.fixture(scope="module")
def mosi(shared: Path):
    folder = shared / "data" / "mosi"
    return own_dataset(folder / "label.csv", vectors=folder / "glove.840B.300d.mosi-vocabulary.txt")


def test_mosi(mosi):
    assert [len(mosi[name]) for name in ("train", "valid", "test")] == [1284, 229, 686]
    assert mosi.widths == {"text": 300}
    assert mosi.repairs == {"text: words without a vector set to 0": 741}
    assert mosi.warnings == ()
    for clips in mosi.splits.values():
        for clip in clips:
            assert len(clip.sequences["text"]) == len(clip.words) > 0
            assert clip.sequences["text"].any(), "every clip has a word with a vector"


def test_mosi_has_the_ids_and_labels_of_the_aligned_file(mosi, shared: Path):
    aligned = pickle_dataset(shared / "data" / "mosi" / "mosi229_aligned.pkl")
    clips = {clip.id: clip for split in aligned.splits.values() for clip in split}
    assert {clip.id for clip in mosi["valid"]} == set(clips)
    for clip in mosi["valid"]:
        assert clip.group == clips[clip.id].group
        np.testing.assert_allclose(clip.label, clips[clip.id].label, atol=1e-4)
