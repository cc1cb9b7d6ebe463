import dataclasses
import itertools
import json
import tracemalloc
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, load_file, save, save_file

from deadpan.data import normalization
from deadpan.data.batching import collate, lengths_of, training_batches
from deadpan.data.dataset import Clip, Dataset, LazyClips
from deadpan.data.normalization import fit_normalizer
from deadpan.data.store import reading
from deadpan.data.store.reading import OpenStore, StoredClips, store_dataset
from deadpan.data.store.writing import write_store
from deadpan.errors import DataError

from .toy_datasets import assert_same, toy, unchecked


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """The bytes of a sound store."""
    place = tmp_path_factory.mktemp("store") / "store"
    write_store(toy(), place, source={})
    return place.read_bytes()


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
        ({"task": "ranking"}, "its metadata"),
        ({"labels": []}, "its metadata"),
        ({"labels": ["a", "b"]}, "tensor 'labels' has shape (4, 1)"),
        ({"task": "classes"}, "3 labels are not 1 for one class and 0 for the others"),
        ({"splits": {"train": 4, "dev": 0}}, "its metadata"),
        ({"splits": {"train": 5, "test": -1}}, "its metadata"),
        ({"splits": {"train": 5}}, "tensor 'labels' has shape"),
        ({"splits": {"train": 10**30}}, "tensor 'labels' has shape"),
        ({"widths": {"text": 0}}, "its metadata"),
        ({"widths": {"text": 4}}, "features.text, offsets.text, present.text do not fit"),
        ({"widths": {"smell": 4}}, "has no tensor 'features.smell'"),
        ({"padding": {"text": {"side": "top", "share": 0.5}}}, "its metadata"),
        ({"padding": {"text": {"side": "left", "share": 0.5, "x": 1}}}, "its metadata"),
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
    with pytest.raises(DataError, match="describe no data set"):
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
    monkeypatch.setattr(OpenStore, "clip", None)
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
        one, other = (fit_normalizer(x["train"], x.widths, method)(x) for x in (dataset, back))
        assert_same(one, other)
        first, second = (collate(x["train"], x.widths) for x in (one, other))
        assert (first.sequences["audio"] == second.sequences["audio"]).all()
        assert (first.labels == second.labels).all()
    assert_same(dataset.only(["audio"]), back.only(["audio"]))


def test_a_part_of_a_part_is_that_of_a_list(path):
    clips = stored(path, many(7))["train"]
    numbers = [*range(len(clips))]
    ends, steps = (None, -9, -2, 0, 1, 4, 9), (-3, -1, 1, 2)
    some = [slice(*one) for one in itertools.product(ends, ends, steps)][::5]
    for first, second in itertools.product(some, some[::3]):
        part = clips[first][second]
        assert [int(clip.id) for clip in part] == numbers[first][second]
        assert len(part.labels) == len(part.steps["audio"]) == len(part)


def test_lengths_and_labels_are_told_without_taking_a_clip(path, monkeypatch):
    dataset = toy()
    clips = stored(path, dataset)["train"]
    monkeypatch.setattr(OpenStore, "clip", None)
    with unchecked():
        assert lengths_of(clips).tolist() == lengths_of(dataset["train"]).tolist()
        assert clips.labels.tolist() == [clip.label.tolist() for clip in dataset["train"]]
        assert {m: n.tolist() for m, n in clips.steps.items()} == {"text": [0, 2], "audio": [2, 1]}
        assert list(clips.only(["audio"]).steps) == ["audio"]


def test_normalised_clips_are_made_when_they_are_taken(path):
    dataset = stored(path, many(9))
    for method in ("robust", "group"):
        normalised = fit_normalizer(dataset["train"], dataset.widths, method)(dataset)["train"]
        assert isinstance(normalised, LazyClips)
        alive = [weakref.ref(clip.sequences["audio"]) for clip in normalised]
        assert sum(x() is not None for x in alive) <= 1


def speech(count):
    """Clips of 20 kB each."""
    random = np.random.default_rng(0)
    clips = [
        Clip(
            id=str(i),
            sequences={"audio": random.normal(size=(50, 100)).astype(np.float32)},
            label=np.zeros(1, np.float32),
        )
        for i in range(count)
    ]
    return Dataset(
        name="", task="regression", labels=("x",), widths={"audio": 100}, splits={"train": clips}
    )


def test_memory_does_not_grow_with_the_clips(tmp_path):
    most = {}
    for count in (50, 300):
        write_store(speech(count), tmp_path / str(count), source={})
        with unchecked():
            tracemalloc.start()
            dataset = store_dataset(tmp_path / str(count))
            dataset = fit_normalizer(dataset["train"], dataset.widths, "robust")(dataset)
            lengths = lengths_of(dataset["train"])
            for chosen in training_batches(lengths, 10, seed=0, epoch=1):
                collate([dataset["train"][i] for i in chosen], dataset.widths)
            most[count] = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert most[300] - most[50] < 250 * 200  # bytes; their features take 5 MB more


def test_memory_of_the_file_is_given_back(path, monkeypatch):
    monkeypatch.setattr(reading, "RESIDENT", 600_000)
    dataset = speech(40)
    with unchecked():
        clips = stored(path, dataset)["train"]
    given_back = []
    monkeypatch.setattr(clips._store, "release", lambda: given_back.append(None))
    with unchecked():
        assert [clip.id for clip in clips] == [clip.id for clip in dataset["train"]]
    assert len(given_back) == 40 // 2 - 1  # 20 kB, and 256 kB around


def test_what_was_given_back_can_be_read_again(path, monkeypatch):
    monkeypatch.setattr(reading, "RESIDENT", 1)
    dataset = speech(5)
    back = stored(path, dataset)
    held = [clip.sequences["audio"] for clip in back["train"]]
    assert_same(dataset, back)
    assert all(
        (x == c.sequences["audio"]).all() for x, c in zip(held, dataset["train"], strict=True)
    )


def edited(path, *, facts=None, **arrays):
    """The store with some tensors and facts replaced, as anyone may edit it."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    told = json.loads(metadata["deadpan.dataset"]) | (facts or {})
    tensors = load_file(path) | arrays
    path.unlink()
    save_file(tensors, path, metadata | {"deadpan.dataset": json.dumps(told)})
    return store_dataset(path)


def test_figures_are_taken_from_the_store(path, monkeypatch):
    dataset = many(7)
    wanted = {
        m: fit_normalizer(dataset["train"], dataset.widths, m) for m in ("robust", "standard")
    }
    back = stored(path, dataset)
    monkeypatch.setattr(normalization, "_fit_modality", None)
    for method, normalizer in wanted.items():
        for clips in (back["train"], back.only(["audio"])["train"]):
            found = fit_normalizer(clips, {"audio": 2}, method)
            assert (found.centers["audio"] == normalizer.centers["audio"]).all()
            assert (found.scales["audio"] == normalizer.scales["audio"]).all()


@pytest.mark.parametrize("what", ["features", "figures", "an older store", "no figures"])
def test_figures_that_may_be_others_are_not_taken(what, path):
    write_store(many(7), path, source={})
    audio = load_file(path)["features.audio"]
    back = edited(
        path,
        facts={"figures": {}} if what == "an older store" else None,
        **{
            "features": {
                "features.audio": audio + np.arange(len(audio), dtype=np.float32)[:, None]
            },
            "figures": {"robust.centers.audio": np.float32([9, 9])},
            "no figures": {"robust.centers.audio": np.zeros((0,), np.float32)},
        }.get(what, {}),
    )
    found = fit_normalizer(back["train"], back.widths, "robust")
    assert (
        found.centers["audio"].tolist()
        == fit_normalizer(list(back["train"]), back.widths, "robust").centers["audio"].tolist()
    )


def test_figures_of_a_part_are_computed(path):
    back = stored(path, many(9))
    part = back["train"][:2]
    assert isinstance(part, StoredClips)
    assert not part.scaling("robust")
    assert fit_normalizer(part, back.widths, "robust").centers["audio"].shape == (2,)


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


def test_advice_for_the_source_is_not_given_for_the_store(tmp_path):
    advice = "the column text was not used; give --data_options.vectors glove.txt"
    path = tmp_path / "store"
    write_store(dataclasses.replace(toy(), warnings=(advice,)), path, source={})
    wanted = (
        "the column text was not used; convert its source again with --data_options.vectors "
        "glove.txt",
    )
    assert store_dataset(path).warnings == wanted
    older = facts_in(path.read_bytes()) | {"warnings": [advice]}
    save_file(load_file(path), path, {"deadpan.dataset": json.dumps(older)})
    assert store_dataset(path).warnings == wanted


def test_text_of_an_older_store_is_not_scaled_and_of_a_newer_one_what_it_says(path):
    dataset = toy(unscaled={"audio": "states of an encoder"})
    assert stored(path, dataset).unscaled == {"audio": "states of an encoder"}
    metadata = facts_in(path.read_bytes())
    del metadata["unscaled"]
    save_file(load_file(path), path, {"deadpan.dataset": json.dumps(metadata)})
    assert store_dataset(path).unscaled == {
        "text": "assumed to be word vectors or states of an encoder"
    }
