import pickle

import numpy as np
import pytest

from deadpan.data.containers.unpickling import read_pickle
from deadpan.data.formats.mmsa import mmsa_dataset
from deadpan.data.formats.pickles import pickle_dataset
from deadpan.errors import DataError


def split(labels, *, video="v", **changes):
    """A split with these labels, and these keys besides."""
    count = len(labels)
    table = {m: np.ones((count, 3, 2), np.float32) for m in ("text", "audio", "vision")}
    table |= {
        "regression_labels": np.array(labels, np.float32),
        "id": np.array([f"{video}$_${index}" for index in range(count)]),
        "raw_text": ["one two three"] * count,
        "audio_lengths": [2] * count,
        "vision_lengths": [3] * count,
        "annotations": ["Positive"] * count,
        "classification_labels": [0] * count,  # not held against the others
    }
    return {**table, **changes}


def load(folder, splits, **options):
    path = folder / "mosi.pkl"
    path.write_bytes(pickle.dumps(splits))
    return mmsa_dataset(path, read_pickle(path), **options)


def sims(labels=(0.2, -1.0), **changes):
    ones = {
        f"regression_labels_{name}": np.full(len(labels), value)
        for name, value in {"T": 0, "A": 0.4, "V": 1}.items()
    }
    return split(labels, **{**ones, **changes})


def test_mosi(tmp_path):
    dataset = load(tmp_path, {"train": split([-3, 1.5]), "valid": split([0.2], video="w")})
    assert (dataset.name, dataset.task, dataset.labels) == ("mosi", "regression", ("sentiment",))
    assert dataset.layout == "a pickle in MMSA's layout"
    assert dataset.widths == {"text": 2, "audio": 2, "vision": 2}
    clip = dataset["train"][1]
    assert (clip.id, clip.group, clip.label.tolist()) == ("v$_$1", "v", [1.5])
    assert {name: len(x) for name, x in clip.sequences.items()} == {
        "text": 3,
        "audio": 3,
        "vision": 3,
    }
    assert clip.words == ("one", "two", "three")
    assert [len(dataset[name]) for name in ("train", "valid", "test")] == [2, 1, 0]
    assert dataset.warnings == ()
    assert dataset.repairs == {
        "audio: lengths that leave out steps replaced by where zeros begin": 3
    }
    assert dataset.padding["vision"].side == "none"


def test_small_labels_alone_are_still_sentiment_in_three(tmp_path):
    assert load(tmp_path, {"train": split([0.2, -1])}).task == "regression"


def test_ch_sims_has_scores_whichever_label_is_chosen(tmp_path):
    splits = {"train": sims(), "test": sims([0.6], video="w")}
    wanted = {"M": [[0.2], [-1.0]], "T": [[0]] * 2, "A": [[0.4]] * 2, "V": [[1]] * 2}
    for label, values in wanted.items():
        dataset = load(tmp_path, splits, label=label)
        assert (dataset.task, dataset.labels) == ("scores", ("sentiment",))
        np.testing.assert_allclose(np.stack([c.label for c in dataset["train"]]), values, rtol=1e-6)


def test_one_label_beyond_one_makes_all_of_them_sentiment_in_three(tmp_path):
    splits = {"train": sims(), "test": sims([0.6], regression_labels_V=[1.2])}
    for label in "MTAV":
        assert load(tmp_path, splits, label=label).task == "regression"


@pytest.mark.parametrize(
    ("splits", "label", "wanted"),
    [
        ({"train": split([0, 1])}, "T", "unknown label 'T'; known: M"),
        ({"train": sims()}, "t", "unknown label 't'; did you mean 'T'? known: A, M, T, V"),
        ({"train": sims(regression_labels_T=[np.nan] * 2)}, "T", "known: A, M, V"),
        ({"train": sims(regression_labels_T=[np.nan, 0])}, "T", "1 labels are NaN (first: v$_$0)"),
        ({"train": sims(), "test": split([0])}, "A", "split 'test': 1 labels are NaN"),
        ({"train": split([0, np.nan])}, "M", "1 labels are NaN (first: v$_$1)"),
        (
            {"train": split([0, 3.5])},
            "M",
            "1 labels are unusable (first: v$_$1); wanted numbers in",
        ),
        ({"train": sims([1e30, 0])}, "M", "1 labels are unusable"),
    ],
)
def test_labels_that_cannot_be_used_are_named(splits, label, wanted, tmp_path):
    for table in splits.values():
        table["regression_labels"] = list(table["regression_labels"])
    with pytest.raises(DataError) as caught:
        load(tmp_path, splits, label=label)
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_door_for_pickles_knows_the_layout(tmp_path):
    path = tmp_path / "sims.pkl"
    path.write_bytes(pickle.dumps({"train": sims(), "test": sims(video="w")}))
    assert pickle_dataset(path).task == "scores"
    assert pickle_dataset(path, label="V")["train"][0].label.tolist() == [1.0]
