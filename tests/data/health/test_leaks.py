from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deadpan.data.health.leaks import (
    Duplicates,
    groups_in_two_splits,
    repeated_ids,
    sequence_digest,
)

SPLITS = ("train", "valid", "test")


def twins(*clips):
    found = Duplicates()
    for split, clip, content in clips:
        found.add(split, clip, {"text": content} if content else {})
    return found.as_dict()


def test_twins_are_told_by_the_splits_they_are_in():
    figures = twins(
        *(("train", "a", b"1"), ("train", "b", b"1"), ("train", "c", b"2")),
        *(("test", "d", b"1"), ("test", "e", b"3"), ("valid", "f", b"3")),
        *(("train", "g", b""), ("test", "h", b"")),  # of no modality: like no other
    )
    assert figures == {
        "pairs": 4,
        "across_splits": 3,
        "clips": 5,
        "by_splits": [
            {"splits": ["train", "train"], "pairs": 1, "first": ["a", "b"]},
            {"splits": ["train", "test"], "pairs": 2, "first": ["a", "d"]},
            {"splits": ["valid", "test"], "pairs": 1, "first": ["f", "e"]},
        ],
    }


@given(st.lists(st.tuples(st.sampled_from(SPLITS), st.binary(min_size=1, max_size=1)), max_size=30))
def test_pairs_are_those_of_comparing_every_two(clips):
    clips = [(split, str(index), content) for index, (split, content) in enumerate(clips)]
    figures = twins(*clips)
    same = [(a, b) for a, b in combinations(clips, 2) if a[2] == b[2]]
    assert figures["pairs"] == len(same)
    assert figures["across_splits"] == sum(a[0] != b[0] for a, b in same)
    assert figures["clips"] == len({clip for pair in same for clip in pair})
    assert sum(part["pairs"] for part in figures["by_splits"]) == len(same)


def test_twins_have_the_same_modalities():
    found = Duplicates()
    found.add("train", "a", {"text": b"1"})
    found.add("train", "b", {"audio": b"1"})
    found.add("train", "c", {"audio": b"2", "text": b"1"})
    found.add("train", "d", {"text": b"1", "audio": b"2"})
    assert found.as_dict()["by_splits"][0]["first"] == ["c", "d"]
    assert found.as_dict()["pairs"] == 1


def test_a_digest_tells_shape_and_content():
    steps = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert sequence_digest(steps) == sequence_digest(np.asfortranarray(steps.copy()))
    others = [steps.reshape(3, 2), steps + 1, steps[:1], steps.astype(np.float64)]
    assert len({sequence_digest(steps), *map(sequence_digest, others)}) == 5


def test_ids_that_were_taken():
    ids = {"train": ["a", "b", "b#2", "c#7"], "valid": [], "test": ["a#2", "a#3", "d"]}
    figures = repeated_ids(ids)
    assert figures == {"repeated": 3, "in_two_splits": 1, "first": ["a"]}


def test_videos_in_two_splits():
    figures = groups_in_two_splits({"train": {"v", "w"}, "valid": {"x"}, "test": {"w"}})
    assert figures == {"count": 3, "in_two_splits": 1, "first": ["w"]}
