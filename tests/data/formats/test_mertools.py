import numpy as np
import pytest

import deadpan
from deadpan.errors import DataError

EMOTIONS = ("neutral", "angry", "happy")
CORPORA = {"train": 30, "test1": 4, "test2": 3}


def corpora():
    return {
        split: {
            f"{split}_{i:05}": {"emo": EMOTIONS[i % 3], "val": (i - count / 2) / count}
            for i in range(count)
        }
        for split, count in CORPORA.items()
    }


def write(home, content, name="label-6way"):
    home.mkdir(exist_ok=True)
    np.savez_compressed(
        home / f"{name}.npz", **{f"{split}_corpus": corpus for split, corpus in content.items()}
    )
    names = [clip for corpus in content.values() for clip in corpus]
    for folder, shape in {
        "chinese-hubert-base-UTT": (4,),
        "chinese-roberta-wwm-ext-FRA": (3, 5),
        "manet_UTT": (1, 3),
    }.items():
        (home / "features" / folder).mkdir(parents=True, exist_ok=True)
        for index, clip in enumerate(names):
            np.save(home / "features" / folder / f"{clip}.npy", np.full(shape, index + 1.0))
    rows = "".join(f"{clip},Good morning,早上好\n" for clip in names)
    (home / "transcription-engchi.csv").write_text("name,english,chinese\n" + rows)
    return home


def by_id(dataset):
    return {clip.id: clip for clips in dataset.splits.values() for clip in clips}


def test_emotions_and_features_are_joined_by_name(tmp_path):
    home = write(tmp_path / "mer", corpora())
    dataset = deadpan.load(home, test="test1")
    assert (dataset.task, dataset.labels) == ("classes", ("angry", "happy", "neutral"))
    assert dataset.widths == {"text": 5, "audio": 4, "vision": 3}
    assert {split: len(clips) for split, clips in dataset.splits.items()} == {
        "train": 27,
        "valid": 3,
        "test": 4,
    }
    clip = by_id(dataset)["train_00001"]
    assert clip.sequences["audio"].tolist() == [[2.0] * 4]
    assert clip.sequences["text"].shape == (3, 5)
    assert clip.label.tolist() == [1, 0, 0]
    assert clip.group is None


def test_several_test_sets_and_folders_ask_for_one(tmp_path):
    home = write(tmp_path / "mer", corpora())
    with pytest.raises(DataError, match=r"test sets test1, test2; give --data_options\.test test1"):
        deadpan.load(home)
    (home / "features" / "wavlm-base-UTT").mkdir()
    np.save(home / "features" / "wavlm-base-UTT" / "train_00001.npy", np.ones(7))
    with pytest.raises(DataError, match=r"all hold audio; give --data_options\.audio NAME"):
        deadpan.load(home, test="test2")
    dataset = deadpan.load(home, test="test2", audio="wavlm-base-UTT")
    assert dataset.widths["audio"] == 7
    assert "36 clips" not in str(dataset.warnings)
    assert any("32 clips have no audio" in text for text in dataset.warnings)


def test_valence_is_a_score_and_unknown_ones_are_left_out(tmp_path):
    content = corpora()
    content["train"]["train_00000"]["val"] = -10
    content["train"]["train_00001"]["val"] = ""
    dataset = deadpan.load(write(tmp_path / "mer", content), label="val", test="test1")
    assert (dataset.task, dataset.labels) == ("regression", ("sentiment",))
    assert "train_00000" not in by_id(dataset)
    assert any("2 clips have no valence" in text for text in dataset.warnings)


def test_unpublished_labels_are_no_labels(tmp_path):
    content = corpora()
    for split in ("test1", "test2"):
        content[split] = {name: {"emo": "neutral", "val": -10} for name in content[split]}
    dataset = deadpan.load(write(tmp_path / "mer", content))
    assert not dataset["test"]
    assert any("test1, test2 left out: every clip is neutral" in x for x in dataset.warnings)
    with pytest.raises(DataError, match="unknown test set 'test1'"):
        deadpan.load(tmp_path / "mer", test="test1")


def test_mosi_has_one_emotion_and_its_valence(tmp_path):
    content = {
        split: {f"v{i}_{k}": {"emo": 0, "val": i - 1.5} for i in ids for k in range(2)}
        for split, ids in {"train": range(8), "val": range(8, 10), "test": range(10, 12)}.items()
    }
    for corpus in content.values():
        for values in corpus.values():
            values["val"] = np.float64(values["val"] / 4)
    dataset = deadpan.load(write(tmp_path / "mosi", content, "label"))
    assert dataset.task == "regression"
    assert {split: len(clips) for split, clips in dataset.splits.items()} == {
        "train": 16,
        "valid": 4,
        "test": 4,
    }
    assert by_id(dataset)["v3_1"].group == "v3"


def test_iemocap_is_split_by_session(tmp_path):
    names = [f"Ses0{i % 5 + 1}F_impro01_F{i:03}" for i in range(20)]
    content = {"whole": {name: {"emo": i % 4, "val": -10} for i, name in enumerate(names)}}
    dataset = deadpan.load(write(tmp_path / "iemocap", content, "label_4way"))
    assert dataset.labels == ("0", "1", "2", "3")
    groups = {split: {clip.group for clip in dataset[split]} for split in dataset.splits}
    assert set.union(*groups.values()) == {f"Ses0{i}" for i in range(1, 6)}
    assert sum(map(len, groups.values())) == 5


def test_frames_of_a_clip_may_have_a_file_each(tmp_path):
    home = write(tmp_path / "mer", corpora())
    folder = home / "features" / "manet_UTT"
    (folder / "train_00002.npy").unlink()
    (folder / "train_00002").mkdir()
    for frame in range(4):
        np.save(folder / "train_00002" / f"frame_{frame}.npy", np.full(3, float(frame)))
    clip = by_id(deadpan.load(home, test="test1"))["train_00002"]
    assert clip.sequences["vision"][:, 0].tolist() == [0, 1, 2, 3]


def test_vectors_make_the_transcription_the_text(tmp_path):
    home = write(tmp_path / "mer", corpora())
    (tmp_path / "glove.txt").write_text("good 1.0 2.0\nmorning 3.0 4.0\n")
    dataset = deadpan.load(home, test="test1", vectors=tmp_path / "glove.txt")
    assert dataset.widths["text"] == 2
    clip = by_id(dataset)["train_00004"]
    assert clip.words == ("good", "morning")
    assert clip.sequences["text"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("corpus", "words"),
    [
        ({"a": 1}, "clip 'a' has no 'emo'"),
        ([1, 2], "holds no dict"),
        ({"../a": {"emo": "happy"}}, "leads elsewhere"),
        ({"/etc/a": {"emo": "happy"}}, "leads elsewhere"),
        ({"C:/a": {"emo": "happy"}}, "leads elsewhere"),
        ({"a": {"emo": "happy"}, "b": {"emo": "", "val": ""}}, "has no two emotions and no val"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, corpus, words):
    home = write(tmp_path / "mer", corpora())
    np.savez(home / "label-6way.npz", train_corpus=np.array(corpus, dtype=object))
    with pytest.raises(DataError, match=words):
        deadpan.load(home)


def test_a_name_reads_no_file_outside_the_folder(tmp_path):
    np.save(tmp_path / "secret.npy", np.ones(4))
    content = corpora()
    content["train"][f"{tmp_path}/secret"] = {"emo": "happy", "val": 1.0}
    home = write(tmp_path / "mer", {name: {} for name in content})
    np.savez(home / "label-6way.npz", **{f"{k}_corpus": corpus for k, corpus in content.items()})
    with pytest.raises(DataError, match="leads elsewhere; wanted a file name"):
        deadpan.load(home, test="test1")


def test_clips_without_an_emotion_are_left_out(tmp_path):
    content = corpora()
    content["train"]["train_00000"]["emo"] = float("nan")
    content["train"]["train_00001"]["emo"] = np.float32("nan")
    content["train"]["train_00002"]["emo"] = " "
    content["test2"] = {name: {"emo": np.nan, "val": -10} for name in content["test2"]}
    dataset = deadpan.load(write(tmp_path / "mer", content))
    assert dataset.labels == ("angry", "happy", "neutral")
    assert not {f"train_0000{i}" for i in range(3)} & set(by_id(dataset))
    assert "3 clips have no emotion; they were left out" in dataset.warnings
    assert any("test2 left out" in text for text in dataset.warnings)


def test_the_user_decides_on_the_task_and_the_classes(tmp_path):
    home = write(tmp_path / "mer", corpora())
    scores = deadpan.load(home, test="test1", task="scores")
    assert (scores.task, scores.labels) == ("scores", ("rating",))
    assert by_id(scores)["train_00001"].label.tolist() == [0]  # angry, happy, neutral
    two = deadpan.load(home, test="test1", labels="happy,angry")
    assert (two.task, two.labels) == ("classes", ("happy", "angry"))
    assert by_id(two)["train_00001"].label.tolist() == [0, 1]
    assert "train_00000" not in by_id(two)
    present = deadpan.load(home, test="test1", labels="happy", task="emotions")
    assert by_id(present)["train_00002"].label.tolist() == [1]
    assert by_id(present)["train_00000"].label.tolist() == [0]


def test_a_hidden_file_beside_the_arrays_hides_none(tmp_path):
    home = write(tmp_path / "mer", corpora())
    for folder in (home / "features").iterdir():
        files = sorted(folder.iterdir())
        contents = [file.read_bytes() for file in files]
        for file in files:
            file.unlink()
        (folder / ".DS_Store").write_bytes(b"Bud1")  # before the others also on disk
        for file, content in zip(files, contents, strict=True):
            file.write_bytes(content)
    assert deadpan.load(home, test="test1").widths == {"text": 5, "audio": 4, "vision": 3}


def test_a_transcription_is_read_as_any_table(tmp_path):
    home = write(tmp_path / "mer", corpora())
    file = home / "transcription-engchi.csv"
    file.write_text(file.read_text(encoding="utf-8"), encoding="utf-16")
    (tmp_path / "glove.txt").write_text("good 1.0 2.0\n")
    dataset = deadpan.load(home, test="test1", vectors=tmp_path / "glove.txt")
    assert by_id(dataset)["train_00004"].words == ("good", "morning")


def test_the_label_file_alone_leads_to_its_folder(tmp_path):
    home = write(tmp_path / "mer", corpora())
    with pytest.raises(DataError, match="MERTools' labels .* give the folder"):
        deadpan.load(home / "label-6way.npz")
