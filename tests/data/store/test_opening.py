import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save

from deadpan.data.store.opening import store_dataset
from deadpan.data.store.writing import write_store
from deadpan.errors import DataError

from .made import assert_same, toy, unchecked


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of a sound store."""
    path = tmp_path_factory.mktemp("store") / "store"
    write_store(toy(), path, source={})
    return path.read_bytes()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("place") / "store"


def facts_in(content):
    size = int.from_bytes(content[:8], "little")
    return json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["deadpan.dataset"])


def opened(place: Path, content):
    # Another file: what has been mapped must not change under those who map it.
    place.unlink(missing_ok=True)
    place.write_bytes(content)
    return store_dataset(place)


def changed_facts(content, **changes):
    facts = facts_in(content) | changes
    return save(load(content), {"deadpan.dataset": json.dumps(facts)})


def test_a_store_written_by_another_program_is_read(content, place):
    assert_same(opened(place, changed_facts(content, more=1)), toy())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": 2}, "another version"),
        ({"task": "ranking"}, "what it tells of the data set"),
        ({"labels": []}, "what it tells of the data set"),
        ({"labels": ["a", "b"]}, "tensor 'labels' has shape (4, 1)"),
        ({"task": "classes"}, "3 labels are not 1 for one class and 0 for the others"),
        ({"splits": {"train": 4, "dev": 0}}, "what it tells of the data set"),
        ({"splits": {"train": 5, "test": -1}}, "what it tells of the data set"),
        ({"splits": {"train": 5}}, "tensor 'labels' has shape"),
        ({"splits": {"train": 10**30}}, "tensor 'labels' has shape"),
        ({"widths": {"text": 0}}, "what it tells of the data set"),
        ({"widths": {"text": 4}}, "features.text, offsets.text, present.text do not fit"),
        ({"widths": {"smell": 4}}, "has no tensor 'features.smell'"),
        ({"padding": {"text": {"side": "top", "share": 0.5}}}, "what it tells of the data set"),
        ({"padding": {"text": {"side": "left", "share": 0.5, "x": 1}}}, "what it tells of"),
    ],
)
def test_facts_that_do_not_fit_are_refused(changes, told, content, place):
    with pytest.raises(DataError) as caught:
        opened(place, changed_facts(content, **changes))
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"{place}: ")
    assert "\n" not in str(caught.value)


LOW, HIGH = -(2**63), 2**63 - 1


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("labels", np.zeros((4, 1)), "tensor 'labels' is of type float64"),
        ("labels", np.zeros((4, 2), np.float32), "tensor 'labels' has shape (4, 2)"),
        ("labels", np.full((4, 1), np.nan, np.float32), "4 labels are not numbers in [-3, 3]"),
        ("offsets.text", np.array([0, 0, 2, 4, 7]), "do not fit together"),
        ("offsets.text", np.array([0, 0, 2, 4]), "do not fit together"),
        ("offsets.text", np.array([-1, 0, 2, 4, 6]), "do not fit together"),
        ("offsets.text", np.array([0, 0, 4, 2, 6]), "do not fit together"),
        ("offsets.text", np.array([0, 0, HIGH, LOW, 6]), "do not fit together"),
        ("offsets.text", np.array([0, 1, 2, 4, 6]), "do not fit together"),  # of an absent clip
        ("offsets.text", np.array([0, 0, 2, 4, 6], np.float32), "is of type float32"),
        ("present.text", np.ones(3, bool), "do not fit together"),
        ("present.text", np.ones((4, 1), bool), "do not fit together"),
        ("features.text", np.zeros((6, 3)), "tensor 'features.text' is of type float64"),
        ("features.text", np.zeros((6, 4), np.float32), "do not fit together"),
        ("features.text", np.zeros(6, np.float32), "do not fit together"),
        ("times.text", np.zeros((6, 3)), "do not fit together"),
        ("times.audio", np.zeros((6, 2)), "has no tensor 'time_offsets.audio'"),
        ("records", np.zeros((4, 4), np.uint8), "do not fit together"),
        ("record_offsets", np.zeros(5, np.int64), "do not fit together"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(name, values, told, content, place):
    facts = json.dumps(facts_in(content))
    with pytest.raises(DataError) as caught:
        opened(place, save(load(content) | {name: values}, {"deadpan.dataset": facts}))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_of_a_model_are_no_data_set(place):
    with pytest.raises(DataError, match="does not tell of a data set"):
        opened(place, save({"head.bias": np.zeros(3, np.float32)}, {"deadpan": "{}"}))


@given(st.data())
def test_no_flipped_bit_ends_in_anything_but_a_data_set_or_a_line(content, place, data):
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        place_of_bit = data.draw(st.integers(0, 8 * len(content) - 1))
        broken[place_of_bit // 8] ^= 1 << place_of_bit % 8
    try:
        with unchecked():
            dataset = opened(place, bytes(broken))
            clips = [clip for split in dataset.splits.values() for clip in split]
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert all(np.isfinite(x).all() for clip in clips for x in clip.sequences.values())
        assert all(x.shape[1] == dataset.widths[m] for c in clips for m, x in c.sequences.items())
