import math
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from deadpan.metrics.binary import accuracy, weighted_f1

PREDICTED = np.array([True, True, True, True, False])
TRUE = np.array([True, False, False, False, False])


def test_hand_worked():
    # Present: precision 1/4, recall 1, F1 2/5. Absent: precision 1, recall 1/4, F1 2/5.
    assert accuracy(PREDICTED, TRUE) == pytest.approx(2 / 5)
    assert weighted_f1(PREDICTED, TRUE) == pytest.approx(2 / 5)


def test_f1_is_weighted_by_the_truth_not_by_the_prediction():
    never, true = np.zeros(4, dtype=bool), np.array([True, False, False, False])
    # Absent: precision 3/4, recall 1, F1 6/7, weight 3/4. Present: F1 0, weight 1/4.
    assert weighted_f1(never, true) == pytest.approx(3 / 4 * 6 / 7)
    # Swapped, as in MulT's code, all the weight is on absent, and never guessing looks better.
    swapped = f1_score(never, true, average="weighted", zero_division=0)
    assert swapped == pytest.approx(6 / 7)


def test_agrees_with_sklearn_on_random_decisions():
    rng = np.random.default_rng(0)
    for _ in range(20):
        predicted, true = rng.random((2, 37)) < rng.random((2, 1))
        assert accuracy(predicted, true) == pytest.approx(accuracy_score(true, predicted))
        expected = f1_score(true, predicted, average="weighted", zero_division=0)
        assert weighted_f1(predicted, true) == pytest.approx(expected)


def test_no_clip_is_undefined():
    none = np.zeros(0, dtype=bool)
    assert math.isnan(accuracy(none, none))
    assert math.isnan(weighted_f1(none, none))


def test_importing_the_metrics_does_not_import_sklearn():
    code = "import sys, deadpan.metrics.sentiment, deadpan.metrics.emotion; "
    code += "sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
