import pickle

import numpy as np
import pytest

from deadpan.data.containers.unpickling import read_pickle
from deadpan.data.formats.misa import misa_dataset, misa_folder_dataset
from deadpan.data.formats.pickles import pickle_dataset
from deadpan.errors import DataError


def entry(texts, label=1.0, segment="a[0]", **changes):
    count = len(texts)
    features = {
        "words": np.arange(count),
        "visual": np.ones((count, 3)),
        "acoustic": np.ones((count, 2)),
        "actual": list(texts),
    }
    values = tuple(value for value in {**features, **changes}.values() if value is not None)
    return values, label, segment


@pytest.fixture
def splits():
    """Three splits of short clips, one of them without words."""
    return {
        "train": [entry(["So", "well"], segment="a[0]"), entry([], segment=b"a[1]")],
        "dev": [entry(["what"], [[-3.0]], segment="b[0]")],
        "test": [entry(["well", "what"], np.array([[0.5]]), segment="c[12]")],
    }


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("so 1.0 2.0\nwhat 3.0 4.0\n")
    return path


def load(folder, content, **options):
    path = folder / "mosi.pkl"
    path.write_bytes(pickle.dumps(content))
    return misa_dataset(path, read_pickle(path), **options)


def refusal(folder, content, **options):
    with pytest.raises(DataError) as caught:
        load(folder, content, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_words_become_text_by_way_of_vectors(splits, vectors, tmp_path):
    dataset = load(tmp_path, splits, vectors=vectors)
    assert (dataset.name, dataset.task, dataset.labels) == ("mosi", "regression", ("sentiment",))
    assert list(dataset.widths.items()) == [("text", 2), ("audio", 2), ("vision", 3)]
    assert dataset.warnings == ()
    assert dataset.repairs == {"text: words without a vector set to 0": 2}
    clip = dataset["train"][0]
    assert (clip.id, clip.group, clip.words) == ("a_0", "a", ("So", "well"))
    assert clip.sequences["text"].tolist() == [[1, 2], [0, 0]]
    assert clip.sequences["vision"].shape == (2, 3)
    assert (dataset["train"][1].id, dataset["train"][1].sequences) == ("a_1", {})
    assert [clip.label.tolist() for clip in dataset["valid"]] == [[-3]]
    assert dataset["test"][0].id == "c_12"


def test_without_vectors_text_is_left_out_and_the_option_named(splits, tmp_path):
    dataset = load(tmp_path, splits)
    assert list(dataset.widths) == ["audio", "vision"]
    assert all(clip.words == () for clip in dataset["train"])
    assert dataset.warnings == (
        "text was left out, the file has words and no vectors: give --data_options.vectors FILE",
    )


def test_numbers_of_a_vocabulary_cannot_become_text(vectors, tmp_path):
    content = [entry(["so"], segment=f"{video}[0]", actual=None) for video in "abcdef"]
    told = "text was left out: its words are numbers of a vocabulary that is not in the file"
    assert told in load(tmp_path, content).warnings
    text = refusal(tmp_path, content, vectors=vectors)
    assert "vectors of words are of no use; leave out the option vectors" in text


def test_vectors_in_the_file_are_its_text(vectors, tmp_path):
    content = {"train": [entry(["so"], words=np.array([[5.0, 6.0, 7.0]]))]}
    dataset = load(tmp_path, content)
    assert dataset["train"][0].sequences["text"].tolist() == [[5, 6, 7]]
    assert dataset["train"][0].words == ("so",)
    assert dataset.warnings == ()
    assert "holds vectors of the words itself" in refusal(tmp_path, content, vectors=vectors)


def test_one_list_is_split_by_video(tmp_path):
    content = [entry(["so"], segment=f"video{n}[{m}]") for n in range(10) for m in range(2)]
    dataset = load(tmp_path, content)
    assert {name: len(clips) for name, clips in dataset.splits.items()} == {
        "train": 12,
        "valid": 4,
        "test": 4,
    }
    assert any("the file tells no splits" in text for text in dataset.warnings)


def test_the_first_of_seven_labels_is_the_sentiment(tmp_path):
    label = np.array([[-1.5, 1, 0, 0, 2, 0, 0]], np.float32)
    dataset = load(tmp_path, {"train": [entry(["so"], label)]})
    assert dataset["train"][0].label.tolist() == [-1.5]
    assert any("seven numbers" in text for text in dataset.warnings)


@pytest.mark.parametrize(
    ("label", "wanted"),
    [
        (np.ones(2), "clip 'a_0' has a label of shape (2,); wanted one number, or seven"),
        (np.ones((1, 0)), "has a label of shape (1, 0)"),
        (3.5, "1 labels are unusable (first: a_0); wanted numbers in [-3, 3]"),
        (np.nan, "1 labels are NaN (first: a_0)"),
    ],
)
def test_labels_that_cannot_be_used_are_named(label, wanted, tmp_path):
    assert wanted in refusal(tmp_path, {"train": [entry(["so"], label)]})


def test_a_folder_of_pickles(splits, vectors, tmp_path):
    folder = tmp_path / "mosi"
    folder.mkdir()
    for name, entries in splits.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(entries))
    dataset = misa_folder_dataset(folder, vectors=vectors)
    assert dataset.name == "mosi"
    assert {name: [clip.id for clip in clips] for name, clips in dataset.splits.items()} == {
        "train": ["a_0", "a_1"],
        "valid": ["b_0"],
        "test": ["c_12"],
    }
    assert dataset.widths["text"] == 2
    (folder / "test.pkl").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(DataError, match="split 'test': is a dict; wanted a list of"):
        misa_folder_dataset(folder)


def test_the_door_for_pickles_knows_the_layout(splits, tmp_path):
    path = tmp_path / "data"
    path.write_bytes(pickle.dumps(splits))
    assert pickle_dataset(path).layout == "pickles in MISA's layout"
