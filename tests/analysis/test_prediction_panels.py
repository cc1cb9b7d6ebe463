import numpy as np
import pytest

from deadpan.analysis import prediction_figures
from deadpan.analysis.prediction_panels import (
    MOST_SCATTERS,
    classes_panel,
    emotions_panel,
    scores_panel,
    sentiment_panel,
)

from .test_predictions import predictions


def test_sentiment_in_words():
    found = sentiment_panel(predictions([[-2], [2]], [[-1], [1]])).finding
    assert found == (
        "2 clips: on average 1.00 off the dashed line of perfect prediction; "
        "predictions spread 0.50 times as wide as the truth."
    )
    one = sentiment_panel(predictions([[-2]], [[-1]])).finding
    assert one == "1 clip: on average 1.00 off the dashed line of perfect prediction."


def test_emotions_in_words():
    found = emotions_panel(predictions([[0, 1]], [[0.2, 0.3]], ("Happy", "Sad"))).finding
    assert found.startswith("1 test clip: blue should lie right")


def one_hot(*classes):
    return np.eye(3)[list(classes)]


def test_classes_in_words():
    names = ("joy", "sadness", "anger")
    panel = classes_panel(predictions(one_hot(0, 1, 1, 1, 2), one_hot(0, 2, 2, 1, 0), names))
    assert panel.title == "Confusion matrix"
    assert panel.finding.startswith("5 test clips, a row for each true class and a column for each")
    assert panel.finding.endswith("Most often mistaken: sadness for anger, 2 of 3 clips.")
    right = classes_panel(predictions(one_hot(0, 1), one_hot(0, 1), names)).finding
    assert right.endswith("No clip is given a wrong class.")


def test_names_that_do_not_fit_are_explained():
    names = ("joy", "a very long name of a class", "怒り")
    found = classes_panel(predictions(one_hot(0), one_hot(0), names)).finding
    assert found.endswith("In the figure: 2 a very long… = a very long name of a class; 3 = 怒り.")


def test_one_score_in_words():
    found = scores_panel(predictions([[1], [5]], [[2], [4]], ("confident",))).finding
    assert found == (
        "2 clips: on average 1.00 off the dashed line of perfect prediction; "
        "predictions spread 0.50 times as wide as the truth."
    )


def test_several_scores_in_words():
    truth, said = [[1, 2, 3], [2, 3, 3]], [[1, 3, 1], [2, 2, 2]]
    found = scores_panel(predictions(truth, said, ("self-assured", "vivid", "same"))).finding
    assert found == (
        "2 clips: on the dashed line a prediction is perfect. "
        "Corr is −1.00 (vivid) to 1.00 (self-assured)."
    )
    undefined = scores_panel(predictions(truth[:1], said[:1], ("a", "b", "c"))).finding
    assert undefined == "1 clip: on the dashed line a prediction is perfect."


@pytest.mark.parametrize("count", [MOST_SCATTERS, 9])
def test_of_many_scores_the_worst_are_drawn_and_it_is_said(count, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        prediction_figures, "scatters", lambda _, shown, titles: drawn.append((shown, titles))
    )
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(200, count))
    # The later, the noisier; the last one never changes, which is not bad but undefined.
    said = truth + rng.normal(size=truth.shape) * np.arange(count)
    truth[:, -1] = 0
    found = scores_panel(predictions(truth, said, tuple(f"l{i}" for i in range(count))))
    ((shown, titles),) = drawn
    if count == MOST_SCATTERS:
        assert shown.labels == ("l0", "l1", "l2", "l3", "l4", "l5")
        assert titles[0] == "l0: Corr 1.00"
        assert titles[-1] == "l5"
        assert "are drawn" not in found.finding
    else:
        assert shown.labels == ("l2", "l3", "l4", "l5", "l6", "l7")
        assert (shown.truth == truth[:, 2:8]).all()
        assert (shown.predicted == said[:, 2:8]).all()
        assert found.finding.endswith("Of 9 labels, the 6 with the lowest Corr are drawn.")
