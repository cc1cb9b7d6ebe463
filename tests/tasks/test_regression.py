import numpy as np
import pytest
import torch

from deadpan.tasks import Regression


def test_regression_loss_by_hand():
    loss = Regression().loss(torch.tensor([[1.0], [-2.0]]), torch.tensor([[0.5], [1.0]]))
    assert loss.item() == pytest.approx(1.75)


def test_both_conventions_of_acc_2_stand_side_by_side():
    keys = [column.key for column in Regression().columns]
    assert keys == ["mae", "corr", "acc7", "acc5", "acc2_non0", "f1_non0", "acc2_has0", "f1_has0"]
    prediction, labels = np.array([[-1.0], [1.0], [-1.0]]), np.array([[0.0], [1.0], [-1.0]])
    scores = Regression().metrics(prediction, labels)
    assert scores["acc2_non0"] == 1
    assert scores["acc2_has0"] == pytest.approx(2 / 3)


def test_every_regression_metric_stands_under_its_own_key():
    prediction, labels = np.array([2.0, 0.5, -0.5, -1.0, 3.0]), np.array([3.0, 1, 0, -1, -2])
    scores = Regression().metrics(prediction[:, np.newaxis], labels[:, np.newaxis])
    assert scores["mae"] == pytest.approx(7 / 5)
    assert scores["corr"] == pytest.approx(np.corrcoef(prediction, labels)[0, 1])
    assert scores["acc7"] == pytest.approx(2 / 5)
    assert scores["acc5"] == pytest.approx(3 / 5)
    # non0: + + - + against + + - -. has0: + + - - + against + + + - -.
    assert scores["acc2_non0"] == pytest.approx(3 / 4)
    assert scores["f1_non0"] == pytest.approx(1 / 2 * 4 / 5 + 1 / 2 * 2 / 3)
    assert scores["acc2_has0"] == pytest.approx(3 / 5)
    assert scores["f1_has0"] == pytest.approx(3 / 5 * 2 / 3 + 2 / 5 * 1 / 2)


def test_regression_decisions_are_the_raw_scores():
    assert Regression().decisions(np.array([[4.5], [-0.25]])).tolist() == [[4.5], [-0.25]]


def test_regression_constant_is_the_train_mean():
    task, train = Regression(), np.array([[1.0], [2.0], [-0.6]])
    assert task.constant(train) == pytest.approx([0.8])
    scores = task.metrics(np.tile(task.constant(train), (3, 1)), train)
    assert scores["corr"] == 0
    assert scores["acc2_non0"] == pytest.approx(2 / 3)
