"""Tests of systems over seeds, on made-up runs of two systems with hand-worked errors."""

import math

import numpy as np
import pytest

from deadpan.benchmarking.evidence import SMALLEST_EFFECT, Evidence, MeasuredRun, error_avoided
from deadpan.metrics.intervals import seed_interval


def run(seed, errors, *, valid_loss=1.0, constant=2.0, ridge=math.nan, **columns):
    columns = {name: np.array(values) for name, values in columns.items()}
    return MeasuredRun(
        seed=seed,
        columns={"error": np.array(errors, dtype=np.float64)} | columns,
        valid_loss=valid_loss,
        constant_error=constant,
        ridge_error=ridge,
    )


def evidence(**changed):
    """Ours avoids .5, .6 and .7 of the error of theirs on "d", and half of it on "other"."""
    runs = {
        ("d", "ours"): {1: run(1, [0.4, 0.6]), 2: run(2, [0.4, 0.4]), 3: run(3, [0.2, 0.4])},
        ("d", "theirs"): {seed: run(seed, [0.8, 1.2]) for seed in (1, 2, 3)},
        ("other", "ours"): {seed: run(seed, [0.5], extra=[1.0]) for seed in (2, 3, 4)},
        ("other", "theirs"): {seed: run(seed, [1.0]) for seed in (2, 3)},
    }
    return Evidence(runs=runs | changed.pop("runs", {}), **changed)


def test_the_share_of_error_avoided():
    half = {"error": np.array([0.25, 0.75])}
    whole = {"error": np.array([0.5, 1.5])}
    assert error_avoided(half, whole) == pytest.approx(0.5)
    assert error_avoided(whole, half) == pytest.approx(-1)
    assert math.isnan(error_avoided(half, {"error": np.zeros(2)}))
    assert math.isnan(error_avoided({"error": np.zeros(0)}, {"error": np.zeros(0)}))


def test_seeds_are_those_that_all_have():
    made = evidence()
    assert made.seeds(["d"], ["ours", "theirs"]) == [1, 2, 3]
    assert made.seeds(["d", "other"], ["ours", "theirs"]) == [2, 3]
    assert made.seeds(["d"], ["ours", "nobody"]) == []
    assert made.seeds([], ["ours"]) == []


def test_systems_are_paired_within_each_seed():
    found = evidence().effect(["d"], ["ours", "theirs"], error_avoided)
    assert found == seed_interval(np.array([0.5, 0.6, 0.7]))


def test_of_several_data_sets_a_seed_has_the_mean():
    made = evidence()
    found = made.effect(["d", "other"], ["ours", "theirs"], error_avoided)
    assert found == seed_interval(np.array([(0.6 + 0.5) / 2, (0.7 + 0.5) / 2]))
    with pytest.raises(ValueError, match="clips of d, other are not drawn together"):
        evidence(shared_clips=["d"]).effect(["d", "other"], ["ours", "theirs"], error_avoided)


def test_shared_clips_widen_the_interval():
    own, shared = evidence(), evidence(shared_clips=["d"])
    narrow, wide = (x.effect(["d"], ["ours", "theirs"], error_avoided) for x in (own, shared))
    assert wide.estimate == narrow.estimate
    assert wide.high - wide.low > narrow.high - narrow.low
    other = shared.effect(["other"], ["ours", "theirs"], error_avoided)
    assert other == own.effect(["other"], ["ours", "theirs"], error_avoided)


def test_a_comparison_says_what_it_compared():
    finding = evidence().compare("a test", ["d"], ["ours", "theirs"], error_avoided, null=0.1)
    assert (finding.test, finding.data, finding.systems) == ("a test", ("d",), ("ours", "theirs"))
    assert finding.seeds == (1, 2, 3)
    assert finding.interval.null == 0.1
    assert finding.margin == 0.1 + SMALLEST_EFFECT
    assert finding.missing == ""


def test_a_comparison_without_runs_says_which_are_lacking():
    finding = evidence().compare("a test", ["d"], ["ours", "nobody"], error_avoided)
    assert finding.missing == "no finished run of nobody on d"
    assert finding.seeds == () and math.isnan(finding.interval.estimate)
    assert evidence().compare("a test", [], ["ours"], len).missing == "no data set of this kind"


def test_a_system_no_better_than_the_constant_shows_nothing():
    runs = {("d", "theirs"): {seed: run(seed, [1.9, 2.0]) for seed in (1, 2, 3)}}
    made = evidence(runs=runs)  # 1.95 is above .95 of the constant's 2
    (idle,) = made.unlearned(["d"], ["ours", "theirs"])
    assert idle == "theirs has learned nothing here: error 1.95, that of the constant baseline 2.00"
    both = ["ours", "theirs"]
    finding = made.compare("a test", ["d"], both, error_avoided, learned=both)
    assert (finding.missing, finding.seeds) == (idle, ())
    assert made.compare("a test", ["d"], ["ours", "theirs"], error_avoided).missing == ""
    (there,) = made.unlearned(["d", "other"], ["theirs"])  # what it learned elsewhere is no excuse
    assert "theirs has learned nothing on d:" in there
    assert made.against_each(["d"], "theirs", ["ours"], learned=True)[0].missing == ""
    unknown = {("d", "ours"): {1: run(1, [9.0], constant=math.nan)}}
    assert evidence(runs=unknown).unlearned(["d"], ["ours"]) == []


def test_a_system_no_better_than_ridge_shows_nothing():
    runs = {("d", "theirs"): {seed: run(seed, [0.8, 1.2], ridge=1.04) for seed in (1, 2, 3)}}
    (idle,) = evidence(runs=runs).unlearned(["d"], ["theirs"])
    assert idle == "theirs has learned nothing here: error 1.00, that of the ridge baseline 1.04"
    clear = {("d", "theirs"): {seed: run(seed, [0.8, 1.2], ridge=1.06) for seed in (1, 2, 3)}}
    assert evidence(runs=clear).unlearned(["d"], ["theirs"]) == []


@pytest.mark.parametrize(("wrong", "idle"), [(30, True), (22, False)])
def test_a_system_that_is_worse_than_a_coin_on_a_kind_of_clips_shows_nothing(wrong, idle):
    kinds = ["congruent"] * 40 + ["majority"] * 40 + ["silent"]
    flips = [0.0] * 40 + [1.0] * wrong + [0.0] * (40 - wrong) + [math.nan]
    runs = {("d", "theirs"): {1: run(1, [0.5] * 81, kind=kinds, flip=flips)}}
    said = evidence(runs=runs).unlearned(["d"], ["theirs"])
    assert said == ["theirs gets the sign of 75 % of majority clips wrong"] * idle


def test_one_system_is_compared_with_each_that_shares_seeds():
    runs = {("d", "late"): {7: run(7, [1.0, 1.0])}}
    findings = evidence(runs=runs).against_each(["d"], "ours", ["theirs", "late", "nobody"])
    (finding,) = findings
    assert finding.test == "ours against theirs, d"
    assert finding.interval.estimate == pytest.approx(0.6)
    assert finding.percent
    (named,) = evidence().against_each(["d"], "ours", ["theirs"], where=" on some clips")
    assert named.test == "ours against theirs on some clips"


def test_a_share_counts_runs():
    made = evidence()
    runs = list(made.by_seed("d", "ours").values())
    outcomes = [(run, run.seed < 3) for run in runs]
    finding = made.share("a test", ["d"], "ours", outcomes, null=0.5, margin=0.6)
    assert finding.interval.estimate == pytest.approx(2 / 3)
    assert finding.interval.p == 1  # 2 of 3 is the likeliest count at .5, with 1 of 3
    assert (finding.unit, finding.seeds) == ("share of runs (2 of 3)", (1, 2, 3))
    assert finding.alike == SMALLEST_EFFECT
    none = made.share("a test", ["d"], "nobody", [], null=0.5, margin=0.6)
    assert none.missing == "no finished run of nobody on d"


def test_runs_of_one_seed_are_no_trials_of_their_own():
    runs = [run(seed, [0.5]) for seed in (1, 2, 3)]
    outcomes = [(each, each.seed == 1) for each in runs for _ in range(4)]
    finding = evidence().share("a test", ["d"], "ours", outcomes, null=0.5, margin=0.6)
    assert finding.interval == seed_interval(np.array([1.0, 0.0, 0.0]), null=0.5)
    assert finding.unit == "share of runs (4 of 12, by seed)"


def test_the_best_is_chosen_on_validation_over_common_seeds():
    runs = {
        ("d", "a"): {1: run(1, [0.1], valid_loss=3.0), 2: run(2, [0.1], valid_loss=1.0)},
        ("d", "b"): {1: run(1, [9.0], valid_loss=2.0), 9: run(9, [9.0], valid_loss=99.0)},
    }
    made = Evidence(runs=runs)
    assert made.best_on_validation("d", ["a", "b", "nobody"]) == "b"  # seed 1 alone counts
    assert made.best_on_validation("d", ["nobody"]) is None
    assert made.best_on_validation("elsewhere", ["a"]) is None
