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
            "context": ["Well."] * (i % 3),
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


def context_files(home):
    """The context's face of all clips but the first, and an output of BERT for each sentence."""
    folder = home / "features" / "context_final"
    folder.mkdir(parents=True)
    with h5py.File(folder / "resnet_pool5.hdf5", "w") as file:
        for i, clip in enumerate(IDS[1:], start=1):
            file[clip] = np.full((2, 6), -float(i), np.float32)
    lines = [bert_line(i) for i in range(len(IDS))]
    (home / "bert-output.jsonl").write_text("\n".join(lines))
    sentences = sum(i % 3 for i in range(len(IDS)))
    before = [bert_line(100 + k, tokens=("well",)) for k in range(sentences)]
    (home / "bert-output-context.jsonl").write_text("\n".join(before))


def test_the_context_comes_first(tmp_path):
    home = write(tmp_path / "data")
    context_files(home)
    plain, whole = by_id(deadpan.load(home)), deadpan.load(home, context=True)
    clips = by_id(whole)
    # Clips 0 to 4 have 0, 1, 2, 0 and 1 sentences before them.
    assert clips["1_4"].words == ("well", "[CLS]", "great", "[SEP]")
    assert clips["1_4"].sequences["text"][:, 0].tolist() == [104.5, 5.5, 5.5, 5.5]
    assert clips["1_2"].sequences["text"][:, 0].tolist() == [102.5, 103.5, 3.5, 3.5, 3.5]
    assert clips["1_2"].transcript == "Well. Well. Oh, great!"
    assert clips["1_0"].words == plain["1_0"].words
    assert clips["2_3"].sequences["vision"][:, 0].tolist() == [-3, -3, 3, 3, 3, 3, 3]
    assert len(clips["1_0"].sequences["vision"]) == len(plain["1_0"].sequences["vision"]) == 5
    assert clips["2_3"].sequences["audio"].tolist() == plain["2_3"].sequences["audio"].tolist()
    assert "the context has no audio" in whole.warnings


def test_vectors_make_the_context_text_too(tmp_path):
    home = write(tmp_path / "data")
    (tmp_path / "glove.txt").write_text("great 1.0 2.0\nwell 3.0 4.0\n")
    clip = by_id(deadpan.load(home, vectors=tmp_path / "glove.txt", context=True))["2_1"]
    assert clip.words == ("well", "oh", "great") == tokenize(clip.transcript)
    assert clip.sequences["text"].tolist() == [[3, 4], [0, 0], [1, 2]]


def test_a_context_that_does_not_fit_is_refused(tmp_path):
    home = write(tmp_path / "data")
    with pytest.raises(DataError, match="has no features of the context; add bert-output-context"):
        deadpan.load(home, context=True)
    context_files(home)
    file = home / "bert-output-context.jsonl"
    file.write_text(file.read_text().rpartition("\n")[0])
    with pytest.raises(DataError, match="has 18 lines; wanted 19, one per sentence"):
        deadpan.load(home, context=True)
    file.unlink()
    with h5py.File(home / "features" / "context_final" / "resnet_pool5.hdf5", "a") as content:
        del content[IDS[1]]
        content[IDS[1]] = np.ones((2, 5), np.float32)
    with pytest.raises(DataError, match="its utterance have 5 and 6 features; wanted as many"):
        deadpan.load(home, context=True)
    clips = json.loads((home / "sarcasm_data.json").read_text())
    clips[IDS[0]]["context"] = "Well."
    (home / "sarcasm_data.json").write_text(json.dumps(clips))
    with pytest.raises(DataError, match="the context of clip '1_0' is no list of sentences"):
        deadpan.load(home, context=True)
    assert len(by_id(deadpan.load(home))) == len(IDS)


def test_groups_of_speakers_are_of_one_size_and_share_nobody(tmp_path):
    home = write(tmp_path / "data")
    with pytest.raises(DataError, match="has 5 speakers; 10 groups need as many at least"):
        deadpan.load(home, fold="speakers")
    clips = json.loads((home / "sarcasm_data.json").read_text())
    for i, clip in enumerate(clips.values()):
        clip["speaker"] = f"SPEAKER{max(i - 4, 0) % 13}"
    (home / "sarcasm_data.json").write_text(json.dumps(clips))
    grouped = by_id(deadpan.load(home, fold="speakers"))
    groups = {}
    for name, clip in grouped.items():
        groups.setdefault(clip.group, []).append(clips[name]["speaker"])
    assert sorted(groups) == [f"speakers {i}" for i in range(10)]
    speakers = [set(names) for names in groups.values()]
    assert sum(map(len, speakers)) == len(set().union(*speakers)) == 13
    # One speaker has six clips, two have two, ten have one.
    assert sorted(map(len, groups.values())) == [1] * 4 + [2] * 5 + [6]
    # A different order of the file changes nothing.
    (home / "sarcasm_data.json").write_text(json.dumps(dict(reversed(clips.items()))))
    again = by_id(deadpan.load(home, fold="speakers"))
    assert {k: v.group for k, v in again.items()} == {k: v.group for k, v in grouped.items()}


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
