import math

import numpy as np
import pytest
import torch

from deadpan.tasks import Classes

TWO = Classes(("yes", "no"))
THREE = Classes(("a", "b", "c"))


def one_hot(*positions, classes=3):
    return np.eye(classes)[list(positions)]


def test_a_logit_per_class_and_the_field_s_columns_first():
    task = Classes(("Joy", "not sarcastic"))
    assert task.outputs == 2
    assert {column.key: column.title for column in task.columns} == {
        "accuracy": "Acc",
        "weighted_f1": "weighted F1",
        "macro_f1": "macro F1",
        "f1_joy": "F1 Joy",
        "f1_not_sarcastic": "F1 not sarcastic",
    }
    assert all(column.higher_is_better and column.percent for column in task.columns)


@pytest.mark.parametrize(
    "names",
    [
        ("joy", "Joy", "JOY"),
        ("weighted", "macro", "accuracy"),
        ("怒り", "喜び", "哀しみ"),
        ("a b", "a_b", "a-b"),
        ("1", "1 1", "2 1"),
    ],
)
def test_no_name_of_a_class_hides_a_metric(names):
    task = Classes(names)
    scores = task.metrics(one_hot(0, 1, 1), one_hot(0, 1, 2))
    assert len(scores) == len({column.title for column in task.columns}) == 6
    assert list(scores.values()) == pytest.approx([2 / 3, 5 / 9, 5 / 9, 1, 2 / 3, 0])


def test_loss_by_hand():
    # Probabilities 1/4, 3/4 and 1/2, 1/2.
    logits = torch.tensor([[0.0, math.log(3)], [2.0, 2.0]])
    loss = TWO.loss(logits, torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    assert loss.item() == pytest.approx((math.log(4) + math.log(2)) / 2)


def test_metrics_by_hand():
    # True 0 0 0 1 1 2, predicted 0 0 1 1 0 1: F1 is 4/6, 2/5, 0.
    said = one_hot(0, 0, 1, 1, 0, 1) * 3 - 7
    scores = THREE.metrics(said, one_hot(0, 0, 0, 1, 1, 2))
    assert scores == pytest.approx(
        {
            "accuracy": 3 / 6,
            "weighted_f1": 3 / 6 * 2 / 3 + 2 / 6 * 2 / 5,
            "macro_f1": (2 / 3 + 2 / 5 + 0) / 3,
            "f1_a": 2 / 3,
            "f1_b": 2 / 5,
            "f1_c": 0,
        }
    )


def test_a_class_that_no_clip_is_of_has_no_f1():
    scores = THREE.metrics(one_hot(0, 2, 1), one_hot(0, 0, 1))
    assert math.isnan(scores["f1_c"])
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert scores["weighted_f1"] == pytest.approx(2 / 3 * 2 / 3 + 1 / 3)


def test_decisions_are_the_softmax():
    logits = np.random.default_rng(0).normal(size=(40, 3)) * 3
    expected = torch.from_numpy(logits).softmax(dim=1).numpy()
    np.testing.assert_allclose(THREE.decisions(logits), expected, rtol=1e-12)
    extreme = np.array([[1e4, 0.0, -1e4], [-1e4, -1e4, -1e4]], np.float32)
    assert THREE.decisions(extreme) == pytest.approx(np.array([[1, 0, 0], [1 / 3] * 3]))


def test_the_constant_is_the_majority_class_of_train():
    assert THREE.constant_name == "majority"
    row = THREE.constant(one_hot(2, 2, 0, 2, 1))
    scores = THREE.metrics(np.tile(row, (4, 1)), one_hot(2, 0, 2, 1))
    assert scores["accuracy"] == 2 / 4
    # Class 2: precision 2/4, recall 1.
    assert scores["weighted_f1"] == pytest.approx(2 / 4 * 2 / 3)
    assert scores["macro_f1"] == pytest.approx(2 / 3 / 3)


def test_the_largest_fitted_score_is_predicted():
    fitted = np.array([[0.2, 0.5, 0.3], [-0.4, -0.6, -0.5]])
    assert THREE.decisions(THREE.from_scores(fitted)).argmax(axis=1).tolist() == [1, 0]
