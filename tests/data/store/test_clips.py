import dataclasses

import numpy as np
import pytest

from deadpan.data.batching import collate
from deadpan.data.dataset import Clip
from deadpan.data.normalization import fit
from deadpan.data.store.clips import Table
from deadpan.data.store.opening import store_dataset
from deadpan.data.store.writing import write_store
from deadpan.errors import DataError

from .made import assert_same, toy, unchecked


@pytest.fixture
def path(tmp_path):
    return tmp_path / "store"


def stored(path, dataset):
    write_store(dataset, path, source={})
    return store_dataset(path)


def many(count):
    train = [dataclasses.replace(toy()["test"][0], id=str(i)) for i in range(count)]
    return toy(splits={"train": train[:-2], "test": train[-2:]})


def test_clips_are_taken_like_those_of_a_list(path):
    clips = stored(path, many(7))["train"]
    assert len(clips) == 5
    assert [clip.id for clip in clips] == list("01234")
    assert (clips[0].id, clips[-1].id, clips[np.int64(2)].id) == ("0", "4", "2")
    assert [clip.id for clip in clips[1:4]] == list("123")
    assert [clip.id for clip in clips[::-2][:2]] == list("42")
    assert len(clips[5:]) == 0
    for index in (5, -6):
        with pytest.raises(IndexError):
            clips[index]


def test_opening_takes_no_clip(path, monkeypatch):
    write_store(many(100), path, source={})
    monkeypatch.setattr(Table, "clip", None)
    with unchecked():
        assert len(store_dataset(path)["train"]) == 98


def test_splits_begin_where_the_one_before_ends(path):
    dataset = stored(path, many(7))
    assert [clip.id for clip in dataset["test"]] == ["5", "6"]
    assert len(dataset["valid"]) == 0


def test_arrays_are_views_that_nobody_can_write(path):
    clip = stored(path, toy())["train"][1]
    for array in (*clip.sequences.values(), *clip.times.values(), clip.label):
        assert not array.flags.owndata
        assert not array.flags.writeable


def test_normalisation_and_batches_are_the_same_as_from_memory(path):
    dataset = toy()
    back = stored(path, dataset)
    for method in ("robust", "standard", "group", "none"):
        one, other = (fit(x["train"], x.widths, method)(x) for x in (dataset, back))
        assert_same(one, other)
        first, second = (collate(x["train"], x.widths) for x in (one, other))
        assert (first.sequences["audio"] == second.sequences["audio"]).all()
        assert (first.labels == second.labels).all()
    assert_same(dataset.only(["audio"]), back.only(["audio"]))


def test_a_damaged_clip_is_refused_when_it_is_taken(path):
    write_store(toy(), path, source={})
    content = path.read_bytes()
    for broken, told in (
        (content.replace(b'"v1_1"', b'"v1_1,'), "clip 1: damaged (a text that is no JSON)"),
        (content.replace(b'"words": [', b'"wards": ['), "clip 0: damaged (its id, words or truth)"),
        (content.replace(np.float32(6).tobytes(), np.float32(np.inf).tobytes()), "is not finite"),
    ):
        assert broken != content
        path.write_bytes(broken)
        with unchecked(), pytest.raises(DataError) as caught:
            dataset = store_dataset(path)
            [clip for split in dataset.splits.values() for clip in split]
        assert str(caught.value).startswith(f"{path}: clip ")
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_clip_is_checked_once(path, monkeypatch):
    clips = stored(path, toy())["test"]
    assert isinstance(clips[0], Clip)
    monkeypatch.setattr(np, "isfinite", None)
    assert isinstance(clips[0], Clip)
