import collections
import pathlib
import pickle

import numpy as np
import pytest
import torch

import deadpan
from deadpan.data.containers import memory
from deadpan.data.containers.memory import memory_bound
from deadpan.data.formats.pickled_values import (
    as_text,
    clip_ids,
    feature_array,
    number_column,
    numeric_array,
)
from deadpan.errors import DataError

STEPS = np.arange(12.0).reshape(2, 3, 2)


def objects(entries):
    array = np.empty(len(entries), dtype=object)
    array[:] = entries
    return array


@pytest.mark.parametrize(
    "value",
    [
        STEPS,
        STEPS.tolist(),
        tuple(STEPS),
        list(STEPS),
        STEPS.astype(object),
        objects(list(STEPS)),
        objects([x.tolist() for x in STEPS]),
        [[[np.float64(x) for x in step] for step in clip] for clip in STEPS],
    ],
)
def test_features_in_any_wrapping(value):
    np.testing.assert_array_equal(feature_array("audio", value), STEPS)


def test_features_of_truth_values_and_of_whole_numbers():
    assert feature_array("audio", STEPS > 5).tolist() == (STEPS > 5).astype(int).tolist()
    assert feature_array("audio", [[[True, False]], [[False, True]]]).tolist() == [
        [[1, 0]],
        [[0, 1]],
    ]
    assert feature_array("audio", STEPS.astype(np.int16).tolist()).dtype.kind == "i"


@pytest.mark.parametrize("wrap", [list, objects])
def test_sequences_of_different_lengths_are_padded(wrap):
    clips = [np.ones((2, 3), np.float32), [[2, 2, 2]], np.zeros((0, 3)), [], None]
    array = feature_array("audio", wrap(clips))
    assert array.tolist() == [
        [[1, 1, 1], [1, 1, 1]],
        [[2, 2, 2], [0, 0, 0]],
        *[[[0, 0, 0], [0, 0, 0]]] * 3,
    ]
    assert feature_array("audio", [None, []]).shape == (2, 0, 1)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (
            [[[1, 2]], [[1, 2, 3]]],
            r"'audio' has clips of shape \(1, 2\) and \(1, 3\); wanted \[step,",
        ),
        ([[1, 2], [3, 4]], r"'audio' has clips of shape \(2,\)"),
        ([[[1], [1, 2]]], "'audio' has lists of different lengths; wanted one shape"),
        ([[[1]], [["a"]]], "'audio' holds a str; wanted numbers"),
        ([[[1]], [[None]]], "'audio' holds a NoneType; wanted numbers"),
        (objects([{}, {}]), "'audio' is a dict; wanted an array of numbers"),
        (np.empty((10**12, 0), dtype=object), "'audio' has shape"),
        ("abc", "'audio' is a str"),
    ],
)
def test_what_is_no_feature(value, wanted):
    with pytest.raises(DataError, match=wanted):
        feature_array("audio", value)


def test_text_is_refused_before_an_array_of_it_takes_memory():
    # numpy would make every entry as long as the longest.
    with pytest.raises(DataError, match="'labels' holds a str"):
        numeric_array("labels", ["x" * 10**6, *[1] * 10**6])


def test_lists_that_a_file_repeats_and_long_clips_do_not_swell():
    entry = [0.0] * 1000
    for _ in range(4):
        entry = [entry] * 1000
    with pytest.raises(DataError, match="stand for more than"), memory_bound("data.pkl"):
        feature_array("audio", entry)
    clips = [np.ones((10**6, 1)), *[np.ones((1, 1))] * 10**4]  # all would be padded to the first
    with pytest.raises(DataError, match="stand for more than"), memory_bound("data.pkl"):
        feature_array("audio", clips)
    loop: list = []
    loop += [loop, loop]
    with pytest.raises(DataError, match="'audio' has lists in lists, 8 deep; wanted numbers"):
        feature_array("audio", loop)
    padding = [0.0, 0.0]  # one list for all padding is well
    assert feature_array("audio", [[padding] * 50] * 40).shape == (40, 50, 2)


def test_columns_of_labels_in_any_wrapping():
    for value in (
        [True, False],
        np.array([True, False]),
        [1, 0],
        [[1.0], [0.0]],
        np.array([[1], [0]]),
    ):
        assert number_column("labels", value).tolist() == [1, 0]
        assert numeric_array("labels", value).ravel().tolist() == [1, 0]


def mult(wrap=lambda _key, value: value):
    """A data set in MulT's layout whose values are wrapped."""
    random = np.random.default_rng(0)
    return {
        split: {
            "text": wrap("text", random.normal(size=(3, 4, 2)).astype(np.float32)),
            "audio": wrap("audio", random.normal(size=(3, 6, 2)).astype(np.float32)),
            "labels": wrap("labels", random.uniform(-3, 3, (3, 1, 1)).astype(np.float32)),
        }
        for split in ("train", "valid", "test")
    }


def figures(folder, value):
    (folder / "data.pkl").write_bytes(pickle.dumps(value))
    return deadpan.inspect(folder / "data.pkl")


@pytest.mark.parametrize("wrapped", ["lists", "objects", "OrderedDict", "defaultdict"])
def test_a_data_set_in_any_wrapping_is_the_same(wrapped, tmp_path):
    value = {
        "lists": mult(lambda _, x: x.tolist()),
        "objects": mult(lambda _, x: objects(list(x))),
        "OrderedDict": collections.OrderedDict(mult()),
        "defaultdict": collections.defaultdict(dict, mult()),
    }[wrapped]
    assert figures(tmp_path, value) == figures(tmp_path, mult())


@pytest.mark.parametrize("saved_by", ["pickle", "torch", "torch before 1.6"])
def test_tensors_are_named_with_the_line_that_converts_them(saved_by, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, value = tmp_path / "mosi_train_a.dt", mult(lambda _, x: torch.from_numpy(x))
    if saved_by == "pickle":
        path.write_bytes(pickle.dumps(value))
    else:
        torch.save(value, path, _use_new_zipfile_serialization=saved_by == "torch")
    with pytest.raises(
        DataError, match="(holds tensors|is a file) of torch; .*in Python: "
    ) as caught:
        deadpan.inspect(path)
    line = str(caught.value).partition("in Python: ")[2]
    exec(line, {"pathlib": pathlib, "pickle": pickle, "torch": torch})
    converted = deadpan.inspect(tmp_path / "data.pkl")
    assert converted == figures(tmp_path, mult())


def test_ids_are_counted_before_texts_are_made_of_them():
    with pytest.raises(DataError, match="'id' has 5 clips, 'labels' 3"):
        clip_ids({"id": [object()] * 5}, 3, "labels")


def test_a_text_that_stands_often_is_one_object():
    name = "a" * 100
    ((first, *others),) = clip_ids({"id": [[name] * 1000]}, 1, "labels")
    assert all(text is first for text in others)
    assert type(as_text(np.str_("a"))) is str
    assert as_text("\ud800") == r"\ud800"


@pytest.mark.parametrize("part", ["\ud800" * 1000, b"\xff" * 1000, 7])
def test_texts_that_are_made_of_ids_are_charged(part, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CONSTANT", 1000)
    with memory_bound(tmp_path):
        clip_ids({"id": [["a" * 5000] * 30]}, 1, "labels")
    with pytest.raises(DataError, match="stand for more than"), memory_bound(tmp_path):
        clip_ids({"id": [[part] * 30]}, 1, "labels")
