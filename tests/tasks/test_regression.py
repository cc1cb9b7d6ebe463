import math

import numpy as np
import pytest
import torch

from deadpan.errors import DeadpanError
from deadpan.metrics.distributions import signed_probability
from deadpan.tasks import Regression, Scores, make_task
from deadpan.tasks.regression import BINS


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


TRAITS = Scores(("calm", "Very vivid"))


def column(*values):
    return np.array(values, dtype=np.float64)[:, np.newaxis]


def titles(task):
    return {column.key: column.title for column in task.columns}


def test_a_number_per_label_and_the_means_first():
    assert TRAITS.outputs == 2
    assert titles(TRAITS) == {
        "mae": "mean MAE",
        "corr": "mean Corr",
        "mae_calm": "MAE calm",
        "corr_calm": "Corr calm",
        "mae_very_vivid": "MAE Very vivid",
        "corr_very_vivid": "Corr Very vivid",
    }
    higher = {c.key for c in TRAITS.columns if c.higher_is_better}
    assert higher == {"corr", "corr_calm", "corr_very_vivid"}
    assert not any(c.percent for c in TRAITS.columns)


def test_one_label_has_its_mae_and_corr_once():
    assert titles(Scores(("age",))) == {"mae": "MAE", "corr": "Corr"}


def test_only_a_single_sentiment_has_a_neutral_point():
    sentiment = Scores(("sentiment",))
    assert titles(sentiment) == {
        "mae": "MAE",
        "corr": "Corr",
        "acc2_non0": "Acc-2 non0",
        "f1_non0": "F1 non0",
        "acc2_has0": "Acc-2 has0",
        "f1_has0": "F1 has0",
    }
    for labels in (("Sentiment",), ("sentiment", "arousal")):
        assert not any("acc2" in column.key for column in Scores(labels).columns)
    rng = np.random.default_rng(0)
    predicted, true = rng.normal(size=(30, 1)), rng.integers(-5, 6, (30, 1)) / 5
    as_regression = Regression().metrics(predicted, true)
    assert sentiment.metrics(predicted, true) == {
        key: as_regression[key] for key in titles(sentiment)
    }


@pytest.mark.parametrize("names", [("mae", "corr"), ("mean", "Mean"), ("静か", "賑やか")])
def test_no_name_of_a_label_hides_a_metric(names):
    task = Scores(names)
    scores = task.metrics(np.array([[1.0, 0.0], [2.0, 4.0]]), np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert len(set(titles(task).values())) == 6
    assert list(scores.values()) == pytest.approx([5 / 4, 0, 0, 1, 5 / 2, -1])


def test_loss_by_hand():
    predicted, true = torch.tensor([[1.0, 5.0], [2.0, 1.0]]), torch.tensor([[0.5, 3.0], [2.0, 2.0]])
    assert TRAITS.loss(predicted, true).item() == pytest.approx((0.5 + 2 + 0 + 1) / 4)


def test_a_label_that_never_changes_has_no_corr_and_does_not_enter_the_mean():
    predicted, true = np.array([[1.0, 1.0], [2.0, 3.0]]), np.array([[1.0, 4.0], [3.0, 4.0]])
    scores = TRAITS.metrics(predicted, true)
    assert math.isnan(scores["corr_very_vivid"])
    assert (scores["corr_calm"], scores["corr"]) == (1, 1)
    assert scores["mae"] == pytest.approx((0.5 + 2) / 2)
    one = TRAITS.metrics(predicted[:1], true[:1])
    assert math.isnan(one["corr"])
    assert one["mae"] == pytest.approx(1.5)


def test_a_sentiment_that_is_always_neutral_has_no_polarity():
    scores = Scores(("sentiment",)).metrics(column(1, -1), column(0, 0))
    undefined = {key for key, value in scores.items() if math.isnan(value)}
    assert undefined == {"corr", "acc2_non0", "f1_non0"}


def test_decisions_are_the_raw_numbers():
    assert TRAITS.decisions(np.array([[4.5, -100.0]])).tolist() == [[4.5, -100.0]]


def test_the_constant_is_the_train_mean_of_each():
    assert TRAITS.constant_name == "train mean"
    train = np.array([[1.0, 10.0], [2.0, 20.0], [6.0, 60.0]])
    row = TRAITS.constant(train)
    assert row == pytest.approx([3, 30])
    scores = TRAITS.metrics(np.tile(row, (3, 1)), train)
    assert scores["corr"] == 0
    assert scores["mae_calm"] == pytest.approx(2)


def test_smooth_l1_by_hand():
    loss = Regression(loss="smooth_l1").loss(
        torch.tensor([[1.0], [-2.0]]), torch.tensor([[0.5], [1]])
    )
    assert loss.item() == pytest.approx((0.125 + 2.5) / 2)


def logits_at(value, sharpness=200.0):
    """Logits whose probability stands on the bins next to a value."""
    return torch.from_numpy(-sharpness * (np.linspace(-3, 3, BINS) - value) ** 2)[None].float()


def test_a_distribution_by_hand():
    task = Regression(loss="distribution")
    assert task.outputs == BINS
    assert task.bins.tolist() == [np.linspace(-3, 3, BINS).tolist()]
    bins = np.linspace(-3, 3, BINS)
    target = np.exp(-0.5 * ((bins - 1.1) / 0.35) ** 2)
    target /= target.sum()
    # Where all bins are alike the expectation is 0.
    loss = task.loss(torch.zeros(1, BINS), torch.tensor([[1.1]])).item()
    assert loss == pytest.approx(np.log(BINS) + 0.5 * (1.1 - 0.5), rel=1e-5)
    wanted = -(target * np.log(target)).sum()
    best = task.loss(torch.from_numpy(np.log(target))[None], torch.tensor([[1.1]])).item()
    assert best == pytest.approx(wanted, abs=1e-4)


def test_a_distribution_gives_a_number_and_a_sign():
    task = Regression(loss="distribution")
    outputs = torch.cat([logits_at(1.0), logits_at(-2.0)]).numpy()
    assert task.decisions(outputs)[:, 0] == pytest.approx([1, -2], abs=1e-4)
    assert task.metrics(outputs, column(1, -2))["mae"] == pytest.approx(0, abs=1e-4)
    signs = signed_probability(outputs, task.bins)[:, 0]
    assert signs == pytest.approx([1, 0], abs=1e-6)


def test_scores_have_bins_over_the_ranges_of_their_labels():
    task = make_task("scores", ("calm", "warm"), "distribution", ranges=[(1.0, 7.0), (0.0, 100.0)])
    assert task.outputs == 2 * BINS
    assert task.bins[:, [0, -1]].tolist() == [[1, 7], [0, 100]]
    one = Regression(loss="distribution")
    outputs = torch.randn(4, 2 * BINS, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[1.0, 0], [4, 50], [7, 100], [5.5, 75]])
    scaled = torch.tensor([[-3.0], [0], [3], [1.5]])
    # On the scale of its own range each label is a sentiment.
    halves = [one.loss(half, scaled).item() for half in outputs.split(BINS, dim=1)]
    assert task.loss(outputs, labels).item() == pytest.approx(sum(halves) / 2, rel=1e-5)
    numbers = [one.decisions(half.numpy())[:, 0] for half in outputs.split(BINS, dim=1)]
    wanted = np.stack([4 + numbers[0], 50 + numbers[1] * 100 / 6], axis=1)
    assert task.decisions(outputs.numpy()) == pytest.approx(wanted)


@pytest.mark.parametrize("loss", ["l1", "smooth_l1", "distribution"])
def test_baselines_score_alike_under_every_loss(loss):
    rng = np.random.default_rng(0)
    train, true = rng.uniform(-3, 3, (20, 1)), rng.uniform(-3, 3, (9, 1))
    far = rng.normal(size=(9, 1)) * 4  # a ridge may predict beyond the range
    plain, other = Regression(), Regression(loss=loss)
    assert other.constant(train).tolist() == plain.constant(train).tolist()
    for scores in (far, np.tile(train.mean(0), (9, 1))):
        wanted = plain.metrics(plain.from_scores(scores), true)
        assert other.metrics(other.from_scores(scores), true) == wanted


@pytest.mark.parametrize(
    "ranges", [[(2.0, 2.0)], [(math.nan, 1.0)], [(0.0, math.inf)], [(3.0, 1.0)]]
)
def test_a_label_without_a_range_has_no_distribution(ranges):
    with pytest.raises(
        DeadpanError, match="label 'calm' goes from .*; train with --loss smooth_l1"
    ):
        make_task("scores", ("calm",), "distribution", ranges=ranges)


@pytest.mark.parametrize("ranges", [[], [(0.0, 1.0)] * 2, [(0.0, 0.5, 1.0)]])
def test_ranges_are_one_for_each_label(ranges):
    with pytest.raises(
        DeadpanError, match="wanted the lowest and highest value of each of 1 label"
    ):
        make_task("scores", ("calm",), "distribution", ranges=ranges)
