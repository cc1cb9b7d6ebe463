import dataclasses
import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deadpan.data.dataset import Clip, Dataset, Padding, Truth
from deadpan.data.health.inspection import baseline, inspect_dataset, label_statistics


def clip(name, label, *, text=0, audio=0, **more):
    lengths = {"text": text, "audio": audio}
    sequences = {m: np.ones((steps, 2), np.float32) for m, steps in lengths.items() if steps}
    return Clip(id=name, sequences=sequences, label=np.array(label, np.float32), **more)


def dataset(clips, **more):
    defaults = {"task": "regression", "labels": ("sentiment",)}
    return Dataset(
        name="made up", widths={"text": 2, "audio": 2}, splits={"train": clips}, **defaults | more
    )


def test_figures_of_sentiment():
    clips = [
        clip("a", [-3], text=1, audio=10, group="v"),
        clip("b", [0.5], text=3, group="v"),
        clip("c", [1.5], text=8, group="w"),
        clip("d", [3], text=4),
    ]
    figures = inspect_dataset(dataset(clips, repairs={"x": 2}, warnings=("beware",)))
    assert json.loads(json.dumps(figures)) == figures
    assert figures["splits"]["test"] == {"clips": 0}
    assert (figures["repairs"], figures["warnings"]) == ({"x": 2}, ["beware"])
    train = figures["splits"]["train"]
    assert (train["clips"], train["groups"]) == (4, 2)
    assert train["labels"]["mean"] == 0.5
    assert train["labels"]["std"] == pytest.approx(np.sqrt((3.5**2 + 0 + 1 + 2.5**2) / 4))
    # 0.5 and 1.5 are halves: to the even number.
    histogram = {"-3": 1, "-2": 0, "-1": 0, "0": 1, "+1": 0, "+2": 1, "+3": 1}
    assert train["labels"]["histogram"] == histogram
    assert train["modalities"] == {
        "text": {"missing": 0.0, "steps": {"min": 1, "median": 3.5, "mean": 4, "max": 8}},
        "audio": {"missing": 0.75, "steps": {"min": 10, "median": 10, "mean": 10, "max": 10}},
    }
    assert "seconds" not in train
    assert "kinds" not in train


def test_figures_of_emotions_and_of_a_modality_that_no_clip_has():
    clips = [clip("a", [0, 1], text=1), clip("b", [0, 0], text=1)]
    train = inspect_dataset(dataset(clips, task="emotions", labels=("Happy", "Sad")))["splits"][
        "train"
    ]
    assert train["labels"] == {"present": {"Happy": 0.0, "Sad": 0.5}}
    assert train["modalities"]["audio"] == {"missing": 1.0}


def test_seconds_and_kinds_where_they_are_known():
    def known(name, kind, end):
        times = {"text": np.float32([[0, 0.5], [0.5, end]]), "audio": np.zeros((0, 2), np.float32)}
        truth = Truth(kind=kind, score=1.0, tendencies={}, salient={})
        return clip(name, [0], text=2, times=times, truth=truth)

    clips = [known("a", "sarcasm", 1), known("b", "congruent", 2), known("c", "sarcasm", 6)]
    train = inspect_dataset(dataset(clips))["splits"]["train"]
    assert train["seconds"] == {"min": 1, "median": 2, "mean": 3, "max": 6}
    assert train["kinds"] == {"congruent": 1, "sarcasm": 2}


def test_what_was_measured_of_a_modality():
    clips = [
        clip("a", [1], text=2, audio=4),
        clip("b", [2], text=3, times={"text": np.float32([[0, 1], [1, 2], [2, 3]])}),
    ]
    padding = {"text": Padding(side="left", share=0.5)}
    repairs = {"audio: NaN set to 0": 3, "audio: -inf set to 0": 1, "other": 9}
    figures = inspect_dataset(
        dataset(clips, padding=padding, repairs=repairs, unscaled={"text": "word vectors"})
    )["modalities"]
    text, audio = figures["text"], figures["audio"]
    assert (text["width"], text["clips"], text["missing"]) == (2, 2, 0)
    assert text["padding"] == {"side": "left", "share": 0.5}
    assert text["steps"] == {"total": 5, "min": 2, "median": 2.5, "mean": 2.5, "max": 3}
    assert text["lengths"]["steps"] == {"edges": [2, 3, 4], "counts": [1, 1]}
    assert sum(text["lengths"]["seconds"]["counts"]) == 1
    assert text["distinct"] == 2
    assert text["range"] == {"min": 1, "max": 1}
    assert text["constant_features"] == {"count": 2, "first": [0, 1]}
    assert text["zero_features"] == {"count": 0, "first": []}
    assert text["constant_clips"] == {"count": 2, "first": ["a", "b"]}
    assert text["normalization"] is None
    assert text["sample"] == {"steps": 5, "every": 1}
    assert (audio["clips"], audio["missing"], audio["padding"]) == (1, 0.5, None)
    assert audio["mended"] == {"NaN": 3, "+inf": 0, "-inf": 1}
    assert "seconds" not in audio["lengths"]
    assert audio["normalization"] == {"cut": 0, "magnified": {"count": 0, "first": []}}


def random_clips(split, count, seed, width=2):
    random = np.random.default_rng(seed)
    return [
        Clip(
            id=f"{split}{index}",
            sequences={
                m: random.uniform(-1, 1, (random.integers(3, 9), width)).astype(np.float32)
                for m in ("text", "audio")
            },
            label=np.float32([random.uniform(-3, 3)]),
            group=f"{split}-video{index % 3}",
        )
        for index in range(count)
    ]


def clean(**more):
    splits = {s: random_clips(s, n, n) for s, n in (("train", 30), ("valid", 9), ("test", 10))}
    return dataclasses.replace(dataset([]), splits=splits, **more)


def changed(place, split="train", **sequences):
    """The clean data set with other sequences in one clip; None takes one away."""
    made = clean()
    clips = list(made.splits[split])
    kept = {**clips[place].sequences, **sequences}
    clips[place] = dataclasses.replace(
        clips[place], sequences={m: x for m, x in kept.items() if x is not None}
    )
    return dataclasses.replace(made, splits={**made.splits, split: clips})


def everywhere(change):
    """The clean data set with other audio in every train clip."""
    made = clean()
    clips = [
        dataclasses.replace(c, sequences={**c.sequences, "audio": change(c.sequences["audio"])})
        for c in made["train"]
    ]
    return dataclasses.replace(made, splits={**made.splits, "train": clips})


def told(made):
    return [(found["gravity"], found["sentence"]) for found in inspect_dataset(made)["findings"]]


def test_of_clean_data_nothing_is_told():
    assert told(clean()) == []


def twin(split):
    made = clean()
    copy = dataclasses.replace(made["train"][0], id="copy", group=f"{split}-video0")
    splits = {**made.splits, split: [*made[split], copy]}
    return dataclasses.replace(made, splits=splits)


def column(value):
    def change(steps):
        steps = steps.copy()
        steps[:, 1] = value
        return steps

    return change


TINY = np.float32([1, 1e-4])
ZEROS = np.float32([[1, 2], [0, 0], [3, 4], [0, 0]])
FLAT = np.full((4, 2), 0.5, np.float32)
FAR = np.float32([[0, 0.5], [1, 1e6]])

DEFECTS = {
    "twins across splits": (
        lambda: twin("test"),
        ("serious", "1 pair of clips is identical in all features, across train and test "
         "(train0, copy)"),
    ),
    "twins within a split": (
        lambda: twin("train"),
        ("warning", "1 pair of clips is identical in all features, within train (train0, copy)"),
    ),
    "a clip without audio": (
        lambda: changed(4, audio=None),
        ("warning", "audio is missing in 1 of 49 clips (2.0 %)"),
    ),
    "a clip that never moves": (
        lambda: changed(4, audio=FLAT),
        ("warning", "audio: 1 clip has the same values at every step (train4)"),
    ),
    "steps of zeros": (
        lambda: changed(4, "test", audio=ZEROS / 5),
        ("note", "audio: 2 steps of zeros (0.71 %), in 1 clip"),
    ),
    "a feature of zeros": (
        lambda: everywhere(column(0)),
        ("note", "audio: 1 of 2 features (1) has one value in all train clips, 1 of them 0"),
    ),
    "a feature that never moves": (
        lambda: everywhere(column(0.5)),
        ("note", "audio: 1 of 2 features (1) has one value in all train clips"),
    ),
    "a feature of hardly any spread": (
        lambda: everywhere(lambda steps: steps * TINY),
        ("warning", "audio: 1 of 2 features (1) has so small a spread that --normalization robust "
         "multiplies values, and their noise, by more than 1,000"),
    ),
    "a wild value": (
        lambda: changed(4, "test", audio=FAR),
        ("warning", "audio: 0.18 % of values are farther than 10 robust deviations from the median "
         "of their feature; the farthest is 1e+06 in feature 1 of 'test4' (test), at "),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DEFECTS)
def test_every_defect_is_told(name):
    make, (gravity, sentence) = DEFECTS[name]
    found = told(make())
    assert any(g == gravity and s.startswith(sentence) for g, s in found), found


def test_twins_in_several_splits_are_one_sentence():
    made = twin("test")
    copy = dataclasses.replace(made["train"][0], id="again")
    made = dataclasses.replace(made, splits={**made.splits, "train": [*made["train"], copy]})
    assert told(made) == [
        (
            "serious",
            "3 pairs of clips are identical in all features, 2 across train and test "
            "(train0, copy), 1 within train (train0, again)",
        )
    ]


def test_what_was_warned_of_and_mended_is_told_again_by_gravity():
    made = clean(
        repairs={"audio: NaN set to 0": 1},
        warnings=("keys were ignored", "video 'v' is in both train and test: scores will flatter"),
    )
    assert told(made) == [
        ("serious", "video 'v' is in both train and test: scores will flatter"),
        ("warning", "keys were ignored"),
        ("warning", "repaired 1 time: audio: NaN set to 0"),
    ]


def test_a_split_or_a_modality_that_is_not_there():
    made = dataclasses.replace(clean(), splits={"test": clean()["test"]})
    assert told(made) == [("serious", "train: no clips"), ("warning", "valid: no clips")]
    made = dataclasses.replace(clean(), widths={"text": 2, "audio": 2, "vision": 3})
    assert told(made) == [("serious", "no clip has vision")]
    silent = [
        dataclasses.replace(c, sequences={"text": c.sequences["text"]}) for c in clean()["train"]
    ]
    made = dataclasses.replace(clean(), splits={**clean().splits, "train": silent})
    assert told(made) == [("serious", "no train clip has audio: nothing can be learned of it")]


def labelled(task, labels, rows):
    made = clean(task=task, labels=labels)
    clips = [
        dataclasses.replace(c, label=np.float32(rows[i % len(rows)]))
        for i, c in enumerate(made["train"])
    ]
    others = [dataclasses.replace(c, label=np.float32(rows[0])) for c in made["test"]]
    return dataclasses.replace(made, splits={"train": clips, "valid": others[:4], "test": others})


@pytest.mark.parametrize(
    ("task", "rows", "found"),
    [
        ("emotions", [[1, 0], [1, 0]], ["'a' is present in every", "'b' is present in no"]),
        ("classes", [[1, 0], [1, 0]], ["no train clip is of the class 'b'"]),
        ("scores", [[1, 5], [2, 5]], ["'b' is 5 in every train clip"]),
        ("emotions", [[1, 0], [0, 1]], []),
        ("classes", [[1, 0], [0, 1]], []),
        ("scores", [[1, 5], [2, 6]], []),
    ],
)
def test_labels_that_do_not_vary(task, rows, found):
    sentences = [s for _, s in told(labelled(task, ("a", "b"), rows)) if "'" in s]
    assert len(sentences) == len(found)
    assert all(map(str.startswith, sentences, found))


def test_a_sentiment_that_does_not_vary():
    made = labelled("regression", ("sentiment",), [[1.5]])
    assert ("serious", "'sentiment' is 1.5 in every train clip") in told(made)


def test_sequences_that_repeat():
    same = {m: np.float32([[1, 2], [3, 4]]) for m in ("text",)}
    made = clean()
    splits = {
        name: [dataclasses.replace(c, sequences={**c.sequences, **same}) for c in clips]
        for name, clips in made.splits.items()
    }
    assert ("warning", "text: only 1 distinct sequence in 49 clips") in told(
        dataclasses.replace(made, splits=splits)
    )


def test_ids_and_videos_in_two_splits_are_counted():
    made = clean()
    test = [dataclasses.replace(made["test"][0], id="train0#2", group="train-video0")]
    figures = inspect_dataset(dataclasses.replace(made, splits={**made.splits, "test": test}))
    assert figures["ids"] == {"repeated": 1, "in_two_splits": 1, "first": ["train0"]}
    assert figures["groups"] == {"count": 6, "in_two_splits": 1, "first": ["train-video0"]}


class Mapped(Sequence):
    """Clips that are made when they are asked for."""

    def __init__(self, clips):
        self.clips, self.passes = clips, 0

    def __len__(self):
        return len(self.clips)

    def __getitem__(self, index):  # the checks of types under pytest look at one, too
        return self.clips[index]

    def __iter__(self):
        self.passes += 1
        yield from self.clips


def test_each_clip_is_looked_at_once():
    made = clean()
    mapped = {name: Mapped(clips) for name, clips in made.splits.items()}
    assert inspect_dataset(dataclasses.replace(made, splits=mapped)) == inspect_dataset(made)
    assert [clips.passes for clips in mapped.values()] == [1, 1, 1]


def test_a_long_data_set_is_sampled_and_says_so(monkeypatch):
    monkeypatch.setattr("deadpan.data.health.modalities.STEPS", 100)
    made = changed(4, "test", audio=FAR)
    sampled = inspect_dataset(made)["modalities"]["audio"]
    monkeypatch.undo()
    figures = inspect_dataset(made)["modalities"]["audio"]
    assert sampled["sample"]["every"] == 4
    assert sampled["sample"]["steps"] == -(-figures["steps"]["total"] // 4)
    # What is exact stays so.
    for key in ("range", "steps", "zero_steps", "constant_features", "distinct"):
        assert sampled[key] == figures[key]
    worst, exact = sampled["outliers"]["worst"], figures["outliers"]["worst"]
    assert {**worst, "deviations": 0} == {**exact, "deviations": 0}
    assert worst["deviations"] == pytest.approx(exact["deviations"], rel=0.5)


@settings(max_examples=10)
@given(st.integers(0, 100))
def test_the_order_of_clips_changes_no_count(seed):
    made = clean()
    order = np.random.default_rng(seed).permutation(30)
    shuffled = [made["train"][index] for index in order]
    one = inspect_dataset(made)
    other = inspect_dataset(dataclasses.replace(made, splits={**made.splits, "train": shuffled}))
    assert one["findings"] == other["findings"]
    for key in ("steps", "lengths", "range", "outliers", "distinct"):
        assert one["modalities"]["audio"][key] == other["modalities"]["audio"][key]


def test_no_clips_at_all():
    figures = inspect_dataset(dataset([]))
    assert figures["baseline"] is None
    assert figures["modalities"]["text"]["clips"] == 0
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def empty_dataset(task, *labels_of):
    return Dataset(name="x", task=task, labels=labels_of, widths={}, splits={})


def labels_of(**splits):
    return {name: np.array(rows, np.float64) for name, rows in splits.items()}


def test_scores_have_the_same_bins_in_every_split():
    given = labels_of(train=[[0, 5], [7, 5]], test=[[3.5, 5], [1, 5], [6.5, 5]])
    figures = label_statistics(empty_dataset("scores", "a", "b"), given)
    first = figures["train"]["values"]["a"]
    assert [first[key] for key in ("min", "max", "mean", "std")] == [0, 7, 3.5, 3.5]
    names = [f"{low} to {low + 1}" for low in range(7)]
    counts = [1, 0, 0, 0, 0, 0, 1]
    assert first["histogram"] == {"edges": list(range(8)), "bins": names, "counts": counts}
    other = figures["test"]["values"]["a"]["histogram"]
    counts = [0, 1, 0, 1, 0, 0, 1]
    assert other == {"edges": list(range(8)), "bins": names, "counts": counts}
    assert sum(figures["test"]["values"]["b"]["histogram"]["counts"]) == 3


def test_ratings_and_small_scales_have_bins_that_fit():
    stars = labels_of(train=[[1], [5], [5]], test=[[4]])
    figures = label_statistics(empty_dataset("scores", "rating"), stars)
    histogram = figures["train"]["values"]["rating"]["histogram"]
    assert (histogram["bins"], histogram["counts"]) == (list("12345"), [1, 0, 0, 0, 2])
    binary = labels_of(train=[[0], [1], [1]])
    figures = label_statistics(empty_dataset("regression", "sentiment"), binary)
    histogram = figures["train"]["values"]["sentiment"]["histogram"]
    assert (histogram["bins"], histogram["counts"]) == (["0", "1"], [1, 2])
    small = labels_of(train=[[0.0], [0.7]])
    figures = label_statistics(empty_dataset("regression", "sentiment"), small)
    assert figures["train"]["values"]["sentiment"]["histogram"]["bins"][0] == "0 to 0.1"
    wide = labels_of(train=[[0.0], [0.7]], test=[[-2]])
    figures = label_statistics(empty_dataset("regression", "sentiment"), wide)
    assert figures["train"]["histogram"]["+1"] == 1


def test_classes_share_the_clips():
    given = labels_of(train=[[1, 0], [1, 0], [0, 1], [1, 0]])
    figures = label_statistics(empty_dataset("classes", "joy", "anger"), given)
    assert figures == {"train": {"share": {"joy": 0.75, "anger": 0.25}}}


def test_no_clips_have_no_figures():
    assert label_statistics(empty_dataset("scores", "a"), {}) == {}


def shown(figures):
    return {metric["title"]: metric["shown"] for metric in figures["metrics"]}


def test_the_majority_is_that_of_train():
    given = labels_of(train=[[1, 0], [1, 0], [0, 1]], test=[[1, 0], [0, 1], [0, 1], [0, 1]])
    figures = baseline(empty_dataset("classes", "joy", "anger"), given)
    assert (figures["system"], figures["split"]) == ("majority", "test")
    assert shown(figures)["Acc"] == "25.0"


def test_the_mean_is_that_of_train():
    given = labels_of(train=[[1.0], [2.0]], test=[[0.5], [0.5]])
    figures = baseline(empty_dataset("regression", "sentiment"), given)
    assert figures["system"] == "train mean"
    assert shown(figures)["MAE"] == "1.000"
    mae = figures["metrics"][0]
    assert mae["value"] == pytest.approx(1)
    assert (mae["percent"], mae["higher_is_better"]) == (False, False)


def test_a_metric_that_is_undefined_has_no_value():
    given = labels_of(train=[[1.0]], test=[[0.0]])
    figures = baseline(empty_dataset("regression", "sentiment"), given)
    values = {metric["key"]: metric["value"] for metric in figures["metrics"]}
    assert values["acc2_non0"] is None
    assert values["acc2_has0"] is not None


@pytest.mark.parametrize("split", ["train", "test"])
def test_without_a_split_there_is_no_baseline(split):
    assert baseline(empty_dataset("regression", "sentiment"), labels_of(**{split: [[1.0]]})) is None
