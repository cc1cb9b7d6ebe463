import math

import numpy as np
import pytest
from sklearn.metrics import f1_score

from deadpan.metrics import emotion


def test_margins_are_present_minus_absent():
    logits = np.array([[1.0, 3.0, 0.5, 0.0]])
    assert emotion.margins(logits).tolist() == [[2.0, -0.5]]


def test_by_hand_and_a_tie_is_absent():
    margins = np.array([[0.0, 1.0], [2.0, -1.0], [-1.0, 3.0], [1.0, 0.0]])
    labels = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    # Decisions: 0 1 0 1 against 0 1 1 1, and 1 0 1 0 against 1 0 0 1.
    assert emotion.accuracies(margins, labels) == (3 / 4, 2 / 4)
    first, second = emotion.f1s(margins, labels)
    assert first == pytest.approx(3 / 4 * 4 / 5 + 1 / 4 * 2 / 3)
    assert second == pytest.approx(1 / 2)


def test_agrees_with_argmax_and_sklearn_on_random_logits():
    rng = np.random.default_rng(3)
    logits = rng.integers(-2, 3, size=(80, 8)).astype(np.float64)  # integers, so that some tie
    labels = (rng.random((80, 4)) < 0.3).astype(np.float64)
    decided = logits.reshape(80, 4, 2).argmax(axis=2)
    margins = emotion.margins(logits)
    assert (margins == 0).any()
    for index in range(4):
        truth = labels[:, index].astype(int)
        expected = f1_score(truth, decided[:, index], average="weighted")
        assert emotion.f1s(margins, labels)[index] == pytest.approx(expected)
        hits = np.mean(truth == decided[:, index])
        assert emotion.accuracies(margins, labels)[index] == pytest.approx(hits)


def test_exclusive_accuracy_takes_the_largest_margin_though_none_is_positive():
    margins = np.array([[-3.0, -1.0, -2.0], [5.0, 4.0, 0.0], [0.0, 0.0, -1.0]])
    labels = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert emotion.exclusive_accuracy(margins, labels) == pytest.approx(2 / 3)


@pytest.mark.parametrize("odd", [[0.0, 0.0], [1.0, 1.0]])
def test_exclusive_accuracy_is_undefined_unless_each_clip_has_one_emotion(odd):
    labels = np.array([[1.0, 0.0], odd])
    assert math.isnan(emotion.exclusive_accuracy(np.ones((2, 2)), labels))
