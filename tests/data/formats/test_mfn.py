import h5py
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.dataset import step_counts
from deadpan.data.formats.mfn import looks_like_mfn, mfn_dataset
from deadpan.errors import DeadpanError
from deadpan.models import MFN

from ...refusals import refusal_of

NAMES = {"text": "text_{}_emb.h5", "audio": "audio_{}.h5", "vision": "video_{}.h5"}
WIDTHS = {"text": 4, "audio": 2, "vision": 3}


def put(folder, name, array, key="d1", **stored):
    with h5py.File(folder / name, "w") as file:
        file.create_dataset(key, data=np.asarray(array, dtype=float), **stored)


def write(folder, split, labels, *, key="d1", steps=3, leave=(), **arrays):
    """One split of ones, with these arrays changed."""
    for modality, name in NAMES.items():
        if modality not in leave:
            array = arrays.get(modality, np.ones((len(labels), steps, WIDTHS[modality])))
            put(folder, name.format(split), array, key)
    put(folder, f"y_{split}.h5", labels, key)


def refusal(folder):
    return refusal_of(str(folder), mfn_dataset, folder)


@pytest.mark.parametrize("key", ["d1", "data"])
def test_a_folder_of_files(key, tmp_path):
    audio = np.zeros((2, 3, 2))
    audio[0, 1:], audio[1, 2] = 5, 7
    write(tmp_path, "train", [1.5, -3], key=key, audio=audio)
    write(tmp_path, "valid", [[0.5]], key=key)
    write(tmp_path, "test", [[[2]]], key=key)
    assert looks_like_mfn(tmp_path)
    dataset = mfn_dataset(tmp_path, aligned=False)
    assert (dataset.task, dataset.labels) == ("regression", ("sentiment",))
    assert (dataset.widths, dataset.layout) == (WIDTHS, "MFN's HDF5 files")
    assert [clip.id for clip in dataset["train"]] == ["train:0", "train:1"]
    assert [clip.label.tolist() for clip in dataset["train"]] == [[1.5], [-3]]
    assert [len(dataset[name]) for name in ("train", "valid", "test")] == [2, 1, 1]
    assert dataset["train"][1].sequences["audio"].tolist() == [[7, 7]]
    assert (dataset.warnings, dataset.repairs) == ((), {})


@given(
    lengths=st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=5),
    seed=st.integers(0, 99),
    left=st.booleans(),
)
def test_ragged_sequences_come_back(lengths, seed, left, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mfn")
    rng = np.random.default_rng(seed)
    wanted, arrays = [], {name: np.zeros((len(lengths), 5, w)) for name, w in WIDTHS.items()}
    for clip, counts in enumerate(lengths):
        # Values that float32 has, none of them zero.
        sequences = {
            name: rng.integers(1, 1000, (count, WIDTHS[name])) / 8
            for name, count in zip(WIDTHS, counts, strict=True)
        }
        # Of different lengths, so that no word-aligned file is seen in it.
        for place, (name, x) in enumerate(sequences.items()):
            steps = arrays[name] if place else arrays[name][:, :4]
            steps[clip][slice(steps.shape[1] - len(x), None) if left else slice(len(x))] = x
        wanted.append({name: x for name, x in sequences.items() if len(x)})
    arrays["text"] = arrays["text"][:, :4]
    write(folder, "train", np.zeros(len(lengths)), **arrays)
    clips = mfn_dataset(folder)["train"]
    assert len(clips) == len(wanted)
    for clip, sequences in zip(clips, wanted, strict=True):
        assert list(clip.sequences) == list(sequences)
        for name, x in sequences.items():
            np.testing.assert_array_equal(clip.sequences[name], x.astype(np.float32))


def test_modalities_side_by_side(tmp_path):
    joined = np.broadcast_to(np.arange(1.0, 326), (2, 3, 325))
    put(tmp_path, "X_train.h5", joined, "data", compression="gzip")
    put(tmp_path, "y_train.h5", [1, 2], "data")
    dataset = mfn_dataset(tmp_path)
    assert dataset.widths == {"text": 300, "audio": 5, "vision": 20}
    clip = dataset["train"][0]
    assert [clip.sequences[name][0, 0] for name in dataset.widths] == [1, 301, 306]
    put(tmp_path, "X_train.h5", joined[..., :100], "data")
    text = refusal(tmp_path)
    assert "X_train.h5: has shape (2, 3, 100); wanted [clip, step, 325] (text 300 + audio 5" in text


def test_a_missing_file_is_a_missing_modality(tmp_path):
    write(tmp_path, "train", [1.5, 2])
    write(tmp_path, "test", [1], leave=("vision",))
    put(tmp_path, "ey_train.h5", np.ones((2, 6)))
    dataset = mfn_dataset(tmp_path)
    assert list(dataset["test"][0].sequences) == ["text", "audio"]
    assert dataset.widths == WIDTHS
    assert len(dataset["valid"]) == 0
    assert dataset.warnings == ("unknown keys were ignored: ey_train.h5",)


def test_several_labels_are_scores(tmp_path):
    write(tmp_path, "train", np.arange(34.0).reshape(2, 17))
    dataset = mfn_dataset(tmp_path)
    assert dataset.task == "scores"
    assert (dataset.labels[0], len(dataset.labels)) == ("label 1", 17)
    write(tmp_path, "test", [[1, 2]])
    assert "the label of a clip has shape (2,) in test, (17,) in train; wanted" in refusal(tmp_path)


def test_ratings_beyond_sentiment_are_scores(tmp_path):
    write(tmp_path, "train", [1, 7])
    assert (mfn_dataset(tmp_path).task, mfn_dataset(tmp_path).labels) == ("scores", ("rating",))


def test_features_that_are_not_finite_are_counted(tmp_path):
    audio = np.ones((1, 3, 2))
    audio[0, 1] = -np.inf, np.nan
    write(tmp_path, "train", [0], audio=audio)
    assert mfn_dataset(tmp_path).repairs == {"audio: -inf set to 0": 1, "audio: NaN set to 0": 1}


def test_what_does_not_fit_is_named(tmp_path):
    write(tmp_path, "train", [1, np.nan])
    assert "split 'train': 1 labels are NaN" in refusal(tmp_path)
    write(tmp_path, "train", [1, 2], audio=np.ones((3, 3, 2)))
    assert "split 'train': 'audio' has 3 clips, 'labels' 2" in refusal(tmp_path)
    write(tmp_path, "train", [1, 2], audio=np.ones((2, 3)))
    assert "'audio' has shape (2, 3); wanted [clip, step, width]" in refusal(tmp_path)
    write(tmp_path, "train", [1, 2])
    write(tmp_path, "test", [1, 2], vision=np.ones((2, 3, 9)))
    assert "'vision' has width 3 in train, 9 in test; wanted one width" in refusal(tmp_path)
    (tmp_path / "y_test.h5").unlink()
    assert "has features of split 'test' but no y_test.h5" in refusal(tmp_path)


def test_files_that_cannot_be_read_are_named(tmp_path):
    assert not looks_like_mfn(tmp_path)
    assert not looks_like_mfn(tmp_path / "absent")
    assert "holds no splits" in refusal(tmp_path)
    write(tmp_path, "train", [])
    assert "has no clips" in refusal(tmp_path)
    write(tmp_path, "train", [1, 2])
    put(tmp_path, "audio_train.h5", np.ones(3), "features")
    assert "audio_train.h5: '/d1': is missing (found features)" in refusal(tmp_path)
    content = (tmp_path / "y_train.h5").read_bytes()
    (tmp_path / "y_train.h5").write_bytes(content[:-8])
    (tmp_path / "audio_train.h5").unlink()
    assert "y_train.h5: '/d1': cannot be read" in refusal(tmp_path)
    (tmp_path / "y_train.h5").write_bytes(b"<html>")
    assert "y_train.h5: is no HDF5 file; give an HDF5 file of MFN" in refusal(tmp_path)


def test_its_own_model_reads_a_file_whose_face_is_found_late(tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 60), ("valid", 20), ("test", 20)):
        arrays = {name: np.ones((count, 20, width)) for name, width in WIDTHS.items()}
        for index, start in enumerate(rng.integers(1, 12, count)):
            for name, x in arrays.items():
                x[
                    index, : start + (rng.integers(1, 4) if name == "vision" and index % 3 else 0)
                ] = 0
        write(tmp_path, split, rng.uniform(-3, 3, count), **arrays)
    dataset = mfn_dataset(tmp_path)
    assert dataset.alignment.startswith("steps are aligned (9")
    for split in ("train", "valid", "test"):
        steps = step_counts(dataset[split], list(WIDTHS))
        assert (steps == steps[:, :1]).all()
    model = MFN(widths=WIDTHS, outputs=1)
    model.check_steps(["clip"] * 60, torch.from_numpy(step_counts(dataset["train"], list(WIDTHS))))
    apart = mfn_dataset(tmp_path, aligned=False)
    assert apart.alignment == "steps are not aligned: --data_options.aligned says so"
    steps = torch.from_numpy(step_counts(apart["train"], list(WIDTHS)))
    with pytest.raises(DeadpanError, match="has modalities of different lengths"):
        model.check_steps(["clip"] * 60, steps)
