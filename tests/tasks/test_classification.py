import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deadpan.tasks import Classes, Emotions

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
    predicted = one_hot(0, 0, 1, 1, 0, 1) * 3 - 7
    scores = THREE.metrics(predicted, one_hot(0, 0, 0, 1, 1, 2))
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


FOUR = ("Neutral", "Happy", "Sad", "Angry")


def test_emotions_loss_by_hand():
    # Margins ln 3 and 0: the probability of presence is 3/4 and 1/2.
    prediction = torch.tensor([[0.0, math.log(3), 2.0, 2.0]])
    task = Emotions(("Happy", "Sad"))
    absent, present = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    assert task.loss(prediction, absent).item() == pytest.approx((math.log(4) + math.log(2)) / 2)
    expected = (math.log(4 / 3) + math.log(2)) / 2
    assert task.loss(prediction, present).item() == pytest.approx(expected)


def test_emotions_decisions_are_the_softmax_of_each_pair():
    task = Emotions(FOUR)
    prediction = np.random.default_rng(0).normal(size=(40, task.outputs))
    expected = torch.from_numpy(prediction).reshape(-1, 4, 2).softmax(dim=2)[:, :, 1]
    np.testing.assert_allclose(task.decisions(prediction), expected.numpy(), rtol=1e-12)
    extreme = np.array([[0.0, 1e4, 1e4, 0.0, 1.0, 1.0, 0.0, 0.0]])
    assert task.decisions(extreme).tolist() == [[1.0, 0.0, 0.5, 0.5]]


@given(st.lists(st.floats(-2, 3), min_size=2, max_size=2))
def test_emotions_are_present_where_the_linear_score_exceeds_a_half(scores):
    task = Emotions(("Happy", "Sad"))
    outputs = task.from_scores(np.array([scores]))
    assert outputs.tolist() == [[0.5, scores[0], 0.5, scores[1]]]
    right = np.array([[float(score > 0.5) for score in scores]])
    assert task.metrics(outputs, right)["mean_accuracy"] == 1


def test_emotions_columns():
    columns = {column.key: column.title for column in Emotions(("Happy", "Sad")).columns}
    assert columns == {
        "mean_f1": "mean F1",
        "mean_accuracy": "mean Acc",
        "exclusive_accuracy": "2-way Acc",
        "happy_acc": "Happy Acc",
        "happy_f1": "Happy F1",
        "sad_acc": "Sad Acc",
        "sad_f1": "Sad F1",
    }


def test_exclusive_accuracy_keeps_its_column_where_emotions_are_not_exclusive():
    task = Emotions(("Happy", "Sad"))
    scores = task.metrics(np.zeros((1, 4)), np.array([[1.0, 1.0]]))
    column = next(column for column in task.columns if column.key == "exclusive_accuracy")
    assert column.format(scores["exclusive_accuracy"]) == "-"
    assert scores["mean_accuracy"] == 0


def test_the_constant_reproduces_the_published_majority_rows_of_iemocap():
    # The 938 test clips of the MulT release; each has exactly one of the four emotions.
    labels = np.eye(4)[np.repeat(np.arange(4), [383, 135, 193, 227])]
    task = Emotions(FOUR)
    scores = task.metrics(np.tile(task.constant(labels), (938, 1)), labels)
    shown = {column.key: column.format(scores[column.key]) for column in task.columns}
    assert (shown["happy_acc"], shown["happy_f1"]) == ("85.6", "79.0")
    assert (shown["sad_acc"], shown["sad_f1"]) == ("79.4", "70.3")
    assert (shown["angry_acc"], shown["angry_f1"]) == ("75.8", "65.4")
    assert (shown["neutral_acc"], shown["neutral_f1"]) == ("59.2", "44.0")
    # The exclusive decision of the majority row is the most frequent emotion, not the first.
    assert scores["exclusive_accuracy"] == pytest.approx(383 / 938)
    reordered = Emotions(FOUR[::-1])
    flipped = np.tile(reordered.constant(labels[:, ::-1]), (938, 1))
    assert reordered.metrics(flipped, labels[:, ::-1])["exclusive_accuracy"] == pytest.approx(
        383 / 938
    )


def test_emotions_constant_is_present_only_for_a_majority():
    labels = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    task = Emotions(("a", "b", "c"))
    decided = task.decisions(task.constant(labels)[np.newaxis]) > 0.5
    assert decided.tolist() == [[True, False, False]]  # exactly half is absent


def test_an_emotion_called_mean_leaves_the_mean_alone():
    task = Emotions(("mean", "joy"))
    keys = [column.key for column in task.columns]
    assert len(set(keys)) == len(keys)
    logits, labels = np.array([[0, 1, 0, 1.0], [1, 0, 1, 0]]), np.array([[1, 1.0], [0, 1]])
    result = task.metrics(logits, labels)
    assert list(result) == keys
    assert result["emotion_mean_acc"] == 1.0
    assert result["joy_acc"] == 0.5
    assert result["mean_accuracy"] == 0.75
