import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.dataset import Clip, Dataset
from deadpan.data.folds import (
    SHARES,
    groups_of,
    leave_out,
    split_by_group,
    validation_groups,
)
from deadpan.errors import DataError
from deadpan.types import SPLITS


def dataset(groups, *, warnings=()):
    """A clip per entry, dealt to the splits in turn."""
    clips = [
        Clip(id=f"{i}", sequences={}, label=np.zeros(1, np.float32), group=group)
        for i, group in enumerate(groups)
    ]
    splits = {name: clips[i::3] for i, name in enumerate(SPLITS)}
    return Dataset(
        name="toy",
        task="regression",
        labels=("s",),
        widths={"text": 1},
        splits=splits,
        warnings=warnings,
    )


def groups(fold, split):
    return {clip.group for clip in fold[split]}


def test_one_group_tests_and_the_next_two_validate():
    fold = leave_out(dataset("edcba"), "b")
    assert [groups(fold, name) for name in SPLITS] == [{"a", "e"}, {"c", "d"}, {"b"}]
    assert fold.name == "toy without b"


def test_after_the_last_group_comes_the_first():
    fold = leave_out(dataset("abcde"), "e")
    assert [groups(fold, name) for name in SPLITS] == [{"c", "d"}, {"a", "b"}, {"e"}]


@given(
    st.lists(st.sampled_from("abcdefgh"), min_size=4, max_size=40).filter(
        lambda g: len(set(g)) >= 4
    )
)
def test_each_clip_is_tested_once_and_no_group_is_in_two_splits(names):
    toy = dataset(names)
    tested = []
    for group in groups_of(toy):
        fold = leave_out(toy, group)
        found = [groups(fold, name) for name in SPLITS]
        assert found[2] == {group}
        assert found[0] and len(found[1]) == 2
        assert sum(map(len, found)) == len(set().union(*found)) == len(set(names))
        assert sum(len(fold[name]) for name in SPLITS) == len(names)
        tested += [clip.id for clip in fold["test"]]
    assert sorted(tested) == sorted(str(i) for i in range(len(names)))


HELD_OUT = "the file has no validation split; 2 of its training clips were taken, by clip"


def test_warnings_on_the_old_splits_go_and_others_stay():
    toy = dataset(
        "abcde", warnings=("video 'a' is in both train and test", "2 clips lack text", HELD_OUT)
    )
    assert leave_out(toy, "a").warnings == ("2 clips lack text",)


def test_an_unknown_group_is_refused():
    with pytest.raises(DataError, match=r"unknown group 'vido1'; did you mean 'video1'"):
        leave_out(dataset(["video1", "film", "c", "d"]), "vido1")


def test_three_groups_are_too_few():
    with pytest.raises(DataError, match="needs 4 groups or more; found 3"):
        leave_out(dataset("abcabc"), "a")


def test_clips_of_unknown_group_are_refused_with_their_number():
    with pytest.raises(DataError, match=r"video of 2 clips is not known \(first: '0'\)"):
        leave_out(dataset([None, "a", "b", None, "c", "d"]), "a")


def test_the_real_videos_of_mosi_make_ten_folds(shared):
    from deadpan.data import load

    path = shared / "data" / "mosi" / "mosi229_aligned.pkl"
    toy = load(path)
    assert len(groups_of(toy)) == 10
    assert sum(len(leave_out(toy, group)["test"]) for group in groups_of(toy)) == 229


def clips_of(groups):
    """A clip per entry; None is a clip of unknown group."""
    return [
        Clip(id=f"clip {i}", sequences={}, label=np.zeros(1, np.float32), group=group)
        for i, group in enumerate(groups)
    ]


def ids(splits):
    return {name: {clip.id for clip in clips} for name, clips in splits.items()}


@given(names=st.lists(st.text(max_size=3), max_size=40), random=st.randoms(use_true_random=False))
def test_made_splits_depend_on_names_alone_and_keep_groups_whole(names, random):
    clips = clips_of(names)
    splits = split_by_group(clips)
    assert list(splits) == list(SPLITS)
    assert sorted(clip.id for part in splits.values() for clip in part) == sorted(
        clip.id for clip in clips
    )
    found = [{clip.group for clip in part} for part in splits.values()]
    assert sum(map(len, found)) == len(set(names))
    random.shuffle(clips)
    assert ids(split_by_group(clips)) == ids(splits)


def test_made_splits_are_the_same_on_every_machine():
    splits = split_by_group(clips_of("abcdefghij"))
    found = {name: "".join(sorted(clip.group for clip in part)) for name, part in splits.items()}
    assert found == {
        "train": "abcdfj",
        "valid": "eg",
        "test": "hi",
    }


@pytest.mark.parametrize("largest", [1, 10])
def test_made_splits_come_near_their_shares(largest):
    sizes = np.random.default_rng(0).integers(1, largest + 1, size=60)
    clips = clips_of([f"speaker {i}" for i, size in enumerate(sizes) for _ in range(size)])
    for name, part in split_by_group(clips).items():
        assert abs(len(part) - SHARES[name] * len(clips)) <= largest


def test_few_groups_fill_train_first():
    for names, wanted in (("", [0, 0, 0]), ("aa", [2, 0, 0]), ("ab", [1, 1, 0])):
        assert [len(part) for part in split_by_group(clips_of(names)).values()] == wanted


@pytest.mark.parametrize("count", [4, 5, 6, 9])
def test_from_four_groups_of_one_size_on_no_split_is_empty(count):
    assert all(split_by_group(clips_of("abcdefghi"[:count] * 5)).values())


def test_clips_of_which_one_has_no_group_are_split_one_by_one():
    splits = split_by_group(clips_of(["a"] * 49 + [None]))
    assert [len(part) for part in splits.values()] == [30, 10, 10]


@pytest.mark.parametrize("sizes", [(1, 1, 30), (9, 1, 1), (5, 5, 5, 1), (40, 1, 1, 1, 1)])
def test_no_split_is_empty_however_uneven_three_groups_are(sizes):
    names = [f"g{g}" for g, size in enumerate(sizes) for _ in range(size)]
    made = [clip for clips in dataset(names).splits.values() for clip in clips]
    assert all(split_by_group(made).values())


def test_a_tenth_becomes_validation_by_group_whatever_the_order():
    names = [f"video{i % 20}" for i in range(200)]
    chosen = validation_groups(names)
    assert len(chosen) == 2
    assert validation_groups(names[::-1]) == chosen
    assert validation_groups(["one"] * 9) == frozenset()
    assert len(validation_groups(["one", "two"])) == 1
    assert validation_groups([]) == frozenset()


@pytest.mark.parametrize("small", ["abc", "xyz", "qrs"])
def test_a_group_that_is_too_large_is_no_validation(small):
    names = ["large"] * 90 + list(small) * 2 + [small[0]]
    assert validation_groups(names) <= set(small)
    assert len(validation_groups(names)) >= 2


def test_of_groups_that_are_all_too_large_the_smallest_is_validation():
    for first, second, third in itertools.permutations("abc"):
        names = [first] * 30 + [second] * 40 + [third] * 50
        assert validation_groups(names) == {first}
