import math
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from deadpan.metrics import classification as metrics

CLASSES = np.array([0, 0, 0, 1, 1, 2])
PREDICTED_CLASSES = np.array([0, 0, 1, 1, 0, 1])
COUNTS = np.array([[2, 1, 0], [1, 1, 0], [0, 1, 0]])


def test_the_class_of_a_row_is_its_largest_value_and_of_equals_the_first():
    rows = np.array([[0.1, 0.7, 0.2], [-2.0, -3.0, -2.0], [0.0, 0.0, 1.0]])
    assert metrics.class_indices(rows).tolist() == [1, 0, 2]


def test_confusion_has_the_truth_in_rows():
    assert (metrics.confusion_counts(PREDICTED_CLASSES, CLASSES, 3) == COUNTS).all()
    assert (metrics.confusion_counts(CLASSES, PREDICTED_CLASSES, 3) == COUNTS.T).all()


def test_metrics_of_three_classes_by_hand():
    assert metrics.accuracy(COUNTS) == 3 / 6
    # Precision and recall: 2/3, 2/3; 1/3, 1/2; class 2 is never predicted.
    assert metrics.f1_per_class(COUNTS) == pytest.approx((2 / 3, 2 / 5, 0))
    assert metrics.weighted_f1(COUNTS) == pytest.approx(3 / 6 * 2 / 3 + 2 / 6 * 2 / 5)
    assert metrics.macro_f1(COUNTS) == pytest.approx((2 / 3 + 2 / 5) / 3)


def test_f1_is_weighted_by_the_truth_not_by_the_prediction():
    counts = np.array([[3, 0], [1, 0]])  # all four are predicted to be of class 0
    assert metrics.weighted_f1(counts) == pytest.approx(3 / 4 * 6 / 7)
    assert metrics.weighted_f1(counts.T) == pytest.approx(6 / 7)


@pytest.mark.parametrize("seed", range(20))
def test_metrics_of_classes_agree_with_sklearn(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 8))
    true, predicted = rng.integers(0, count, (2, 30))
    counts = metrics.confusion_counts(predicted, true, count)
    assert (counts == confusion_matrix(true, predicted, labels=range(count))).all()
    assert metrics.accuracy(counts) == pytest.approx(accuracy_score(true, predicted))
    arguments = {"y_true": true, "y_pred": predicted, "labels": np.unique(true), "zero_division": 0}
    assert metrics.weighted_f1(counts) == pytest.approx(f1_score(**arguments, average="weighted"))
    assert metrics.macro_f1(counts) == pytest.approx(f1_score(**arguments, average="macro"))
    each = [x for x in metrics.f1_per_class(counts) if not math.isnan(x)]
    assert each == pytest.approx(list(f1_score(**arguments, average=None)))


def test_a_class_absent_from_the_truth_is_undefined_and_counts_in_no_mean():
    # Class 2 is only predicted, class 3 not even that.
    counts = metrics.confusion_counts(np.array([0, 2, 1]), np.array([0, 0, 1]), 4)
    assert metrics.f1_per_class(counts)[:2] == pytest.approx((2 / 3, 1))
    assert all(math.isnan(value) for value in metrics.f1_per_class(counts)[2:])
    assert metrics.macro_f1(counts) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.weighted_f1(counts) == pytest.approx(2 / 3 * 2 / 3 + 1 / 3)


def test_one_class_alone():
    right = metrics.confusion_counts(np.array([1, 1]), np.array([1, 1]), 2)
    assert metrics.accuracy(right) == metrics.weighted_f1(right) == metrics.macro_f1(right) == 1
    wrong = metrics.confusion_counts(np.array([0, 0]), np.array([1, 1]), 2)
    assert metrics.accuracy(wrong) == metrics.weighted_f1(wrong) == metrics.macro_f1(wrong) == 0
    assert math.isnan(metrics.f1_per_class(wrong)[0])


def test_a_constant_prediction():
    counts = metrics.confusion_counts(np.full(4, 2), np.array([0, 1, 2, 2]), 3)
    assert metrics.f1_per_class(counts) == pytest.approx((0, 0, 2 / 3))
    assert metrics.macro_f1(counts) == pytest.approx(2 / 9)
    assert metrics.weighted_f1(counts) == pytest.approx(1 / 3)


PREDICTED = np.array([True, True, True, True, False])
TRUE = np.array([True, False, False, False, False])


def test_binary_by_hand():
    # Present: precision 1/4, recall 1, F1 2/5. Absent: precision 1, recall 1/4, F1 2/5.
    assert metrics.binary_accuracy(PREDICTED, TRUE) == pytest.approx(2 / 5)
    assert metrics.binary_weighted_f1(PREDICTED, TRUE) == pytest.approx(2 / 5)


def test_binary_f1_is_weighted_by_the_truth():
    never, true = np.zeros(4, dtype=bool), np.array([True, False, False, False])
    # Absent: precision 3/4, recall 1, F1 6/7, weight 3/4. Present: F1 0, weight 1/4.
    assert metrics.binary_weighted_f1(never, true) == pytest.approx(3 / 4 * 6 / 7)
    # Swapped, as in MulT's code, all the weight is on absent, and never guessing looks better.
    swapped = f1_score(never, true, average="weighted", zero_division=0)
    assert swapped == pytest.approx(6 / 7)


def test_agrees_with_sklearn_on_random_decisions():
    rng = np.random.default_rng(0)
    for _ in range(20):
        predicted, true = rng.random((2, 37)) < rng.random((2, 1))
        assert metrics.binary_accuracy(predicted, true) == pytest.approx(
            accuracy_score(true, predicted)
        )
        expected = f1_score(true, predicted, average="weighted", zero_division=0)
        assert metrics.binary_weighted_f1(predicted, true) == pytest.approx(expected)


def test_no_clip_is_undefined():
    none = np.zeros(0, dtype=bool)
    assert math.isnan(metrics.binary_accuracy(none, none))
    assert math.isnan(metrics.binary_weighted_f1(none, none))


def test_importing_the_metrics_does_not_import_sklearn():
    code = "import sys, deadpan.metrics.regression, deadpan.metrics.classification; "
    code += "sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_margins_are_present_minus_absent():
    logits = np.array([[1.0, 3.0, 0.5, 0.0]])
    assert metrics.emotion_margins(logits).tolist() == [[2.0, -0.5]]


def test_emotions_by_hand_and_a_tie_is_absent():
    margins = np.array([[0.0, 1.0], [2.0, -1.0], [-1.0, 3.0], [1.0, 0.0]])
    labels = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    # Decisions: 0 1 0 1 against 0 1 1 1, and 1 0 1 0 against 1 0 0 1.
    assert metrics.emotion_accuracies(margins, labels) == (3 / 4, 2 / 4)
    first, second = metrics.emotion_f1s(margins, labels)
    assert first == pytest.approx(3 / 4 * 4 / 5 + 1 / 4 * 2 / 3)
    assert second == pytest.approx(1 / 2)


def test_emotions_agree_with_argmax_and_sklearn_on_random_logits():
    rng = np.random.default_rng(3)
    logits = rng.integers(-2, 3, size=(80, 8)).astype(np.float64)  # integers, so that some tie
    labels = (rng.random((80, 4)) < 0.3).astype(np.float64)
    decided = logits.reshape(80, 4, 2).argmax(axis=2)
    margins = metrics.emotion_margins(logits)
    assert (margins == 0).any()
    for index in range(4):
        truth = labels[:, index].astype(int)
        expected = f1_score(truth, decided[:, index], average="weighted")
        assert metrics.emotion_f1s(margins, labels)[index] == pytest.approx(expected)
        hits = np.mean(truth == decided[:, index])
        assert metrics.emotion_accuracies(margins, labels)[index] == pytest.approx(hits)


def test_exclusive_accuracy_takes_the_largest_margin_though_none_is_positive():
    margins = np.array([[-3.0, -1.0, -2.0], [5.0, 4.0, 0.0], [0.0, 0.0, -1.0]])
    labels = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert metrics.exclusive_accuracy(margins, labels) == pytest.approx(2 / 3)


@pytest.mark.parametrize("odd", [[0.0, 0.0], [1.0, 1.0]])
def test_exclusive_accuracy_is_undefined_unless_each_clip_has_one_emotion(odd):
    labels = np.array([[1.0, 0.0], odd])
    assert math.isnan(metrics.exclusive_accuracy(np.ones((2, 2)), labels))
