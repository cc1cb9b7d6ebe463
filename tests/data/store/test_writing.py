import dataclasses
import os
import pickle
import resource
import shutil
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from safetensors import safe_open
from safetensors.numpy import load_file

from deadpan.data import load
from deadpan.data.containers.safetensors_file import LARGEST_HEADER, map_safetensors
from deadpan.data.dataset import Clip, Dataset, fingerprint
from deadpan.data.formats.mult import mult_dataset
from deadpan.data.generated.controlled import controlled
from deadpan.data.normalization import fit_normalizer
from deadpan.data.recipe import Recipe
from deadpan.data.store.format import METHODS
from deadpan.data.store.reading import store_dataset
from deadpan.data.store.writing import Tensor, check_writable, write_store, write_tensors
from deadpan.errors import DataError

from .toy_datasets import assert_same, build_dataset, fields, toy

REAL = {"text": 12, "audio": 55, "vision": 65}
PADDED = {"text": 50, "audio": 375, "vision": 500}
WIDTHS = {"text": 300, "audio": 5, "vision": 20}


def stored(dataset, path, **source):
    write_store(dataset, path, source=source)
    return store_dataset(path)


@given(fields())
@settings(max_examples=60)
def test_a_data_set_comes_back_to_the_last_bit(values):
    dataset = build_dataset(values)
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
        name="",
        task="regression",
        labels=("",),
        widths=widths,
        splits={"train": train},
        unscaled={"text": "word vectors"},
    )
    write_store(dataset, path, source={})
    got = load_file(path)
    for method in METHODS:
        whole = fit_normalizer(train, widths, method, unscaled=["text"])
        # Of what is not scaled, and of nothing, there are no figures.
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
            with_clip(times={"text": np.zeros((3, 2))}),
            "clip 'v3_1': times of text are (3, 2); wanted start and end of each of its 2 steps",
        ),
        (
            with_clip(sequences={}),
            "times of text are (2, 2); wanted start and end of each of its 0",
        ),
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


def tensor(values, dtype="F32", parts=None):
    return Tensor(dtype=dtype, shape=values.shape, parts=parts or (lambda: iter(values[:, None])))


def parts_of(count):
    values = np.arange(2 * count, dtype=np.float32).reshape(count, 2)
    return values, tensor(values)


def refusal(call, *arguments):
    with pytest.raises(DataError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_parts_make_a_file_that_the_library_reads(tmp_path):
    values, parts = parts_of(5)
    odd = np.array([[1], [0], [1]], np.uint8)
    empty = Tensor(dtype="F64", shape=(0, 3), parts=lambda: [np.zeros((0, 3))])
    path = tmp_path / "file"
    write_tensors(path, {"odd": tensor(odd, "U8"), "x": parts, "empty": empty}, {"é": "ü\n"})
    read = load_file(path)
    assert (read["x"] == values).all()
    assert (read["odd"] == odd).all()
    assert read["empty"].shape == (0, 3)
    assert list(tmp_path.iterdir()) == [path]
    head = int.from_bytes(path.read_bytes()[:8], "little")
    assert head % 8 == 0  # and the larger types come first: every tensor is aligned
    assert path.read_bytes()[8 + head :].startswith(values.tobytes())


def test_parts_in_any_order_and_stride_are_written_as_they_look(tmp_path):
    values = np.arange(6, dtype=np.float32).reshape(2, 3).T
    write_tensors(tmp_path / "file", {"x": tensor(values, parts=lambda: [values])}, {})
    assert (load_file(tmp_path / "file")["x"] == values).all()


def test_what_fails_on_the_way_leaves_what_was_there(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def broken():
        yield np.zeros((1, 2), np.float32)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_tensors(path, {"x": tensor(np.zeros((2, 2)), parts=broken)}, {})
    short = tensor(np.zeros((2, 2)), parts=lambda: [np.zeros((1, 2))])
    assert "'x' changed while it was written" in refusal(write_tensors, path, {"x": short}, {})
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_gets_full_is_told_in_one_line(tmp_path):
    path = tmp_path / "file"
    _, parts = parts_of(200_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        text = refusal(write_tensors, path, {"x": parts}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert text.startswith(f"{path}: cannot be written (File too large); free some space")
    assert list(tmp_path.iterdir()) == []


def test_too_little_space_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))
    text = refusal(write_tensors, tmp_path / "file", {"x": parts_of(500_000)[1]}, {})
    assert "needs 4.0 MB, and 0.0 MB are free" in text
    assert list(tmp_path.iterdir()) == []


def test_a_header_that_could_not_be_read_again_is_not_written(tmp_path):
    long = "x" * LARGEST_HEADER
    assert "at most 1048576" in refusal(write_tensors, tmp_path / "file", {}, {"long": long})
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_nothing_but_what_the_next_one_removes(tmp_path):
    path, others = tmp_path / "f[1]", tmp_path / ".f[1].other.tmp"
    others.touch()

    hears, tells = os.pipe()

    def interrupted():
        yield np.zeros((1 << 20, 2), np.float32)
        os.write(tells, b"a part is written")
        signal.pause()

    if not (child := os.fork()):
        try:
            write_tensors(path, {"x": tensor(np.zeros((1 << 22, 2)), parts=interrupted)}, {})
        finally:
            os._exit(1)
    os.close(tells)
    assert os.read(hears, 99) == b"a part is written"
    os.close(hears)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    left = tmp_path / f".f[1].{child}.tmp"
    assert set(tmp_path.iterdir()) == {left, others}
    assert left.stat().st_size
    assert not path.exists()
    write_tensors(path, {"x": parts_of(1)[1]}, {})
    assert set(tmp_path.iterdir()) == {path, others}


def test_a_path_where_no_file_can_be_made_is_refused(tmp_path, monkeypatch):
    taken, dangling = tmp_path / "taken", tmp_path / "dangling"
    taken.touch()
    dangling.symlink_to("nowhere")
    for path in (taken, tmp_path, dangling):
        assert refusal(check_writable, path).startswith(f"{path}: exists already")
    assert "no directory" in refusal(check_writable, tmp_path / "none" / "file")
    assert "no directory" in refusal(check_writable, taken / "file")
    assert "File name too long" in refusal(check_writable, tmp_path / ("x" * 300))
    check_writable(tmp_path / "free")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "no permission" in refusal(check_writable, tmp_path / "free")


RECIPE = Recipe(layers="6", encoder="mpnet", files={"config.json": "0"}, blocks=1, versions={})


@pytest.mark.parametrize(("precision", "size"), [("half", 2), ("single", 4)])
def test_a_recipe_is_kept_and_says_in_which_precision_features_are(precision, size, tmp_path):
    recipe = dataclasses.replace(RECIPE, precision=precision)
    dataset = toy(recipes={"text": recipe})
    assert_same(stored(dataset, tmp_path / "store"), dataset)
    tensors = map_safetensors(tmp_path / "store").tensors
    assert tensors["features.text"].dtype.itemsize == size
    assert tensors["features.audio"].dtype == np.float32


def test_features_of_half_precision_keep_their_scaling(tmp_path):
    train = stored(toy(recipes={"audio": RECIPE}), tmp_path / "store")["train"]
    fitted = fit_normalizer(list(train), {"audio": 2}, "robust")
    center, scale = train.scaling("robust")["audio"]
    np.testing.assert_array_equal(center, fitted.centers["audio"])
    np.testing.assert_array_equal(scale, fitted.scales["audio"])
