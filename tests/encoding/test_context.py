import numpy as np
import pytest

from deadpan.data.dataset import Clip, Dataset
from deadpan.data.recipe import EncodingOptions
from deadpan.encoding.context import context_warnings, contexts_of
from deadpan.encoding.pieces import split_transcript
from deadpan.encoding.run import recipe_of


def dataset_of(**splits):
    """Clips of (id, group) by split; what is said is the id and a word."""
    clips = {
        name: [
            Clip(id=clip, sequences={}, label=np.float32([1]), group=group) for clip, group in pairs
        ]
        for name, pairs in splits.items()
    }
    return Dataset(name="toy", task="regression", labels=("x",), widths={}, splits=clips)


def spoken(dataset):
    clips = (clip for clips in dataset.splits.values() for clip in clips)
    return {clip.id: f"{clip.id} good" for clip in clips}


TALKS = dataset_of(
    train=[("a1", "a"), ("b1", "b"), ("a2", "a"), ("a3", "a"), ("x", None), ("y", None)],
    valid=[("a4", "a"), ("a5", "a")],
)


@pytest.mark.parametrize(
    ("count", "contexts"),
    [
        (0, {}),
        (1, {"a2": "a1 good", "a3": "a2 good", "a5": "a4 good"}),
        (2, {"a2": "a1 good", "a3": "a1 good a2 good", "a5": "a4 good"}),
    ],
)
def test_context_is_of_the_clips_before_in_the_same_group_and_split(count, contexts):
    assert contexts_of(TALKS, spoken(TALKS), count) == contexts


def test_a_clip_without_a_word_counts_and_says_nothing():
    said = spoken(TALKS) | {"a2": " "}
    assert contexts_of(TALKS, said, 1) == {"a2": "a1 good", "a5": "a4 good"}
    assert contexts_of(TALKS, said, 2)["a3"].split() == ["a1", "good"]


def warnings_of(encoder, dataset, count=2):
    recipe, said = recipe_of(encoder, EncodingOptions(layers="1", context=count)), spoken(dataset)
    contexts = contexts_of(dataset, said, count)
    pieces = {
        clip: split_transcript(encoder, recipe, text, context=contexts.get(clip, ""))
        for clip, text in said.items()
    }
    return list(context_warnings(dataset, recipe, pieces, contexts))


def test_what_is_in_order_and_fits_has_no_warning(opened):
    assert warnings_of(opened, TALKS) == []
    alone = dataset_of(train=[("a", "a"), ("b", "b")])
    assert warnings_of(opened, alone, count=0) == []


def test_groups_of_one_clip_are_said_to_have_no_context(opened):
    (warning,) = warnings_of(opened, dataset_of(train=[("a", "a"), ("b", None)]))
    assert warning.startswith("no clip has context, as none has another of its group before it")


def test_clips_out_of_the_order_of_their_numbers_are_told(opened):
    ids = ("v_1", "v_10", "v_2", "v_3", "w_1")
    (warning,) = warnings_of(opened, dataset_of(train=[(name, "v") for name in ids], valid=[]), 1)
    assert warning.startswith("1 clip (first: 'v_2', which stands behind 'v_10') out of the order")
    assert warnings_of(opened, dataset_of(train=[(name, name) for name in ids[1:3]])) == [
        *warnings_of(opened, dataset_of(train=[("a", "a"), ("b", "b")]))
    ]


def test_context_that_was_left_out_is_counted(opened):
    long = dataset_of(train=[(letter * 5, "a") for letter in "xyz"])
    # Each clip is 6 tokens, 5 of them its id; 14 are read beside the special ones.
    (warning,) = warnings_of(opened, long)
    assert warning == (
        "1 clip (first: 'zzzzz') with more context than tiny reads: the first words of it were "
        "left out, 1 in all"
    )
