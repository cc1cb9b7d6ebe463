import dataclasses

import numpy as np
import pytest

from deadpan.errors import DeadpanError
from deadpan.metrics.conformal import (
    FEWEST,
    ConformalInterval,
    count_groups,
    fit_distribution_interval,
    fit_interval,
    third_edges,
    third_of,
    uncertain_decisions,
)
from deadpan.metrics.distributions import expectation


def alone(count):
    return [None] * count


def test_by_hand():
    # Nine clips: the quantile of one more at 90 % is the largest of nine distances.
    labels = np.array([-4, -3, -2, -1, 1, 2, 3, 4, 5.0])
    errors = np.array([0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8, 0.9])
    interval = fit_interval(labels - errors, labels, alone(9))
    assert interval.edges == ()  # a third has three clips, too few
    assert interval.radii == pytest.approx([0.9])
    low, high = interval.ends(*2 * [np.array([0.0, 10.0])])
    assert low == pytest.approx([-0.9, 9.1])
    assert high == pytest.approx([0.9, 10.9])
    # Five of nine errors are above 0, and only the largest is above 0.8.
    positive = interval.positive_probability(np.array([0.0, -0.8]))
    assert positive == pytest.approx([5 / 9, 1 / 9], abs=1 / 200)


def test_the_ends_enclose_every_label_within_the_radius_of_its_own_third():
    interval = ConformalInterval(radii=(0.5, 1.0, 2.0), edges=(1.0, 2.0))
    predictions = np.linspace(-4, 4, 81) + 0.013  # never just a radius off an edge
    labels = np.linspace(-7, 7, 2801)
    radii = np.array(interval.radii)[third_of(labels, np.array(interval.edges))]
    for x, low, high in zip(predictions, *interval.ends(predictions, predictions), strict=True):
        held = labels[np.abs(labels - x) <= radii + 1e-9]
        assert low == pytest.approx(held.min(), abs=0.006)
        assert high == pytest.approx(held.max(), abs=0.006)


def test_ends_are_cut_to_the_labels_there_are():
    interval = ConformalInterval(radii=(1.0,), low=-3.0, high=3.0)
    low, high = interval.ends(*2 * [np.array([-2.5, 0, 3.5, 5])])
    assert low == pytest.approx([-3, -1, 2.5, 3])
    assert high == pytest.approx([-1.5, 1, 3, 3])


def draw(random, groups, size, *, spread):
    """Predictions, labels and group names; each group has an error of its own."""
    sizes = random.integers(1, 2 * size, groups) if spread else np.ones(groups, int)
    owner = np.repeat(np.arange(groups), sizes)
    # The larger a group, the larger its errors: clips weighed alike see too many of them.
    labels = random.normal(size=len(owner))
    scale = 0.2 + sizes[owner] / size if spread else 1.0
    return labels - scale * random.normal(size=len(owner)), labels, [f"v{i}" for i in owner]


def held(interval, predictions, labels):
    low, high = interval.ends(predictions, predictions)
    return (low <= labels) & (labels <= high)


def test_exchangeable_clips_are_held_at_the_level_overall_and_in_each_third():
    random = np.random.default_rng(0)
    shares = []
    for _ in range(60):
        predictions, labels, _ = draw(random, 400, 1, spread=False)
        predictions = 0.8 * labels + 0.4 * (predictions - labels)
        interval = fit_interval(predictions[:200], labels[:200], alone(200))
        right = held(interval, predictions[200:], labels[200:])
        thirds = third_of(labels[200:], third_edges(labels[200:]))
        shares.append([right.mean(), *(right[thirds == k].mean() for k in range(3))])
    overall, *of_thirds = np.mean(shares, axis=0)
    assert 0.89 < overall < 0.93
    assert all(0.88 < share < 0.94 for share in of_thirds)


def test_a_small_exchangeable_split_keeps_the_level_too():
    random = np.random.default_rng(1)
    shares = []
    for _ in range(400):
        predictions, labels, _ = draw(random, 60, 1, spread=False)
        interval = fit_interval(predictions[:12], labels[:12], alone(12))
        shares.append(held(interval, predictions[12:], labels[12:]).mean())
    assert 0.9 <= np.mean(shares) + 0.01 < 0.95


def test_equal_weights_of_groups_repair_clustered_clips():
    """A clip of a new group, each group as likely: weighed by clips, large groups drown it."""
    random = np.random.default_rng(2)
    by_clip, by_group = [], []
    for _ in range(40):
        predictions, labels, groups = draw(random, 80, 15, spread=True)
        test = draw(random, 300, 15, spread=True)
        names, owner = np.unique(test[2], return_inverse=True)
        for shares, names_of_groups in ((by_clip, alone(len(groups))), (by_group, groups)):
            right = held(fit_interval(predictions, labels, names_of_groups), *test[:2])
            of_group = np.bincount(owner, right) / np.bincount(owner)
            assert len(of_group) == len(names)
            shares.append(of_group.mean())
    assert np.mean(by_clip) > 0.93
    assert 0.88 < np.mean(by_group) < 0.92


def test_too_few_groups_or_clips_give_no_interval():
    random = np.random.default_rng(3)
    predictions, labels, _ = draw(random, 100, 1, spread=False)
    few = FEWEST - 1
    assert FEWEST == 9
    assert fit_interval(predictions[:few], labels[:few], alone(few)) is None
    assert fit_interval(predictions, labels, [f"v{i % few}" for i in range(100)]) is None
    assert fit_interval(predictions, labels, [f"v{i % FEWEST}" for i in range(100)]) is not None
    assert count_groups(["a", "a", None, None]) == 3


def test_constant_predictions_and_labels_have_intervals():
    zeros, random = np.zeros(60), np.random.default_rng(4)
    interval = fit_interval(zeros, zeros, alone(60))
    assert interval.errors == ()  # no label has a sign
    assert np.isnan(interval.positive_probability(zeros)).all()
    assert held(interval, zeros, zeros).all()
    labels = random.normal(size=60)
    interval = fit_interval(zeros, labels, alone(60))
    assert held(interval, zeros, labels).mean() >= 0.9
    assert np.unique(interval.positive_probability(zeros)).size == 1


def test_labels_of_one_sign_give_no_sign():
    labels = np.linspace(1, 5, 40)
    interval = fit_interval(labels + 0.1, labels, alone(40))
    assert len(interval.edges) == 2
    assert interval.errors == ()


def test_a_label_without_an_interval_is_nan():
    fitted = [None, ConformalInterval(radii=(1.0,), errors=(-1.0, 1.0))]
    numbers = np.array([[0.0, 0.5]])
    low, high, positive = uncertain_decisions(numbers, numbers, None, fitted)
    for got, wanted in ((low, -0.5), (high, 1.5), (positive, 0.5)):
        assert np.isnan(got[0, 0])
        assert got[0, 1] == wanted


BINS = np.linspace(-3, 3, 25)


def distributions(labels, random):
    """Logits round each label, off by an error as wide as the distribution says."""
    deviation = np.where(random.random(len(labels)) < 0.5, 0.3, 1.2)
    centres = labels + deviation * random.normal(size=len(labels))
    return -0.5 * ((BINS - centres[:, None]) / deviation[:, None]) ** 2, deviation


def test_quantiles_by_hand():
    # Of a bin for each of -3, 0 and 3, all as likely, each 3 wide: 5 % and 95 % are at -4.05, 4.05.
    bins, logits = np.array([-3.0, 0, 3]), np.zeros((9, 3))
    labels = np.array([-3, -2, -1, 0, 0.5, 1, 2, 3, 3.0])
    interval = fit_distribution_interval(logits, bins, labels, alone(9), bounds=(-3.0, 3.0))
    assert interval.of_quantiles
    assert interval.radii == pytest.approx([-1.05])  # all labels are inside, the nearest by that
    ends = uncertain_decisions(np.zeros((9, 1)), logits, bins[None], [interval])
    assert ends[0][:, 0] == pytest.approx(np.full(9, -3.0))
    assert ends[1][:, 0] == pytest.approx(np.full(9, 3.0))


def test_intervals_of_quantiles_hold_the_level_and_are_wide_where_the_distribution_is():
    random = np.random.default_rng(5)
    labels = random.uniform(-3, 3, 2000)
    logits, deviation = distributions(labels, random)
    own = fit_distribution_interval(logits[:1000], BINS, labels[:1000], alone(1000))
    decisions = expectation(logits, BINS)
    of_numbers = fit_interval(decisions[:1000], labels[:1000], alone(1000))
    test = slice(1000, None)

    def scored(interval):
        given = decisions[test, None], logits[test], BINS[None], [interval]
        low, high = (ends[:, 0] for ends in uncertain_decisions(*given)[:2])
        return (low <= labels[test]) & (labels[test] <= high), high - low

    held_own, width = scored(own)
    assert 0.87 < held_own.mean() < 0.93
    sure = deviation[test] < 1
    assert width[~sure].mean() > 2 * width[sure].mean()
    assert width.mean() < 0.9 * scored(of_numbers)[1].mean()


def test_an_interval_of_which_nothing_is_left_is_the_middle_of_its_quantiles():
    interval = ConformalInterval(radii=(-1.0,), of_quantiles=True)
    low, high = interval.ends(np.array([0.0, 0.0]), np.array([1.0, 4.0]))
    assert (low.tolist(), high.tolist()) == ([0.5, 1.0], [0.5, 3.0])


def test_the_temperature_mends_signs_that_are_too_sure():
    random = np.random.default_rng(6)
    labels = random.uniform(-3, 3, 800)
    logits, _ = distributions(labels, random)
    fair = fit_distribution_interval(logits, BINS, labels, alone(800)).temperature
    sure = fit_distribution_interval(3 * logits, BINS, labels, alone(800)).temperature
    assert 0.7 < fair < 1.4
    assert sure == pytest.approx(3 * fair, rel=0.1)
    interval = ConformalInterval(radii=(0.0,), of_quantiles=True, temperature=2.0)
    numbers = np.zeros((800, 1))
    at_two = uncertain_decisions(numbers, logits, BINS[None], [interval])[2]
    without = uncertain_decisions(numbers, logits / 2, BINS[None], [None])[2]
    assert at_two == pytest.approx(without)


def test_the_temperature_weighs_groups_alike():
    """One group of many clips is sure and right, eight of one clip are sure and half wrong."""
    labels = np.array([2.0] * 92 + [2.0, -2] * 4)
    logits = np.tile(-((BINS - 2) ** 2), (100, 1))
    groups = ["large"] * 92 + [f"small {i}" for i in range(8)]
    by_group = fit_distribution_interval(logits, BINS, labels, groups).temperature
    by_clip = fit_distribution_interval(logits, BINS, labels, alone(100)).temperature
    assert by_group > by_clip


def test_labels_of_one_sign_or_signs_that_no_temperature_moves_leave_it_at_one():
    logits = np.tile(-((BINS - 1) ** 2), (20, 1))
    for labels in (np.linspace(1, 3, 20), np.linspace(-3, -1, 20)):
        assert fit_distribution_interval(logits, BINS, labels, alone(20)).temperature == 1
    symmetric = np.zeros((20, 25))
    labels = np.linspace(-3, 3, 20)
    assert fit_distribution_interval(symmetric, BINS, labels, alone(20)).temperature == (
        pytest.approx(1)
    )


def test_json_gives_the_same_interval_and_refuses_another():
    interval = fit_interval(
        np.linspace(-3, 3, 50), np.linspace(-2, 2, 50), alone(50), bounds=(-3.0, 3.0)
    )
    values = dataclasses.asdict(interval)
    assert ConformalInterval.from_json(values, has_bins=False) == interval
    of_quantiles = {**values, "of_quantiles": True, "radii": [-1.0, 1, 1], "temperature": 2.0}
    read = ConformalInterval.from_json(of_quantiles, has_bins=True)
    assert (read.of_quantiles, read.radii, read.temperature) == (True, (-1, 1, 1), 2)
    older = {name: values[name] for name in ("radii", "edges", "low", "high", "errors")}
    assert ConformalInterval.from_json(older, has_bins=True) == interval
    for wrong in (
        None,
        [],
        {},
        {**values, "radii": []},
        {**values, "radii": [-1.0, 1, 1]},
        {**values, "radii": ["a", 1, 1]},
        {**values, "edges": [2.0, 1.0]},
        {**values, "errors": [1.0, 0.0]},
        {**values, "low": 4.0},
        {**values, "high": float("nan")},
        {**values, "temperature": 0.0},
        {**values, "temperature": float("inf")},
        {**values, "of_quantiles": 1},
        of_quantiles,
    ):
        with pytest.raises(DeadpanError, match=r"^intervals "):
            ConformalInterval.from_json(wrong, has_bins=False)
