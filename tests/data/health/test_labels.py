import numpy as np
import pytest

from deadpan.data.dataset import Dataset
from deadpan.data.health.labels import baseline, label_figures


def dataset(task, *labels):
    return Dataset(name="x", task=task, labels=labels, widths={}, splits={})


def labels(**splits):
    return {name: np.array(rows, np.float64) for name, rows in splits.items()}


def test_scores_have_the_same_bins_in_every_split():
    given = labels(train=[[0, 5], [7, 5]], test=[[3.5, 5], [1, 5], [6.5, 5]])
    figures = label_figures(dataset("scores", "a", "b"), given)
    first = figures["train"]["values"]["a"]
    assert [first[key] for key in ("min", "max", "mean", "std")] == [0, 7, 3.5, 3.5]
    assert first["histogram"] == {"edges": list(range(8)), "counts": [1, 0, 0, 0, 0, 0, 1]}
    other = figures["test"]["values"]["a"]["histogram"]
    assert other == {"edges": list(range(8)), "counts": [0, 1, 0, 1, 0, 0, 1]}
    assert sum(figures["test"]["values"]["b"]["histogram"]["counts"]) == 3


def test_classes_share_the_clips():
    given = labels(train=[[1, 0], [1, 0], [0, 1], [1, 0]])
    figures = label_figures(dataset("classes", "joy", "anger"), given)
    assert figures == {"train": {"share": {"joy": 0.75, "anger": 0.25}}}


def test_no_clips_have_no_figures():
    assert label_figures(dataset("scores", "a"), {}) == {}


def shown(figures):
    return {metric["title"]: metric["shown"] for metric in figures["metrics"]}


def test_the_majority_is_that_of_train():
    given = labels(train=[[1, 0], [1, 0], [0, 1]], test=[[1, 0], [0, 1], [0, 1], [0, 1]])
    figures = baseline(dataset("classes", "joy", "anger"), given)
    assert (figures["system"], figures["split"]) == ("majority", "test")
    assert shown(figures)["Acc"] == "25.0"


def test_the_mean_is_that_of_train():
    given = labels(train=[[1.0], [2.0]], test=[[0.5], [0.5]])
    figures = baseline(dataset("regression", "sentiment"), given)
    assert figures["system"] == "train mean"
    assert shown(figures)["MAE"] == "1.000"
    mae = figures["metrics"][0]
    assert mae["value"] == pytest.approx(1)
    assert (mae["percent"], mae["higher_is_better"]) == (False, False)


def test_a_metric_that_is_undefined_has_no_value():
    given = labels(train=[[1.0]], test=[[0.0]])
    figures = baseline(dataset("regression", "sentiment"), given)
    values = {metric["key"]: metric["value"] for metric in figures["metrics"]}
    assert values["acc2_non0"] is None
    assert values["acc2_has0"] is not None


@pytest.mark.parametrize("split", ["train", "test"])
def test_without_a_split_there_is_no_baseline(split):
    assert baseline(dataset("regression", "sentiment"), labels(**{split: [[1.0]]})) is None
