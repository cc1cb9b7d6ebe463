from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from deadpan.data.assembly import (
    RawClip,
    RawClips,
    assemble,
    clip_id,
    group_from_name,
    hold_out_validation,
    rename_repeated_ids,
    sequence_widths,
    zero_non_finite,
)
from deadpan.data.dataset import Clip, Padding
from deadpan.errors import DataError
from deadpan.types import SPLITS

from ..refusals import refusal_of

PATH = Path("folder/file.pkl")


def clip(name="v_1", split="train", label=(0.0,), group=None, **sequences):
    name = (name,) if isinstance(name, str) else name
    return RawClip(name=name, split=split, sequences=sequences, label=np.array(label), group=group)


def made(*clips, task="regression", labels=("sentiment",), **more):
    fields = {name: more.pop(name) for name in ("ignored", "padding") if name in more}
    widths = {m: x.shape[1] for one in clips for m, x in one.sequences.items()}
    return assemble(
        PATH,
        RawClips(clips=clips, widths=widths, **fields),
        layout="a test",
        task=task,
        labels=labels,
        **more,
    )


def refusal(*clips, **more):
    return refusal_of(f"{PATH}: ", made, *clips, **more).removeprefix(f"{PATH}: ")


def test_clips_go_to_their_splits_in_the_order_of_the_file():
    times = {"text": np.array([[0.0, 1.0]])}
    spoken = RawClip(
        name=("w", "0.5", "1.5"),
        split="test",
        sequences={"zither": np.ones((1, 2), np.int8), "text": np.ones((1, 3))},
        label=np.array([1], np.int64),
        words=("hm",),
        times=times,
    )
    padding = {"text": Padding(side="left", share=0.5)}
    dataset = made(clip("b_1"), spoken, clip("a_1"), padding=padding)
    assert (dataset.name, dataset.layout) == ("file", "a test")
    assert (dataset.task, dataset.labels) == ("regression", ("sentiment",))
    assert list(dataset.widths.items()) == [("text", 3), ("zither", 2)]
    assert dataset.padding == padding
    assert {name: [c.id for c in dataset[name]] for name in SPLITS} == {
        "train": ["b_1", "a_1"],
        "valid": [],
        "test": ["w_0.5_1.5"],
    }
    got = dataset["test"][0]
    assert (got.group, got.words, got.times) == ("w", ("hm",), times)
    assert list(got.sequences) == ["text", "zither"]
    assert got.label.dtype == got.sequences["zither"].dtype == np.float32
    assert (dataset.repairs, dataset.warnings) == ({}, ())


def test_a_group_that_is_told_goes_before_the_name():
    assert [c.group for c in made(clip("v_1", group="speaker"), clip("v_2"))["train"]] == [
        "speaker",
        "v",
    ]


def test_clips_without_names_are_named_by_split_and_place():
    dataset = made(clip(()), clip((), "test"), clip(()))
    assert [c.id for name in SPLITS for c in dataset[name]] == ["train:0", "train:1", "test:0"]
    assert {c.group for c in dataset["train"]} == {None}


@pytest.mark.parametrize(
    ("task", "label"),
    [
        ("regression", [-3.0]),
        ("emotions", [0.0, 0.0]),
        ("emotions", [1.0, 1.0]),
        ("classes", [0.0, 1.0]),
        ("scores", [-1e9, 3.4e38]),
    ],
)
def test_labels_of_each_task(task, label):
    labels = tuple("ab"[: len(label)])
    dataset = made(clip(label=label), task=task, labels=labels)
    assert (dataset.task, dataset.labels) == (task, labels)
    np.testing.assert_array_equal(dataset["train"][0].label, np.float32(label))


@pytest.mark.parametrize(
    ("task", "label", "wanted"),
    [
        ("regression", [3.01], "unusable (first: v_9); wanted numbers in [-3, 3]"),
        ("regression", [np.nan], "NaN (first: v_9); wanted numbers in [-3, 3]"),
        ("regression", [-np.inf], "unusable"),
        ("emotions", [0.0, 2.0], "unusable (first: v_9); wanted 0 or 1 for each emotion"),
        ("emotions", [0.0, np.nan], "NaN (first: v_9)"),
        ("classes", [1.0, 1.0], "unusable (first: v_9); wanted 1 for one class and 0 for the"),
        ("classes", [0.0, 0.0], "unusable"),
        ("classes", [2.0, -1.0], "unusable"),
        ("scores", [0.0, np.inf], "unusable (first: v_9); wanted finite numbers"),
        ("scores", [0.0, 1e39], "unusable (first: v_9); wanted finite numbers"),
        ("scores", [0.0, np.nan], "NaN (first: v_9); wanted finite numbers"),
    ],
)
def test_labels_that_a_task_cannot_have(task, label, wanted):
    sound = [0.0] if task == "regression" else [0.0, 1.0]
    clips = [clip("v_1", label=sound), clip("v_9", "test", label)]
    assert refusal(*clips, task=task).startswith(f"split 'test': 1 labels are {wanted}")


def test_three_labels_are_named_and_all_are_counted():
    clips = [clip(f"v\n{i}", label=[4.0]) for i in range(5)]
    assert "5 labels are unusable (first: v\\n0, v\\n1, v\\n2); wanted" in refusal(*clips)
    nameless = [clip((), None), clip((), None, label=[np.nan])]
    assert refusal(*nameless).startswith("1 labels are NaN (first: clip 1); wanted")


def test_splits_for_some_clips_only():
    clips = [clip("v_1"), clip("v_2", None), clip("v_3", None)]
    assert refusal(*clips) == (
        "2 of 3 clips have no split (first: 'v_2'); wanted one for all or for none"
    )


@pytest.mark.parametrize(("name", "by"), [("{}_1", "video or speaker"), ("{}", "clip")])
def test_splits_are_made_where_there_are_none(name, by):
    dataset = made(*(clip(name.format(f"v{i}"), None) for i in range(10)))
    assert [len(dataset[split]) for split in SPLITS] == [6, 2, 2]
    assert dataset.warnings == (f"the file has no splits; they were made by {by}, 60 / 20 / 20 %",)


def test_a_repeated_id_within_a_split():
    dataset = made(clip("a"), clip("a"), clip("a#2"), clip("a"))
    assert [c.id for c in dataset["train"]] == ["a", "a#3", "a#2", "a#4"]
    assert dataset.warnings == ("2 clips repeat an id; they were renamed 'id#2'",)


def test_a_repeated_id_in_two_splits():
    dataset = made(clip("a"), clip("b", "test"), clip("a", "test"), clip("b", "test"))
    assert [c.id for c in dataset["test"]] == ["b", "a#2", "b#2"]
    assert dataset.warnings == (
        "2 clips repeat an id; they were renamed 'id#2'; 1 of them in two splits (first: 'a')",
    )


def test_features_are_mended_and_counted_beside_what_was_mended_before():
    audio = np.array([[np.nan, 1e39], [-np.inf, 2.0]])
    dataset = made(clip(audio=audio), clip("v_2", audio=audio), repairs=Counter({"before": 7}))
    assert dataset["train"][0].sequences["audio"].tolist() == [[0, 0], [0, 2]]
    assert dataset.repairs == {
        "before": 7,
        "audio: NaN set to 0": 2,
        "audio: +inf set to 0": 2,  # what float32 cannot hold
        "audio: -inf set to 0": 2,
    }
    assert np.isnan(audio[0, 0]), "the file's own array stays"


def test_warnings_of_all_kinds_stand_in_one_order():
    dataset = made(
        clip("v_1"), clip("v_1", "test"), ignored=("meta", "info"), warnings=["told before"]
    )
    assert dataset.warnings == (
        "video 'v' is in both train and test: scores will flatter",
        "told before",
        "1 clips repeat an id; they were renamed 'id#2'; 1 of them in two splits (first: 'v_1')",
        "unknown keys were ignored: meta, info",
    )


def test_what_is_not_finite_becomes_zero_and_is_counted():
    steps = np.array([[1, -np.inf, np.nan], [np.inf, -np.inf, -2]])
    repairs = Counter({"audio: NaN set to 0": 5})
    mended = zero_non_finite(steps, modality="audio", repairs=repairs)
    np.testing.assert_array_equal(mended, [[1, 0, 0], [0, 0, -2]])
    assert mended.dtype == np.float32
    assert repairs == {
        "audio: -inf set to 0": 2,
        "audio: +inf set to 0": 1,
        "audio: NaN set to 0": 6,
    }
    assert np.isnan(steps).any(), "the caller's array is not written to"


def test_what_float32_cannot_hold_counts_as_infinite():
    repairs = Counter()
    mended = zero_non_finite(np.array([[1e300, 1e30]]), modality="text", repairs=repairs)
    np.testing.assert_allclose(mended, [[0, 1e30]], rtol=1e-6)
    assert repairs == {"text: +inf set to 0": 1}


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, min_side=0)))
def test_sound_values_stay_and_unsound_ones_are_all_counted(steps):
    before, repairs = steps.copy(), Counter()
    mended = zero_non_finite(steps, modality="vision", repairs=repairs)
    sound = np.isfinite(steps)
    np.testing.assert_array_equal(mended, np.where(sound, steps, 0))
    np.testing.assert_array_equal(steps, before)
    assert repairs.total() == (~sound).sum()


@pytest.mark.parametrize(
    ("parts", "name", "group"),
    [
        ((), "", None),
        (("WKA5OygbEKI_1",), "WKA5OygbEKI_1", "WKA5OygbEKI"),
        (("_dI--eQ6qVU_12",), "_dI--eQ6qVU_12", "_dI--eQ6qVU"),
        (("WKA5OygbEKI_1", "0", "0"), "WKA5OygbEKI_1", "WKA5OygbEKI"),
        (("WKA5OygbEKI_1", "0.0", "0.0"), "WKA5OygbEKI_1", "WKA5OygbEKI"),
        (("WKA5OygbEKI", "0", "2.5"), "WKA5OygbEKI_0_2.5", "WKA5OygbEKI"),
        (("WKA5OygbEKI_1", "0", "2.5"), "WKA5OygbEKI_1_0_2.5", "WKA5OygbEKI"),
        (("WKA5Oygbi_1", "0", "2.5"), "WKA5Oygbi_1_0_2.5", "WKA5Oygbi_1"),  # a video so named
        (("100178", "7.1", "9.5"), "100178_7.1_9.5", "100178"),
        (("WKA5OygbEKI", "3"), "WKA5OygbEKI_3", "WKA5OygbEKI"),
        (("WKA5OygbEKI", "0"), "WKA5OygbEKI_0", "WKA5OygbEKI"),
        (("03bSnISJMiM$_$11",), "03bSnISJMiM$_$11", "03bSnISJMiM"),
        (("WKA5OygbEKI[3]",), "WKA5OygbEKI_3", "WKA5OygbEKI"),
        (("a[b]_1[12]",), "a[b]_1_12", "a[b]_1"),
        (("WKA5OygbEKI[3]", "0", "0"), "WKA5OygbEKI_3", "WKA5OygbEKI"),
        (("WKA5OygbEKI[]",), "WKA5OygbEKI[]", None),
        (("03-01-01-01-02-01-17", "0", "0"), "03-01-01-01-02-01-17", "actor-17"),
        (("Ses01F_impro01_F000",), "Ses01F_impro01_F000", None),
        (("42",), "42", None),
    ],
)
def test_names_and_groups(parts, name, group):
    assert clip_id(parts) == name
    assert group_from_name(parts) == group


def named_clip(name):
    return Clip(id=name, sequences={}, label=np.zeros(1, np.float32))


def test_repeated_ids_are_told_apart_within_and_across_splits():
    splits = {
        "train": [named_clip("a"), named_clip("a"), named_clip("a#2")],
        "test": [named_clip("a"), named_clip("b")],
    }
    renamed, count = rename_repeated_ids(splits)
    names = {split: [c.id for c in clips] for split, clips in renamed.items()}
    assert names == {"train": ["a", "a#3", "a#2"], "test": ["a#4", "b"]}
    assert count == 2


def test_ids_that_differ_stay():
    splits = {"train": [named_clip("a"), named_clip("b")]}
    assert rename_repeated_ids(splits) == (splits, 0)


def test_a_video_that_only_names_tell_is_held_out_as_a_whole():
    clips = [clip(f"v{i}_{k}", split="train") for i in range(10) for k in range(5)]
    moved, (warning,) = hold_out_validation([*clips, clip("w_1", split="test")])
    held_out = {one.name[0].split("_")[0] for one in moved if one.split == "valid"}
    assert sum(one.split == "valid" for one in moved) == 5 * len(held_out) == 5
    assert warning.endswith("5 of its training clips were taken, by video or speaker")


def test_clips_of_one_modality_have_one_width():
    first = clip("v_1", audio=np.ones((2, 3)))
    both = clip("v_2", audio=np.ones((1, 3)), text=np.ones((1, 2)))
    assert sequence_widths(PATH, [first, both]) == {"audio": 3, "text": 2}
    for name, which in (("v_3", "v_3"), ((), "2")):
        wrong = clip(name, audio=np.ones((2, 4)))
        words = rf"^{PATH}: clip '{which}' has audio of width 4; wanted 3 as before$"
        with pytest.raises(DataError, match=words):
            sequence_widths(PATH, [first, both, wrong])


def test_sound_features_are_copied_only_out_of_larger_arrays():
    """Word vectors of a table of 10,605 sentences took their 240 MB twice, and were refused."""
    steps = np.ones((3, 2), np.float32)
    assert zero_non_finite(steps, modality="text", repairs=Counter()) is steps
    view = zero_non_finite(steps[1:], modality="text", repairs=Counter())
    assert not np.shares_memory(view, steps)
