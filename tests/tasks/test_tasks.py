import inspect
import math
import typing

import numpy as np
import pytest
import torch

from deadpan import tasks
from deadpan.data.dataset import TaskName
from deadpan.errors import DeadpanError
from deadpan.tasks import LOSSES, Regression, Scores, Task, make_task
from deadpan.training.settings import Loss

FOUR = ("Neutral", "Happy", "Sad", "Angry")
LABELS = {
    "regression": ("sentiment",),
    "emotions": FOUR,
    "classes": FOUR,
    "scores": ("calm", "warm", "vivid"),
}
NAMES = typing.get_args(TaskName)


def build(name):
    return make_task(name, LABELS[name])


def random_data(task, clips=40, seed=0):
    rng = np.random.default_rng(seed)
    prediction = rng.normal(size=(clips, task.outputs))
    if isinstance(task, Regression):
        return prediction, np.round(rng.uniform(-3, 3, (clips, 1)), 1)
    if isinstance(task, Scores):
        return prediction, np.round(rng.uniform(1, 7, (clips, task.outputs)), 1)
    return prediction, np.eye(len(task.labels))[rng.integers(0, len(task.labels), clips)]


def test_every_task_can_be_made_by_the_name_data_sets_use():
    kinds = {type(build(name)) for name in NAMES}
    defined = {
        value
        for value in vars(tasks).values()
        if inspect.isclass(value) and issubclass(value, Task) and value is not Task
    }
    assert kinds == defined
    assert len(kinds) == 4


def test_unknown_task_names_the_nearest():
    with pytest.raises(DeadpanError, match="unknown task 'regresion'; did you mean 'regression'"):
        make_task("regresion", ("sentiment",))


def test_the_losses_are_those_of_the_settings():
    assert typing.get_args(Loss) == LOSSES


@pytest.mark.parametrize("loss", ["l1", "smooth_l1"])
@pytest.mark.parametrize("name", ["classes", "emotions"])
def test_a_loss_of_numbers_is_refused_where_there_are_classes(name, loss):
    with pytest.raises(
        DeadpanError, match=f"loss '{loss}' compares numbers, but {name} has"
    ) as told:
        make_task(name, LABELS[name], loss)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["classes", "emotions"])
def test_classes_are_distributions_as_they_are(name):
    own, named = build(name), make_task(name, LABELS[name], "distribution")
    assert (type(named), named.outputs) == (type(own), own.outputs)


def test_an_unknown_loss_names_the_nearest():
    with pytest.raises(DeadpanError, match="unknown loss 'l2'; did you mean 'l1'"):
        make_task("regression", ("sentiment",), "l2")


@pytest.mark.parametrize("name", ["regression", "scores"])
def test_l1_is_the_loss_of_numbers(name):
    task, named = build(name), make_task(name, LABELS[name], "l1")
    prediction, labels = (torch.from_numpy(x).float() for x in random_data(task))
    assert torch.equal(task.loss(prediction, labels), named.loss(prediction, labels))


@pytest.mark.parametrize("loss", ["smooth_l1", "distribution"])
@pytest.mark.parametrize("name", ["regression", "scores"])
def test_every_loss_is_a_float32_mean_with_a_gradient(name, loss):
    task = make_task(name, LABELS[name], loss, ranges=[(1.0, 7.0)] * len(LABELS[name]))
    _, labels = random_data(build(name), clips=5)
    labels = torch.from_numpy(labels).float()
    prediction = torch.randn(5, task.outputs, generator=torch.Generator().manual_seed(0))
    prediction = prediction.bfloat16().requires_grad_()
    value = task.loss(prediction, labels)
    assert value.dtype == torch.float32
    halves = task.loss(prediction.repeat(2, 1), labels.repeat(2, 1))
    assert halves.item() == pytest.approx(value.item(), rel=1e-5)
    value.backward()
    assert (prediction.grad != 0).float().mean() > 0.9


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("regression", ()),
        ("regression", ("a", "b")),
        ("emotions", ()),
        ("emotions", ("Sad", "sad")),
        ("classes", ()),
        ("classes", ("one",)),
        ("classes", ("a", "b", "a")),
        ("scores", ()),
        ("scores", ("a", "b", "a")),
    ],
)
def test_labels_a_task_cannot_have_are_refused(name, labels):
    with pytest.raises(DeadpanError, match=f"{name} got .*wanted") as refusal:
        make_task(name, labels)
    assert "\n" not in str(refusal.value)


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
        actual = task.metrics(prediction[order], labels[order].astype(np.float32))
        assert actual == pytest.approx(expected, abs=1e-6)

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
