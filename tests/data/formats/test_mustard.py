import json
import pickle

import h5py
import numpy as np
import pytest

import deadpan
from deadpan.data.formats.word_vectors import tokenize
from deadpan.errors import DataError

IDS = [f"{1 + i % 2}_{i}" for i in range(20)]


def write(home, **files):
    """The files of a small MUStARD: 20 clips of five speakers and two shows."""
    home.mkdir(exist_ok=True)
    clips = {
        clip: {
            "utterance": "Oh, great!",
            "speaker": f"SPEAKER{i % 5}",
            "context": ["Well."],
            "context_speakers": ["PERSON"],
            "show": ("BBT", "FRIENDS")[i % 2],
            "sarcasm": i % 3 == 0,
        }
        for i, clip in enumerate(IDS)
    }
    (home / "sarcasm_data.json").write_text(json.dumps(clips))
    audio = {clip: np.full((4, 3 + i % 2), float(i)) for i, clip in enumerate(IDS)}
    (home / "audio_features.p").write_bytes(pickle.dumps(audio, protocol=2))
    folder = home / "features" / "utterances_final"
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "resnet_pool5.hdf5", "w") as file:
        for i, clip in enumerate(IDS[:-1]):
            file[clip] = np.full((5 + i % 3, 6), float(i), np.float32)
    folds = [(np.arange(16), np.arange(16, 20)), (np.arange(4, 20), np.arange(4))]
    (home / "split_indices.p").write_bytes(pickle.dumps(folds, protocol=2))
    for name, content in files.items():
        (home / name).write_bytes(content)
    return home


def bert_line(index, tokens=("[CLS]", "great", "[SEP]")):
    layer = [{"index": -k, "values": [float(index + k)] * 3} for k in range(4)]
    return json.dumps({"features": [{"token": token, "layers": layer} for token in tokens]})


def by_id(dataset):
    return {clip.id: clip for clips in dataset.splits.values() for clip in clips}


def test_voice_and_face_are_joined_by_id(tmp_path):
    dataset = deadpan.load(write(tmp_path / "data"))
    assert (dataset.task, dataset.labels) == ("classes", ("not sarcastic", "sarcastic"))
    assert dataset.widths == {"audio": 4, "vision": 6}
    clip = by_id(dataset)["2_3"]
    assert clip.sequences["audio"].tolist() == [[3.0] * 4] * 4
    assert clip.sequences["vision"].shape == (5, 6)
    assert clip.group == "SPEAKER3"
    assert clip.label.tolist() == [0, 1]
    groups = [{clip.group for clip in clips} for clips in dataset.splits.values()]
    assert sum(map(len, groups)) == 5
    assert "1 clips have no vision" in dataset.warnings


def test_the_user_decides_on_the_task(tmp_path):
    dataset = deadpan.load(write(tmp_path / "data"), task="scores")
    assert (dataset.task, dataset.labels) == ("scores", ("rating",))
    assert by_id(dataset)["2_3"].label.tolist() == [1]


def test_the_folds_of_the_paper_are_splits(tmp_path):
    home = write(tmp_path / "data")
    dataset = deadpan.load(home, fold="1")
    assert [clip.id for clip in dataset["test"]] == IDS[:4]
    assert len(dataset["valid"]) > 0
    by_show = deadpan.load(home, fold="show")
    assert {clip.id for clip in by_show["test"]} == set(IDS[1::2])
    with pytest.raises(DataError, match="unknown fold '7'"):
        deadpan.load(home, fold="7")


def test_the_output_of_bert_is_the_text(tmp_path):
    lines = "\n".join(bert_line(i) for i in range(len(IDS)))
    home = write(tmp_path / "data", **{"bert-output.jsonl": lines.encode()})
    clip = by_id(deadpan.load(home))["2_3"]
    assert clip.words == ("[CLS]", "great", "[SEP]")
    assert clip.sequences["text"].tolist() == [[4.5] * 3] * 3


def test_vectors_make_the_utterance_the_text(tmp_path):
    home = write(tmp_path / "data")
    (tmp_path / "glove.txt").write_text("great 1.0 2.0\n")
    clip = by_id(deadpan.load(home, vectors=tmp_path / "glove.txt"))["2_3"]
    assert clip.words == ("oh", "great")
    assert tokenize(clip.transcript) == clip.words
    assert clip.sequences["text"].tolist() == [[0, 0], [1, 2]]


def test_several_files_of_the_face_ask_for_one(tmp_path):
    home = write(tmp_path / "data")
    with h5py.File(home / "features" / "utterances_final" / "i3d_avg_pool.hdf5", "w") as file:
        file[IDS[0]] = np.ones((2, 9), np.float32)
    with pytest.raises(DataError, match=r"give --data_options\.vision NAME"):
        deadpan.load(home)
    assert deadpan.load(home, vision="i3d_avg_pool.hdf5").widths["vision"] == 9


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"sarcasm_data.json": b"{"}, "no JSON"),
        ({"sarcasm_data.json": b"[1]"}, "holds no clips"),
        ({"sarcasm_data.json": b'{"1_1": {"utterance": "x"}}'}, "has no sarcasm"),
        ({"audio_features.p": pickle.dumps([1])}, "is a list; wanted an array by clip"),
        ({"audio_features.p": pickle.dumps({IDS[0]: [["a"]]})}, "holds a str; wanted numbers"),
        ({"bert-output.jsonl": b"{}\n"}, "line 1: no output of BERT"),
        ({"bert-output.jsonl": bert_line(0).encode()}, "has 1 lines; wanted 20"),
    ],
)
def test_files_that_do_not_fit_are_refused(tmp_path, files, words):
    with pytest.raises(DataError, match=words) as caught:
        deadpan.load(write(tmp_path / "data", **files))
    assert "\n" not in str(caught.value)


def test_clips_alone_ask_for_features(tmp_path):
    (tmp_path / "sarcasm_data.json").write_text('{"1_1": {"utterance": "x", "sarcasm": true}}')
    with pytest.raises(DataError, match="has no features beside sarcasm_data.json"):
        deadpan.load(tmp_path)


def test_one_of_the_files_leads_to_the_folder(tmp_path):
    home = write(tmp_path / "data")
    for name in ("sarcasm_data.json", "audio_features.p", "split_indices.p"):
        with pytest.raises(DataError, match="MUStARD's files .* give the folder"):
            deadpan.load(home / name)
