import dataclasses
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from safetensors import safe_open
from safetensors.numpy import load_file

from deadpan.data import load
from deadpan.data.controlled import controlled
from deadpan.data.dataset import Clip, Dataset
from deadpan.data.fingerprint import fingerprint
from deadpan.data.layouts.mult import mult_dataset
from deadpan.data.normalization import fit
from deadpan.data.store.figures import METHODS
from deadpan.data.store.opening import store_dataset
from deadpan.data.store.writing import write_store
from deadpan.errors import DataError

from .made import assert_same, fields, made, toy

REAL = {"text": 12, "audio": 55, "vision": 65}
PADDED = {"text": 50, "audio": 375, "vision": 500}
WIDTHS = {"text": 300, "audio": 5, "vision": 20}


def stored(dataset, path, **source):
    write_store(dataset, path, source=source)
    return store_dataset(path)


@given(fields())
@settings(max_examples=60)
def test_a_data_set_comes_back_to_the_last_bit(values):
    dataset = made(values)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        back = stored(dataset, path)
        assert_same(dataset, back)
        assert fingerprint(back) == fingerprint(dataset)
        again = Path(folder) / "again"
        assert_same(dataset, stored(back, again))  # a store may be the source
        assert again.read_bytes() == path.read_bytes()


def test_generated_clips_come_back_with_words_times_and_truth(tmp_path):
    dataset = controlled(clips=12, text_width=8, audio_width=9, vision_width=6)
    assert dataset["train"][0].truth
    assert_same(dataset, stored(dataset, tmp_path / "store"))


def test_any_reader_of_safetensors_can_open_a_store(tmp_path):
    path = tmp_path / "store"
    dataset = stored(toy(), path, name="toy")
    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        assert '"source": {"name": "toy"}' in file.metadata()["deadpan.dataset"]
    assert tensors["offsets.text"].tolist() == [0, 0, 2, 4, 6]
    assert tensors["present.text"].tolist() == [False, True, True, True]
    assert tensors["labels"].ravel().tolist() == [0, 0.5, 1, 1.5]
    assert (tensors["features.text"][2:4] == dataset["valid"][0].sequences["text"]).all()
    assert tensors["times.text"].dtype == np.float64


def test_a_store_has_the_figures_of_normalisation(tmp_path):
    path = tmp_path / "store"
    random = np.random.default_rng(0)
    widths = {"text": 3, "audio": 74, "vision": 1, "brain": 17, "none": 2}
    train = [
        Clip(
            id=str(i),
            sequences={
                m: (100 * random.normal(size=(20 + i, w))).astype(np.float32)
                for m, w in widths.items()
                if m != "none"
            },
            label=np.zeros(1, np.float32),
        )
        for i in range(30)
    ]
    dataset = Dataset(
        name="", task="regression", labels=("",), widths=widths, splits={"train": train}
    )
    write_store(dataset, path, source={})
    got = load_file(path)
    for method in METHODS:
        whole = fit(train, widths, method)
        # Text is never scaled, and of nothing there are no figures.
        assert set(whole.centers) == {"audio", "vision", "brain"}
        assert sum(name.startswith(f"{method}.") for name in got) == 6
        for name in whole.centers:
            assert (got[f"{method}.centers.{name}"] == whole.centers[name]).all()
            assert (got[f"{method}.scales.{name}"] == whole.scales[name]).all()


def test_a_store_is_five_times_smaller_than_the_padded_pickle(tmp_path):
    random = np.random.default_rng(0)
    splits = {}
    for split, count in (("train", 140), ("valid", 20), ("test", 40)):
        stretch = random.lognormal(-(0.3**2) / 2, 0.3, count)
        splits[split] = {"labels": np.zeros((count, 1, 1), np.float32)}
        splits[split]["id"] = np.array([f"{split}_{i}" for i in range(count)])
        for name, mean in REAL.items():
            array = np.zeros((count, PADDED[name], WIDTHS[name]), np.float32)
            for clip, steps in zip(array, np.rint(mean * stretch).astype(int), strict=True):
                clip[-min(max(1, steps), PADDED[name]) :] = 1
            splits[split][name] = array
    path, source = tmp_path / "store", tmp_path / "padded.pkl"
    source.write_bytes(pickle.dumps(splits))
    dataset = mult_dataset(source, splits)
    assert 0.9 < np.mean([len(c.sequences["text"]) for c in dataset["train"]]) / REAL["text"] < 1.1
    assert fingerprint(stored(dataset, path)) == fingerprint(dataset)
    assert source.stat().st_size / path.stat().st_size > 5


@pytest.mark.parametrize(
    ("source", "vectors", "smaller"),
    [
        ("mosi/mosi229_aligned.pkl", None, 4.5),
        ("ravdess/ravdess4.pkl", None, 1),
        ("mosi/label.csv", "mosi/glove.840B.300d.mosi-vocabulary.txt", 0),
    ],
)
def test_real_clips_come_back_to_the_last_bit(source, vectors, smaller, shared, tmp_path):
    path, out = shared / "data" / source, tmp_path / "store"
    dataset = load(path, **({"vectors": shared / "data" / vectors} if vectors else {}))
    assert_same(stored(dataset, out), dataset)
    assert path.stat().st_size > smaller * out.stat().st_size


def with_clip(**changes):
    return toy(splits={"train": [dataclasses.replace(toy()["test"][0], **changes)]})


def timed(dtype):
    return dataclasses.replace(toy()["test"][0], times={"text": np.zeros((2, 2), dtype)})


@pytest.mark.parametrize(
    ("dataset", "told"),
    [
        (with_clip(label=np.zeros(1)), "its label is float64 (1,); wanted float32 (1,)"),
        (with_clip(label=np.zeros(2, np.float32)), "its label is float32 (2,)"),
        (with_clip(label=np.full(1, 4, np.float32)), "labels that are not numbers in [-3, 3]"),
        (with_clip(sequences={"text": np.zeros((2, 3))}), "text is float64 (2, 3); wanted float32"),
        (with_clip(sequences={"text": np.zeros((2, 4), np.float32)}), "wanted float32 (steps, 3)"),
        (with_clip(sequences={"eeg": np.zeros((2, 3), np.float32)}), "has no width for it"),
        (with_clip(sequences={"text": np.full((1, 3), np.nan, np.float32)}), "is not finite"),
        (
            toy(
                splits={
                    "train": [timed(np.float32)],
                    "test": [timed(np.float64)],
                }
            ),
            "times of 'text' are float32, float64; wanted float32 or float64 for all clips",
        ),
    ],
)
def test_what_is_no_clip_is_refused_before_anything_is_written(dataset, told, tmp_path):
    with pytest.raises(DataError) as caught:
        write_store(dataset, tmp_path / "store", source={})
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
