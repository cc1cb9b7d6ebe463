import dataclasses

import numpy as np
import pytest

from deadpan.data.changed import ChangedClips, changed
from deadpan.data.dataset import Clip, LazyClips, steps_of

from .store.made import unchecked


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

    def take(self, index):
        self.taken += 1
        place = self.places[index]
        sequences = {m: np.full((place, 2), place, np.float32) for m in self.modalities}
        return Clip(id=str(place), sequences=sequences, label=self.labels[index])

    def part(self, places):
        return Made([self.places[i] for i in places], self.modalities)

    def only(self, modalities):
        return Made(self.places, tuple(modalities))


def marked(clip):
    return dataclasses.replace(clip, id=f"{clip.id}!")


def test_clips_in_memory_are_changed_at_once():
    clips = changed(list(Made([3, 1])), marked)
    assert isinstance(clips, list)
    assert [clip.id for clip in clips] == ["3!", "1!"]


def test_clips_that_are_made_are_changed_each_time_one_is_taken():
    made = Made([3, 1, 2])
    with unchecked():
        clips = changed(made, marked)
        assert isinstance(clips, ChangedClips)
        assert made.taken == 0
        assert [clips[i].id for i in (0, -1, 0)] == ["3!", "2!", "3!"]
        assert made.taken == 3
        assert [clip.id for clip in clips[1:]] == ["1!", "2!"]
        with pytest.raises(IndexError):
            clips[3]


def test_lengths_and_labels_are_told_without_a_clip():
    made = Made([3, 1])
    with unchecked():
        clips = changed(made, marked)
        assert clips.labels.ravel().tolist() == [3, 1]
        assert steps_of(clips, ("text", "audio")).tolist() == [[3, 0], [1, 0]]
        assert steps_of(clips, ()).shape == (2, 0)
        assert made.taken == 0
    assert steps_of(list(clips), ("text", "audio")).tolist() == [[3, 0], [1, 0]]
    assert not clips.scaling("robust")  # changed clips have other figures, or none


def test_modalities_can_still_be_chosen():
    (clip,) = changed(Made([2], ("text", "audio")), marked).only(["audio"])
    assert (clip.id, list(clip.sequences)) == ("2!", ["audio"])
