import pickle

import numpy as np
import pytest

import deadpan
from deadpan.data.containers import memory
from deadpan.errors import DataError

DIALOGUES = {"Ses01F_impro01": 3, "Ses01M_script02": 2, "Ses02F_impro01": 4, "Ses05F_impro03": 2}
TRAIN, TEST = list(DIALOGUES)[:3], list(DIALOGUES)[3:]


def vectors(width, as_array=False):
    table = {v: [np.full(width, 10.0 * i + 1) for i in range(n)] for v, n in DIALOGUES.items()}
    return {v: np.array(x) for v, x in table.items()} if as_array else table


def iemocap():
    ids = {v: [f"{v}_F{i:03}" for i in range(n)] for v, n in DIALOGUES.items()}
    speakers = {v: ["F", "M", "F", "M"][:n] for v, n in DIALOGUES.items()}
    labels = {v: [(i + len(v)) % 6 for i in range(n)] for v, n in DIALOGUES.items()}
    sentences = {v: ["words"] * n for v, n in DIALOGUES.items()}
    features = (vectors(5), vectors(4), vectors(3))
    return ids, speakers, labels, *features, sentences, set(TRAIN), TEST


def meld():
    numbers = {name: index for index, name in enumerate(DIALOGUES)}
    parts = [
        {v: list(range(n)) for v, n in DIALOGUES.items()},
        {v: [[1, 0]] * n for v, n in DIALOGUES.items()},
        {v: [i % 7 for i in range(n)] for v, n in DIALOGUES.items()},
        vectors(5),
        vectors(4, as_array=True),
        {v: ["words"] * n for v, n in DIALOGUES.items()},
    ]
    tables = [{numbers[v]: x for v, x in part.items()} for part in parts]
    sentiment = {numbers[v]: [i % 3 for i in range(n)] for v, n in DIALOGUES.items()}
    return *tables, [numbers[v] for v in TRAIN], [numbers[v] for v in TEST], sentiment


def write(path, content, protocol=2):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def by_id(dataset):
    return {clip.id: clip for clips in dataset.splits.values() for clip in clips}


@pytest.mark.parametrize("protocol", range(6))
def test_iemocap_has_six_classes_and_three_modalities(tmp_path, protocol):
    dataset = deadpan.load(write(tmp_path / "IEMOCAP_features.pkl", iemocap(), protocol))
    assert dataset.task == "classes"
    assert dataset.labels == ("happy", "sad", "neutral", "angry", "excited", "frustrated")
    assert dataset.widths == {"text": 5, "audio": 4, "vision": 3}
    assert [clip.id for clip in dataset["test"]] == [f"{TEST[0]}_F000", f"{TEST[0]}_F001"]
    clip = by_id(dataset)["Ses02F_impro01_F003"]
    assert clip.group == "Ses02F_impro01"
    assert clip.sequences["vision"].tolist() == [[31.0] * 3]
    assert clip.label.argmax() == (3 + 14) % 6
    assert {c.group for c in dataset["train"]}.isdisjoint(c.group for c in dataset["valid"])


def test_meld_has_emotions_or_sentiment_and_counts_its_utterances(tmp_path):
    path = write(tmp_path / "MELD_features_raw.pkl", meld())
    dataset = deadpan.load(path)
    assert dataset.labels == ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
    assert dataset.widths == {"text": 5, "audio": 4}
    assert by_id(dataset)["2_3"].label.argmax() == 3
    assert by_id(dataset)["2_3"].group == "2"
    sentiment = deadpan.load(path, label="sentiment")
    assert sentiment.labels == ("neutral", "positive", "negative")
    with pytest.raises(DataError, match="unknown label 'valence'"):
        deadpan.load(path, label="valence")


def test_the_user_decides_on_the_task(tmp_path):
    path = write(tmp_path / "IEMOCAP_features.pkl", iemocap())
    scores = deadpan.load(path, task="scores")
    assert (scores.task, scores.labels) == ("scores", ("rating",))
    assert by_id(scores)["Ses02F_impro01_F003"].label.tolist() == [(3 + 14) % 6]


def test_two_classes_of_other_data_are_not_named_as_six_emotions(tmp_path):
    parts = list(iemocap())
    parts[2] = {v: [i % 2 for i in range(n)] for v, n in DIALOGUES.items()}
    dataset = deadpan.load(write(tmp_path / "pairs.pkl", tuple(parts)))
    assert (dataset.task, dataset.labels) == ("classes", ("0", "1"))


def test_avec_has_numbers_on_a_scale(tmp_path):
    parts = list(iemocap())
    parts[2] = {v: [0.25 * i - 0.3 for i in range(n)] for v, n in DIALOGUES.items()}
    dataset = deadpan.load(write(tmp_path / "AVEC_features_1.pkl", tuple(parts)))
    assert dataset.task == "regression"
    assert by_id(dataset)["Ses02F_impro01_F001"].label.tolist() == [np.float32(-0.05)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda parts: parts[2][TRAIN[0]].pop(), "has 3 utterances and 2 labels"),
        (lambda parts: parts[4][TRAIN[0]].pop(), "has 3 utterances and 2 of audio"),
        (lambda parts: parts[0].pop(TRAIN[0]), "has no ids or labels"),
        (lambda parts: parts[3].update({TRAIN[0]: [np.ones(9)] * 3}), "text of width 5; wanted 9"),
        (lambda parts: parts[3].update({TRAIN[0]: ["a", "b", "c"]}), "holds a str; wanted numbers"),
        (lambda parts: parts[7].clear(), "split 'train' has no clips|has no"),
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, change, words):
    parts = list(iemocap())
    parts[7] = list(TRAIN)
    change(parts)
    path = write(tmp_path / "IEMOCAP_features.pkl", tuple(parts))
    with pytest.raises(DataError, match=words):
        deadpan.load(path).require("train")


def test_a_video_that_is_named_again_and_again_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "CONSTANT", 1 << 18)
    parts = list(iemocap())
    parts[7] = [TRAIN[0]] * 5000
    with pytest.raises(DataError, match="stand for more than"):
        deadpan.load(write(tmp_path / "IEMOCAP_features.pkl", tuple(parts)))
