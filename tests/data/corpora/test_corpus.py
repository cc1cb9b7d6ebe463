import csv
from itertools import combinations

import pytest

from deadpan.data.corpora.corpus import WITH_FOLDS, corpus_of_videos, standard_folds
from deadpan.errors import DataError

SIZES = {"MOSI": (52, 10, 31), "MOSEI": (2250, 300, 678), "POM": (600, 100, 203)}


def videos(name):
    return frozenset().union(*standard_folds(name).values())


@pytest.mark.parametrize("name", WITH_FOLDS)
def test_folds_have_the_sizes_that_papers_tell_and_share_no_video(name):
    folds = standard_folds(name)
    assert list(folds) == ["train", "valid", "test"]
    assert tuple(map(len, folds.values())) == SIZES[name]
    assert not any(a & b for a, b in combinations(folds.values(), 2))
    assert all(video and video.strip() == video for fold in folds.values() for video in fold)


def test_mosi_is_split_as_its_clip_table_says(shared):
    with (shared / "data" / "mosi" / "label.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for split, fold in standard_folds("MOSI").items():
        assert fold == {row["video_id"] for row in rows if row["mode"] == split}


def test_mosei_and_pom_share_videos_as_their_traps_say():
    mosei, pom = standard_folds("MOSEI"), standard_folds("POM")
    assert len(videos("MOSEI") & videos("POM")) == 459
    assert len(mosei["train"] & pom["test"]) == 61
    assert len(mosei["test"] & pom["train"]) == 72
    assert not videos("MOSI") & (videos("MOSEI") | videos("POM"))


@pytest.mark.parametrize("name", WITH_FOLDS)
def test_a_corpus_is_told_by_its_videos(name):
    assert corpus_of_videos(videos(name)) == name
    assert corpus_of_videos(standard_folds(name)["test"]) == name


def test_nine_of_ten_videos_are_enough():
    nine = sorted(videos("MOSI"))[:9]
    assert corpus_of_videos([*nine, "new"]) == "MOSI"
    assert corpus_of_videos([*nine[:8], "new", "newer"]) is None


def test_videos_of_two_corpora_are_the_smaller_ones():
    assert corpus_of_videos(videos("MOSEI") & videos("POM")) == "POM"


def test_videos_of_nowhere_are_of_no_corpus():
    assert corpus_of_videos(["a", "b"]) is None
    assert corpus_of_videos([]) is None


def test_a_corpus_without_folds_is_told():
    with pytest.raises(DataError, match="unknown corpus with standard folds 'MOSSI'"):
        standard_folds("MOSSI")
