import dataclasses

import numpy as np
import pytest

from deadpan.data.dataset import (
    Clip,
    Dataset,
    LazyClips,
    MappedClips,
    clip_groups,
    map_clips,
    shared_group_warnings,
    step_counts,
)
from deadpan.errors import DataError

from .store.toy_datasets import unchecked


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
    timed = dataclasses.replace(clip("a"), times={m: np.zeros((2, 2)) for m in ("text", "audio")})
    assert list(dataset(train=[timed]).only(["text"])["train"][0].times) == ["text"]


def test_only_refuses_a_modality_the_data_lacks():
    with pytest.raises(DataError, match=r"unknown modality 'audoi'; did you mean 'audio'"):
        dataset().only(["audoi"])


def test_splits_that_share_videos_are_named():
    toy = dataset(
        train=[clip("1", "v"), clip("2", "w"), clip("3")],
        valid=[clip("4", "x"), clip("5")],
        test=[clip("6", "w"), clip("7", "v"), clip("8", "x")],
    )
    first, second = shared_group_warnings(toy)
    assert first == "video 'v' and 1 more is in both train and test: scores will flatter"
    assert second == "video 'x' is in both valid and test: scores will flatter"


def test_clips_of_unknown_video_share_none():
    assert shared_group_warnings(dataset(train=[clip("1")], test=[clip("2")])) == []


class Made(LazyClips):
    """Clips numbered from 0, of as many steps of text as their number; all are made anew."""

    def __init__(self, places, modalities=("text",)):
        self.places, self.modalities, self.taken = places, modalities, 0

    def __len__(self):
        return len(self.places)

    @property
    def labels(self):
        return np.array([[place] for place in self.places], np.float32)

    @property
    def steps(self):
        return {name: np.array(self.places) for name in self.modalities}

    @property
    def groups(self):
        return tuple("three" if place == 3 else None for place in self.places)

    def take(self, index):
        self.taken += 1
        place = self.places[index]
        sequences = {m: np.full((place, 2), place, np.float32) for m in self.modalities}
        return Clip(
            id=str(place),
            sequences=sequences,
            label=self.labels[index],
            group=self.groups[index],
        )

    def part(self, places):
        return Made([self.places[i] for i in places], self.modalities)

    def only(self, modalities):
        return Made(self.places, tuple(modalities))


def marked(clip):
    return dataclasses.replace(clip, id=f"{clip.id}!")


def test_clips_in_memory_are_changed_at_once():
    clips = map_clips(list(Made([3, 1])), marked)
    assert isinstance(clips, list)
    assert [clip.id for clip in clips] == ["3!", "1!"]


def test_clips_that_are_made_are_changed_each_time_one_is_taken():
    made = Made([3, 1, 2])
    with unchecked():
        clips = map_clips(made, marked)
        assert isinstance(clips, MappedClips)
        assert made.taken == 0
        assert [clips[i].id for i in (0, -1, 0)] == ["3!", "2!", "3!"]
        assert made.taken == 3
        assert [clip.id for clip in clips[1:]] == ["1!", "2!"]
        with pytest.raises(IndexError):
            clips[3]


def test_lengths_labels_and_groups_need_no_clip():
    made = Made([3, 1])
    with unchecked():
        clips = map_clips(made, marked)
        assert clips.labels.ravel().tolist() == [3, 1]
        assert step_counts(clips, ("text", "audio")).tolist() == [[3, 0], [1, 0]]
        assert step_counts(clips, ()).shape == (2, 0)
        assert clip_groups(clips) == ("three", None)
        assert made.taken == 0
    assert step_counts(list(clips), ("text", "audio")).tolist() == [[3, 0], [1, 0]]
    assert clip_groups(list(clips)) == ("three", None)
    assert not clips.scaling("robust")  # changed clips have other figures, or none


def test_modalities_can_still_be_chosen():
    (clip,) = map_clips(Made([2], ("text", "audio")), marked).only(["audio"])
    assert (clip.id, list(clip.sequences)) == ("2!", ["audio"])
