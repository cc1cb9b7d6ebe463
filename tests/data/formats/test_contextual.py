import pickle
import shlex

import numpy as np
import pytest

import deadpan
from deadpan.cli import main
from deadpan.data.formats import contextual
from deadpan.errors import DataError

LENGTHS = {"train": [3, 1, 2, 4, 2, 3], "test": [2, 4]}
WIDTHS = {"text": 5, "audio": 4, "video": 3}


def arrays(split, width, offset=0):
    """Features [video, utterance, width] that tell their place, and zeros as padding."""
    lengths = LENGTHS[split]
    x = np.zeros((len(lengths), 4, width))
    for video, count in enumerate(lengths):
        for utterance in range(count):
            x[video, utterance] = 100 * (video + 1) + utterance + offset
    return x


def labels(split):
    rows = np.zeros((len(LENGTHS[split]), 4))
    for video, count in enumerate(LENGTHS[split]):
        rows[video, :count] = [(video + i) % 2 for i in range(count)]
    return rows


def seven(width, offset=0):
    return (
        *(arrays("train", width, offset), labels("train")),
        *(arrays("test", width, offset), labels("test")),
        *(4, LENGTHS["train"], LENGTHS["test"]),
    )


@pytest.fixture
def folder(tmp_path):
    for index, (name, width) in enumerate(WIDTHS.items()):
        (tmp_path / f"{name}.pickle").write_bytes(pickle.dumps(seven(width, index), protocol=2))
    return tmp_path


def by_id(dataset):
    return {clip.id: clip for clips in dataset.splits.values() for clip in clips}


def test_a_folder_of_bc_lstm_gives_one_step_per_utterance(folder):
    dataset = deadpan.load(folder)
    assert dataset.task == "classes"
    assert dataset.labels == ("0", "1")
    assert dataset.widths == {"text": 5, "audio": 4, "vision": 3}
    assert len(dataset["test"]) == sum(LENGTHS["test"])
    assert len(dataset["train"]) + len(dataset["valid"]) == sum(LENGTHS["train"])
    clip = by_id(dataset)["train3_2"]
    assert clip.group == "train3"
    assert clip.sequences["audio"].tolist() == [[403.0] * 4]
    assert clip.label.tolist() == [0, 1]


def test_the_utterances_of_a_video_stay_together_and_in_order(folder):
    dataset = deadpan.load(folder)
    groups = {split: {clip.group for clip in dataset[split]} for split in ("train", "valid")}
    assert groups["valid"]
    assert groups["train"].isdisjoint(groups["valid"])
    for clips in dataset.splits.values():
        ids = [clip.id for clip in clips]
        assert ids == sorted(ids, key=lambda name: (len(name), name)) or len(ids) > 0
        for group in {clip.group for clip in clips}:
            assert [c.id for c in clips if c.group == group] == [
                f"{group}_{i}" for i in range(sum(c.group == group for c in clips))
            ]
    assert any("no validation split" in text for text in dataset.warnings)


def test_one_file_has_the_modality_that_its_name_tells(folder):
    assert deadpan.load(folder / "video.pickle").widths == {"vision": 3}
    other = (folder / "video.pickle").rename(folder / "features.pickle")
    with pytest.raises(DataError, match=r"give --data_options\.modality NAME"):
        deadpan.load(other)
    assert deadpan.load(other, modality="face").widths == {"face": 3}


def test_several_variants_ask_for_one_unless_one_is_plain(folder):
    for name, width in WIDTHS.items():
        (folder / f"{name}_3way.pickle").write_bytes(pickle.dumps(seven(width)))
    assert by_id(deadpan.load(folder))["train0_0"].sequences["audio"][0, 0] == 101
    assert by_id(deadpan.load(folder, variant="_3way"))["train0_0"].sequences["audio"][0, 0] == 100
    for name in WIDTHS:
        (folder / f"{name}.pickle").rename(folder / f"{name}_2way.pickle")
    several = (
        r"has files of several variants; give --data_options\.variant=_2way or --data_options\."
    )
    with pytest.raises(DataError, match=several):
        deadpan.load(folder)
    with pytest.raises(DataError, match=r"unknown variant '2way'; did you mean '_2way'\?"):
        deadpan.load(folder, variant="2way")
    assert deadpan.load(folder, variant="_2way").widths == {"text": 5, "audio": 4, "vision": 3}


@pytest.mark.parametrize("variant", ["-2way", " 2 $way"])
def test_the_option_of_a_variant_runs_as_it_is_written(variant, folder, capsys):
    for name, width in WIDTHS.items():
        (folder / f"{name}{variant}.pickle").write_bytes(pickle.dumps(seven(width)))
    unused = next(x for x in deadpan.load(folder).warnings if "other variants" in x)
    option = shlex.split(unused.partition(" give ")[2])
    assert main(["data", "inspect", str(folder), *option]) == 0
    assert "for them give" not in capsys.readouterr().out


def test_only_files_that_are_called_as_a_modality_are_opened(folder, monkeypatch):
    for name in ("labels.pickle", "text.md", "z.npz"):
        (folder / name).write_bytes(b"\x80\x04N.")
    opened = []

    def looks_like_pickle(path):
        opened.append(path.name)
        return True

    monkeypatch.setattr(contextual, "looks_like_pickle", looks_like_pickle)
    assert contextual.looks_like_contextual_folder(folder)
    assert sorted(opened) == sorted(f"{name}.pickle" for name in WIDTHS)


def test_own_data_beside_pickles_called_as_modalities_stay_own(folder):
    for name in ("face", "voice"):
        (folder / name).mkdir()
        for clip in "abc":
            np.save(folder / name / f"{clip}.npy", np.arange(6.0).reshape(3, 2))
    (folder / "labels.csv").write_text("id,label\na,1\nb,-2\nc,0.5\n")
    assert deadpan.load(folder).widths == {"face": 2, "voice": 2}
    (folder / "labels.csv").write_text("name,score\na,1\nb,-2\nc,0.5\n")
    assert deadpan.load(folder, id="name", label="score").widths == {"face": 2, "voice": 2}


def test_archives_of_other_arrays_are_no_utterance_vectors(tmp_path):
    for name in WIDTHS:
        np.savez(tmp_path / f"{name}.npz", clip1=np.ones((3, 2)))
    with pytest.raises(DataError, match="holds files of features and no table of clips"):
        deadpan.load(tmp_path)


def test_what_was_not_used_is_told(folder):
    for name in ("text", "audio"):
        (folder / f"{name}_3way.pickle").write_bytes(pickle.dumps(seven(2)))
    unused = "other variants were not used; for them give --data_options.variant=_3way"
    assert unused in deadpan.load(folder).warnings
    dataset = deadpan.load(folder, variant="_3way")
    assert dataset.widths == {"text": 2, "audio": 2}
    assert "no file of vision is called as the others are; it was left out" in dataset.warnings


def test_two_files_of_one_modality_are_a_question(folder):
    (folder / "visual.pickle").write_bytes(pickle.dumps(seven(2)))
    with pytest.raises(DataError, match=r"video\.pickle and visual\.pickle are all of vision"):
        deadpan.load(folder)


def test_options_that_cannot_be_followed_are_refused(folder):
    with pytest.raises(DataError, match="has one label a clip, and got label 'emotions'"):
        deadpan.load(folder, label="emotions")
    activations(folder / "unimodal.pickle")
    with pytest.raises(DataError, match="got modality 'text' and the file names its own"):
        deadpan.load(folder / "unimodal.pickle", modality="text")


def test_files_of_different_videos_are_refused(folder):
    other = list(seven(4))
    other[5] = [3, 1, 2, 4, 3, 2]
    (folder / "audio.pickle").write_bytes(pickle.dumps(tuple(other)))
    with pytest.raises(DataError, match="split 'train' has other videos or labels"):
        deadpan.load(folder)


def cim(folder):
    """The .npz files of CIM: sentiment [video, utterance, 1], six emotions, lengths and names."""
    for index, (name, width) in enumerate(WIDTHS.items()):
        content = {}
        for split, source in (("train", "train"), ("valid", "test"), ("test", "test")):
            senti = labels(source)[..., None] * 2.5 - 1
            content |= {
                f"{split}_data": arrays(source, width, index),
                f"{split}_length": np.array(LENGTHS[source]),
                f"{split}SentiLabel": senti,
                f"{split}EmoLabel": np.repeat(labels(source)[..., None], 6, axis=2)
                * [0, 1, 2, 0, 0, 1],
                f"{split}_idName": np.array([f"{split}-v{i}" for i in range(len(LENGTHS[source]))]),
            }
        np.savez_compressed(folder / f"{name}.npz", **content)


def test_the_npz_of_cim_has_sentiment_or_emotions(tmp_path):
    cim(tmp_path)
    dataset = deadpan.load(tmp_path)
    assert (dataset.task, dataset.labels) == ("regression", ("sentiment",))
    told = "sentiment was taken of several labels; others: --data_options.label emotions"
    assert [text for text in dataset.warnings if "labels" in text] == [told]
    assert {split: len(clips) for split, clips in dataset.splits.items()} == {
        "train": 15,
        "valid": 6,
        "test": 6,
    }
    clip = by_id(dataset)["valid-v1_3"]
    assert clip.group == "valid-v1"
    assert clip.sequences["text"].tolist() == [[203.0] * 5]
    assert clip.label.tolist() == [-1.0]
    emotions = deadpan.load(tmp_path, label="emotions")
    assert emotions.task == "emotions"
    assert emotions.labels == ("anger", "disgust", "fear", "happy", "sad", "surprise")
    assert by_id(emotions)["valid-v1_0"].label.tolist() == [0, 1, 1, 0, 0, 1]
    assert deadpan.load(tmp_path / "text.npz").widths == {"text": 5}


def activations(path, **more):
    content = {}
    for split in ("train", "test"):
        mask = np.arange(4) < np.array(LENGTHS[split])[:, None]
        content |= {f"{n}_{split}": arrays(split, w) for n, w in WIDTHS.items()}
        content |= {
            f"{split}_mask": mask * 1.0,
            f"{split}_label": np.eye(2)[labels(split).astype(int)],
        }
    path.write_bytes(pickle.dumps(content | more))
    return path


def test_splits_have_any_of_their_names_and_one(tmp_path):
    mask = (np.arange(4) < np.array(LENGTHS["test"])[:, None]) * 1.0
    parts = {"devel_mask": mask, "devel_label": np.eye(2)[labels("test").astype(int)]}
    parts |= {f"{n}_devel": arrays("test", w) for n, w in WIDTHS.items()}
    path = activations(tmp_path / "unimodal.pickle", **parts)
    assert len(deadpan.load(path)["valid"]) == 6
    activations(path, **parts, val_mask=mask)
    with pytest.raises(DataError, match="has 'devel_mask' and 'val_mask'; leave one of them out"):
        deadpan.load(path)


def test_unimodal_activations_have_masks_and_one_hot_labels(tmp_path):
    dataset = deadpan.load(activations(tmp_path / "unimodal.pickle"))
    assert dataset.widths == {"text": 5, "audio": 4, "vision": 3}
    assert (dataset.task, dataset.labels) == ("classes", ("0", "1"))
    assert len(dataset["test"]) == 6


def test_moseis_thirteen_parts_have_a_validation_split(tmp_path):
    train, test = (arrays("train", 4), labels("train")), (arrays("test", 4), labels("test"))
    lengths = (LENGTHS["train"], LENGTHS["test"], LENGTHS["test"])
    path = tmp_path / "audio.pickle"
    path.write_bytes(pickle.dumps((*train, *test, *test, 4, *lengths, 0, 0, 0)))
    dataset = deadpan.load(path)
    assert {split: len(clips) for split, clips in dataset.splits.items()} == {
        "train": 15,
        "valid": 6,
        "test": 6,
    }
    assert not any("no validation split" in text for text in dataset.warnings)


def test_a_vector_of_zeros_is_a_missing_modality(tmp_path):
    parts = seven(4)
    parts[0][0, 1] = 0
    path = tmp_path / "audio.pickle"
    path.write_bytes(pickle.dumps(parts))
    assert by_id(deadpan.load(path))["train0_1"].sequences == {}


@pytest.mark.parametrize(
    ("index", "value", "words"),
    [
        (0, np.ones((6, 4, 0)), r"wanted \[video, utterance, width\]"),
        (1, np.ones((6, 3)), r"wanted \(6, 4\), one per utterance"),
        (5, [3, 1], "are of 2 videos; wanted 6 whole numbers up to 4"),
        (5, [3, 1, 2, 4, 2, 5], "wanted 6 whole numbers up to 4"),
        (5, [3, 1, 2, 4, 2, 0.5], "wanted 6 whole numbers up to 4"),
        (3, np.full((2, 4), "a", object), "holds a str; wanted numbers"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, index, value, words):
    parts = list(seven(4))
    parts[index] = value
    path = tmp_path / "audio.pickle"
    path.write_bytes(pickle.dumps(tuple(parts)))
    with pytest.raises(DataError, match=words):
        deadpan.load(path)
