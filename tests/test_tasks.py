import inspect
import math
import typing

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from deadpan import tasks
from deadpan.data.dataset import TaskName
from deadpan.errors import DeadpanError
from deadpan.tasks import Column, Emotions, Regression, Task, make_task

FOUR = ("Neutral", "Happy", "Sad", "Angry")
NAMES = typing.get_args(TaskName)


def build(name):
    return make_task(name, {"regression": ("sentiment",), "emotions": FOUR}[name])


def random_data(task, clips=40, seed=0):
    rng = np.random.default_rng(seed)
    prediction = rng.normal(size=(clips, task.outputs))
    if isinstance(task, Regression):
        return prediction, np.round(rng.uniform(-3, 3, (clips, 1)), 1)
    return prediction, np.eye(len(task.labels))[rng.integers(0, len(task.labels), clips)]


def test_every_task_can_be_made_by_the_name_data_sets_use():
    made = {type(build(name)) for name in NAMES}
    defined = {
        value
        for value in vars(tasks).values()
        if inspect.isclass(value) and issubclass(value, Task) and value is not Task
    }
    assert made == defined
    assert len(made) == 2


def test_unknown_task_names_the_nearest():
    with pytest.raises(DeadpanError, match="unknown task 'regresion'; did you mean 'regression'"):
        make_task("regresion", ("sentiment",))


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("regression", ()),
        ("regression", ("a", "b")),
        ("emotions", ()),
        ("emotions", ("Sad", "sad")),
    ],
)
def test_labels_a_task_cannot_have_are_refused(name, labels):
    with pytest.raises(DeadpanError, match=f"{name} got .*wanted"):
        make_task(name, labels)


@pytest.mark.parametrize("name", NAMES)
class TestEveryTask:
    def test_metrics_are_the_columns_in_order(self, name):
        task = build(name)
        scores = task.metrics(*random_data(task))
        assert list(scores) == [column.key for column in task.columns]
        assert all(type(value) is float for value in scores.values())
        assert len({column.title for column in task.columns}) == len(task.columns)
        for column in task.columns:
            assert not column.percent or 0 <= scores[column.key] <= 1

    def test_float32_and_a_permutation_of_the_clips_change_nothing(self, name):
        task = build(name)
        prediction, labels = random_data(task)
        prediction = prediction.astype(np.float32)
        expected = task.metrics(prediction.astype(np.float64), labels)
        order = np.random.default_rng(1).permutation(len(labels))
        got = task.metrics(prediction[order], labels[order].astype(np.float32))
        assert got == pytest.approx(expected, abs=1e-6)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_a_diverged_model_is_told_so(self, name, value):
        task = build(name)
        prediction, labels = random_data(task)
        prediction[[3, 7]] = value
        for call in (lambda: task.metrics(prediction, labels), lambda: task.decisions(prediction)):
            with pytest.raises(DeadpanError, match="2 of 40 clips .* the model has diverged"):
                call()

    def test_no_clips_are_refused(self, name):
        task = build(name)
        prediction, labels = random_data(task)
        with pytest.raises(DeadpanError, match="no clips"):
            task.metrics(prediction[:0], labels[:0])

    def test_the_labels_as_scores_are_perfect(self, name):
        task = build(name)
        _, labels = random_data(task)
        scores = task.metrics(task.from_scores(labels), labels)
        best = {c.key: float(c.higher_is_better) for c in task.columns}
        assert scores == pytest.approx(best)

    def test_constant_fits_the_predictions(self, name):
        task = build(name)
        _, labels = random_data(task)
        row = task.constant(labels)
        assert row.shape == (task.outputs,)
        scores = task.metrics(np.tile(row, (len(labels), 1)), labels)
        assert not any(math.isnan(value) for value in scores.values())

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_loss_is_a_float32_mean_with_a_gradient(self, name, dtype):
        task = build(name)
        prediction, labels = (torch.from_numpy(x).float() for x in random_data(task, clips=5))
        prediction = prediction.to(dtype).requires_grad_()
        loss = task.loss(prediction, labels)
        assert loss.dtype == torch.float32
        halves = task.loss(prediction.repeat(2, 1), labels.repeat(2, 1))
        assert halves.item() == pytest.approx(loss.item(), rel=1e-5)
        loss.backward()
        assert prediction.grad is not None
        assert (prediction.grad != 0).all()


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
    prediction, _ = random_data(task)
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


def test_column_formats_shares_errors_and_the_undefined():
    assert Column("a", "A").format(0.82549) == "82.5"
    assert Column("a", "A", percent=False).format(0.8814) == "0.881"
    assert Column("a", "A").format(float("nan")) == "-"
