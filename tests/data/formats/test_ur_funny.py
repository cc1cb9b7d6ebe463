import pickle

import numpy as np
import pytest

import deadpan
from deadpan.errors import DataError

IDS = list(range(1, 10))
WORDS = {i: 2 + i % 3 for i in IDS}


def features(width):
    return {
        i: {
            "punchline_features": [[float(i)] * width] * n,
            "context_features": [[[0.5] * width] * 2, [[0.25] * width]],
        }
        for i, n in WORDS.items()
    }


def language(version):
    table = {}
    for i, n in WORDS.items():
        numbers = list(range(n))
        context = [[1, 2], [3]]
        if version == 1:
            numbers, context = [[x] for x in numbers], [[[1], [2]], [[3]]]
        table[i] = {"punchline_embedding_indexes": numbers, "context_embedding_indexes": context}
        if version == 2:
            table[i] |= {
                "punchline_sentence": " ".join(["word"] * n),
                "context_sentences": ["two words", "one"],
                "punchline_intervals": [[0.0, 0.1]] * n,
            }
    return table


def write(folder, version):
    words = {1: "word_embedding_indexes_sdk", 2: "language_sdk"}[version]
    content = {
        "data_folds": {"train": IDS[:5], "dev": IDS[5:7], "test": IDS[7:]},
        "humor_label_sdk": {i: i % 2 for i in IDS},
        "covarep_features_sdk": features(4),
        "openface_features_sdk": features(3),
        "word_embedding_list": [[0.1 * k] * 6 for k in range(5)],
        words: language(version),
    }
    for name, value in content.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(value))
    return folder


@pytest.mark.parametrize("version", [1, 2])
def test_a_clip_is_a_punchline_with_a_step_per_word(tmp_path, version):
    dataset = deadpan.load(write(tmp_path, version))
    assert (dataset.task, dataset.labels) == ("classes", ("not humorous", "humorous"))
    assert dataset.widths == {"text": 6, "audio": 4, "vision": 3}
    assert {split: len(x) for split, x in dataset.splits.items()} == {
        "train": 5,
        "valid": 2,
        "test": 2,
    }
    clip = dataset["test"][0]
    assert clip.id == "8"
    assert {name: x.shape for name, x in clip.sequences.items()} == {
        "text": (4, 6),
        "audio": (4, 4),
        "vision": (4, 3),
    }
    assert clip.sequences["text"][:, 0].tolist() == pytest.approx([0, 0.1, 0.2, 0.3])
    assert clip.label.tolist() == [1, 0]
    assert clip.words == (("word",) * 4 if version == 2 else ())
    assert clip.group is None


def test_a_fold_has_any_spelling_of_its_split(tmp_path):
    folds = {"Train": IDS[:5], "val": IDS[5:7], "test": IDS[7:]}
    (write(tmp_path, 2) / "data_folds.pkl").write_bytes(pickle.dumps(folds))
    assert [clip.id for clip in deadpan.load(tmp_path)["valid"]] == ["6", "7"]


def test_the_user_decides_on_the_task(tmp_path):
    dataset = deadpan.load(write(tmp_path, 2), task="scores")
    assert (dataset.task, dataset.labels) == ("scores", ("rating",))
    assert dataset["test"][0].label.tolist() == [0]
    assert dataset["test"][1].label.tolist() == [1]


def test_the_context_comes_first(tmp_path):
    clip = deadpan.load(write(tmp_path, 2), context=True)["test"][0]
    assert clip.sequences["audio"][:, 0].tolist() == [0.5, 0.5, 0.25, 8, 8, 8, 8]
    assert clip.sequences["text"][:, 0].tolist() == pytest.approx([0.1, 0.2, 0.3, 0, 0.1, 0.2, 0.3])


def test_a_missing_file_is_a_missing_modality(tmp_path):
    write(tmp_path, 2)
    (tmp_path / "openface_features_sdk.pkl").unlink()
    (tmp_path / "word_embedding_list.pkl").unlink()
    assert deadpan.load(tmp_path).widths == {"audio": 4}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("data_folds", {"train": IDS, "holdout": []}, "unknown split 'holdout'"),
        ("humor_label_sdk", {1: 1}, "has no label of clip '2'"),
        ("humor_label_sdk", dict.fromkeys(IDS, 2), r"has the label \[2\]; wanted 0 or 1"),
        ("covarep_features_sdk", {1: [1]}, "has no punchline_features"),
        ("word_embedding_list", [[1.0, 2.0]], "has word 1; wanted whole numbers below 1"),
        ("word_embedding_list", [[1.0, 2.0], [1.0]], "has lists of different lengths"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, name, value, words):
    write(tmp_path, 2)
    (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(DataError, match=words):
        deadpan.load(tmp_path)


def test_one_of_the_files_leads_to_the_folder(tmp_path):
    write(tmp_path, 2)
    with pytest.raises(DataError, match="UR-FUNNY's pickles .* give the folder"):
        deadpan.load(tmp_path / "covarep_features_sdk.pkl")


def test_a_row_named_again_and_again_is_refused(tmp_path):
    write(tmp_path, 2)
    row = [0.5] * 4000
    value = {i: {"punchline_features": [row] * 200} for i in IDS}
    (tmp_path / "covarep_features_sdk.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(DataError, match="stand for more than"):
        deadpan.load(tmp_path)


def test_vectors_that_lists_share_are_read(tmp_path):
    write(tmp_path, 2)
    vectors = [[0.0] * 300] * 2000
    (tmp_path / "word_embedding_list.pkl").write_bytes(pickle.dumps(vectors))
    value = {i: {"punchline_features": np.ones((n, 40), np.int8)} for i, n in WORDS.items()}
    (tmp_path / "openface_features_sdk.pkl").write_bytes(pickle.dumps(value))
    assert deadpan.load(tmp_path).widths == {"text": 300, "audio": 4, "vision": 40}


def test_arrays_are_read_as_lists_are(tmp_path):
    write(tmp_path, 2)
    value = {
        i: {"punchline_features": np.full((n, 3), float(i)), "context_features": []}
        for i, n in WORDS.items()
    }
    (tmp_path / "openface_features_sdk.pkl").write_bytes(pickle.dumps(value))
    assert deadpan.load(tmp_path)["test"][0].sequences["vision"].tolist() == [[8.0] * 3] * 4
