import json

import numpy as np
import pytest

from deadpan.data.dataset import Clip, Dataset, Truth
from deadpan.data.inspection import inspect


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
    figures = inspect(dataset(clips, repairs={"x": 2}, warnings=("beware",)))
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
    train = inspect(dataset(clips, task="emotions", labels=("Happy", "Sad")))["splits"]["train"]
    assert train["labels"] == {"present": {"Happy": 0.0, "Sad": 0.5}}
    assert train["modalities"]["audio"] == {"missing": 1.0}


def test_seconds_and_kinds_where_they_are_known():
    def known(name, kind, end):
        times = {"text": np.float32([[0, 0.5], [0.5, end]]), "audio": np.zeros((0, 2), np.float32)}
        truth = Truth(kind=kind, tendencies={}, salient={})
        return clip(name, [0], text=2, times=times, truth=truth)

    clips = [known("a", "sarcasm", 1), known("b", "congruent", 2), known("c", "sarcasm", 6)]
    train = inspect(dataset(clips))["splits"]["train"]
    assert train["seconds"] == {"min": 1, "median": 2, "mean": 3, "max": 6}
    assert train["kinds"] == {"congruent": 1, "sarcasm": 2}
