import numpy as np
import pytest

from deadpan.data.dataset import Clip, Dataset, shared_groups
from deadpan.errors import DataError


def clip(name, group=None, modalities=("text", "audio")):
    sequences = {m: np.ones((2, 3), np.float32) for m in modalities}
    return Clip(id=name, sequences=sequences, label=np.zeros(1, np.float32), group=group)


def dataset(**splits):
    return Dataset(
        name="toy",
        task="regression",
        labels=("sentiment",),
        widths={"text": 3, "audio": 3},
        splits=splits,
    )


def test_a_split_that_the_data_lacks_is_empty():
    toy = dataset(train=[clip("a")])
    assert [c.id for c in toy["train"]] == ["a"]
    assert len(toy["test"]) == 0


def test_an_unknown_split_is_refused():
    with pytest.raises(DataError, match=r"unknown split 'trian'; did you mean 'train'"):
        dataset(train=[clip("a")])["trian"]


def test_a_required_split_without_clips_is_refused_with_the_counts():
    toy = dataset(train=[clip("a"), clip("b")], valid=[])
    toy.require("train")
    with pytest.raises(DataError) as caught:
        toy.require("train", "valid")
    assert "split 'valid' has no clips (found train 2, valid 0, test 0)" in str(caught.value)


def test_only_keeps_the_named_modalities_in_canonical_order():
    toy = dataset(train=[clip("a"), clip("b", modalities=("audio",))])
    both = toy.only(["audio", "text"])
    assert list(both.widths) == ["text", "audio"]
    text = toy.only(["text"])
    assert text.widths == {"text": 3}
    assert [list(c.sequences) for c in text["train"]] == [["text"], []]
    assert list(toy["train"][0].sequences) == ["text", "audio"]  # the original stands


def test_only_refuses_a_modality_the_data_lacks():
    with pytest.raises(DataError, match=r"unknown modality 'audoi'; did you mean 'audio'"):
        dataset().only(["audoi"])


def test_splits_that_share_videos_are_named():
    toy = dataset(
        train=[clip("1", "v"), clip("2", "w"), clip("3")],
        valid=[clip("4", "x"), clip("5")],
        test=[clip("6", "w"), clip("7", "v"), clip("8", "x")],
    )
    first, second = shared_groups(toy)
    assert first == "video 'v' and 1 more is in both train and test: scores will flatter"
    assert second == "video 'x' is in both valid and test: scores will flatter"


def test_clips_of_unknown_video_share_none():
    assert shared_groups(dataset(train=[clip("1")], test=[clip("2")])) == []
