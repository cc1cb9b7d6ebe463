import pickle

import numpy as np
import pytest

from deadpan.data.containers.unpickling import read_pickle
from deadpan.data.formats.mult import mult_splits
from deadpan.errors import DataError


def split(count=2, **changes):
    """A sound split of 3 steps of width 2, with these keys changed; None leaves one out."""
    table = {name: np.ones((count, 3, 2), np.float32) for name in ("text", "audio", "vision")}
    table |= {"labels": np.zeros((count, 1, 1)), "id": [f"v_{index}" for index in range(count)]}
    return {name: value for name, value in {**table, **changes}.items() if value is not None}


def read(folder, content):
    path = folder / "file.pkl"
    path.write_bytes(pickle.dumps(content))
    return mult_splits(path, read_pickle(path))


def refusal(folder, content):
    with pytest.raises(DataError) as caught:
        read(folder, content)
    text = str(caught.value)
    assert text.startswith(f"{folder / 'file.pkl'}: ")
    assert "\n" not in text
    return text


def test_reads_the_arrays_as_they_are(tmp_path):
    table = split(count=2, audio=np.arange(12, dtype=np.int16).reshape(2, 3, 2))
    splits = read(tmp_path, {"train": table, "test": split(count=1)})
    assert list(splits) == ["train", "test"]
    assert len(splits["train"]) == 2
    assert list(splits["train"].sequences) == ["text", "audio", "vision"]
    np.testing.assert_array_equal(splits["train"].sequences["audio"], table["audio"])
    np.testing.assert_array_equal(splits["train"].labels, table["labels"])
    assert splits["train"].ids == (("v_0",), ("v_1",))
    assert splits["train"].ignored == ()


def test_a_split_may_lack_modalities_and_ids_and_be_empty(tmp_path):
    splits = read(
        tmp_path, {b"train": split(audio=None, vision=None, id=None), b"valid": split(count=0)}
    )
    assert list(splits["train"].sequences) == ["text"]
    assert splits["train"].ids == ((), ())
    assert len(splits["valid"]) == 0


def test_keys_that_mean_nothing_are_told(tmp_path):
    splits = read(tmp_path, {"train": split(visual=np.zeros((2, 3, 2)), raw=["a", "b"])})
    assert splits["train"].ignored == ("raw", "visual")


OBJECTS = np.empty((2, 3), dtype=object)
OBJECTS[:] = [["v", 0.5, 2], [b"w", 1.5, 3]]


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        (["v_1", b"v_2"], (("v_1",), ("v_2",))),
        ((7, 8), (("7",), ("8",))),
        (np.array([7, 8]), (("7",), ("8",))),
        (np.array(["a", "b"]), (("a",), ("b",))),
        (np.array([[b"a"], [b"b"]]), (("a",), ("b",))),
        (np.array([[["a"]], [["b"]]]), (("a",), ("b",))),
        (np.array([["v", "0", "1"], ["w", "1", "2"]]), (("v", "0", "1"), ("w", "1", "2"))),
        (OBJECTS, (("v", "0.5", "2"), ("w", "1.5", "3"))),
        ([np.array(["v", "0", "1"]), ["w", 1, 2]], (("v", "0", "1"), ("w", "1", "2"))),
        ([np.str_("a"), np.int64(3)], (("a",), ("3",))),
        (["caf\xe9", "\ud800"], (("caf\xe9",), ("\\ud800",))),
        ([b"caf\xe9", b"caf\xc3\xa9"], (("caf\\xe9",), ("caf\xe9",))),
    ],
)
def test_ids_of_every_form(ids, wanted, tmp_path):
    assert read(tmp_path, {"train": split(id=ids)})["train"].ids == wanted


ONES = np.ones((2, 3, 2))


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"audio": ONES[:1]}, "split 'train': 'audio' has 1 clips, 'labels' 2"),
        ({"id": ["a"]}, "split 'train': 'id' has 1 clips, 'labels' 2"),
        ({"vision": ONES[0]}, "'vision' has shape (3, 2); wanted [clip, step, width]"),
        ({"vision": np.ones((2, 3, 0))}, "wanted a width of 1 or more"),
        ({"text": ONES.tolist()}, "split 'train': 'text' is a list"),
        ({"text": ONES.astype(object)}, "split 'train': 'text' is an array of object"),
        ({"text": ONES.astype(str)}, "split 'train': 'text' is an array of str"),
        ({"labels": None}, "split 'train': has no 'labels' (found audio, id, text, vision)"),
        ({"labels": [1, 2]}, "split 'train': 'labels' is a list"),
        ({"labels": np.array(1.0)}, "'labels' is a single number"),
        ({"labels": np.zeros((10**12, 0))}, "'labels' has shape (1000000000000, 0)"),
        ({"id": "ab"}, "'id' is a str"),
        ({"id": [None, "a"]}, "an id is a NoneType"),
        ({"id": [["a", ["b", "c"]], "d"]}, "an id is a list"),
    ],
)
def test_arrays_that_do_not_fit_are_named(changes, wanted, tmp_path):
    assert wanted in refusal(tmp_path, {"train": split(**changes)})


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ([1, 2], "holds no splits"),
        ({}, "holds no splits"),
        ({"train": 1}, "split 'train' is no dict"),
        ({"trian": split()}, "unknown split 'trian'; did you mean 'train'?"),
        (
            {"train": split(), "test": split(text=np.ones((2, 3, 5)))},
            "'text' has width 2 in train, 5 in test; wanted one width",
        ),
        ({"train": split(text=None, audio=None, vision=None)}, "has none of text, audio, vision"),
    ],
)
def test_layouts_that_do_not_fit_are_named(content, wanted, tmp_path):
    assert wanted in refusal(tmp_path, content)


def test_an_id_that_holds_itself_is_refused(tmp_path):
    loop = []
    loop.append(loop)
    assert "an id is a list" in refusal(tmp_path, {"train": split(id=[loop, "a"])})
