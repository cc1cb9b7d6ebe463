import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from deadpan.metrics import classes

TRUE = np.array([0, 0, 0, 1, 1, 2])
SAID = np.array([0, 0, 1, 1, 0, 1])
COUNTS = np.array([[2, 1, 0], [1, 1, 0], [0, 1, 0]])


def test_the_class_of_a_row_is_its_largest_value_and_of_equals_the_first():
    rows = np.array([[0.1, 0.7, 0.2], [-2.0, -3.0, -2.0], [0.0, 0.0, 1.0]])
    assert classes.positions(rows).tolist() == [1, 0, 2]


def test_confusion_has_the_truth_in_rows():
    assert (classes.confusion(TRUE, SAID, 3) == COUNTS).all()
    assert (classes.confusion(SAID, TRUE, 3) == COUNTS.T).all()


def test_by_hand():
    assert classes.accuracy(COUNTS) == 3 / 6
    # Precision and recall: 2/3, 2/3; 1/3, 1/2; class 2 is never predicted.
    assert classes.f1s(COUNTS) == pytest.approx((2 / 3, 2 / 5, 0))
    assert classes.weighted_f1(COUNTS) == pytest.approx(3 / 6 * 2 / 3 + 2 / 6 * 2 / 5)
    assert classes.macro_f1(COUNTS) == pytest.approx((2 / 3 + 2 / 5) / 3)


def test_f1_is_weighted_by_the_truth_not_by_the_prediction():
    counts = np.array([[3, 0], [1, 0]])  # all four are said to be of class 0
    assert classes.weighted_f1(counts) == pytest.approx(3 / 4 * 6 / 7)
    assert classes.weighted_f1(counts.T) == pytest.approx(6 / 7)


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_sklearn(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 8))
    true, said = rng.integers(0, count, (2, 30))
    counts = classes.confusion(true, said, count)
    assert (counts == confusion_matrix(true, said, labels=range(count))).all()
    assert classes.accuracy(counts) == pytest.approx(accuracy_score(true, said))
    given = {"y_true": true, "y_pred": said, "labels": np.unique(true), "zero_division": 0}
    assert classes.weighted_f1(counts) == pytest.approx(f1_score(**given, average="weighted"))
    assert classes.macro_f1(counts) == pytest.approx(f1_score(**given, average="macro"))
    each = [x for x in classes.f1s(counts) if not math.isnan(x)]
    assert each == pytest.approx(list(f1_score(**given, average=None)))


def test_a_class_absent_from_the_truth_is_undefined_and_counts_in_no_mean():
    # Class 2 is only predicted, class 3 not even that.
    counts = classes.confusion(np.array([0, 0, 1]), np.array([0, 2, 1]), 4)
    assert classes.f1s(counts)[:2] == pytest.approx((2 / 3, 1))
    assert all(math.isnan(value) for value in classes.f1s(counts)[2:])
    assert classes.macro_f1(counts) == pytest.approx((2 / 3 + 1) / 2)
    assert classes.weighted_f1(counts) == pytest.approx(2 / 3 * 2 / 3 + 1 / 3)


def test_one_class_alone():
    right = classes.confusion(np.array([1, 1]), np.array([1, 1]), 2)
    assert classes.accuracy(right) == classes.weighted_f1(right) == classes.macro_f1(right) == 1
    wrong = classes.confusion(np.array([1, 1]), np.array([0, 0]), 2)
    assert classes.accuracy(wrong) == classes.weighted_f1(wrong) == classes.macro_f1(wrong) == 0
    assert math.isnan(classes.f1s(wrong)[0])


def test_a_constant_prediction():
    counts = classes.confusion(np.array([0, 1, 2, 2]), np.full(4, 2), 3)
    assert classes.f1s(counts) == pytest.approx((0, 0, 2 / 3))
    assert classes.macro_f1(counts) == pytest.approx(2 / 9)
    assert classes.weighted_f1(counts) == pytest.approx(1 / 3)
