import dataclasses
import math

import numpy as np
import pytest

from deadpan.benchmarking.verdicts import (
    FAILS,
    HOLDS,
    UNDECIDED,
    UNTESTED,
    Claim,
    Finding,
    decide,
    verdict_on,
    weakest_finding,
)
from deadpan.metrics.intervals import seed_interval, share_interval


def finding(effect, deviation, seeds=10, *, null=0.0, missing=""):
    """A mean effect over seeds of this deviation, exactly."""
    effects = np.linspace(-1, 1, seeds)
    effects = effect + deviation * effects / effects.std(ddof=1)
    return Finding(
        test="a test",
        data=("d",),
        systems=("s",),
        seeds=tuple(range(seeds)),
        interval=seed_interval(effects, null=null),
        unit="u",
        margin=null + 0.05,
        missing=missing,
    )


def claim(key, deciding):
    return Claim(key=key, says=key, source="here", deciding=deciding)


def decided(*findings):
    return decide([claim(str(i), each) for i, each in enumerate(findings)])


@pytest.mark.parametrize(
    ("effect", "deviation", "expected", "equivalent"),
    [
        (0.2, 0.1, HOLDS, False),
        (-0.2, 0.1, FAILS, False),  # the other way round
        (0.0, 0.02, FAILS, True),  # none that would matter, in either direction
        (0.02, 0.01, FAILS, True),  # surely there, and surely too small to matter
        (0.03, 0.1, UNDECIDED, False),  # none, or one that matters: too few seeds
        (0.04, 0.08, UNDECIDED, False),  # not sure enough
    ],
)
@pytest.mark.parametrize("null", [0.0, 0.5])
def test_a_rule_says_which_of_three(effect, deviation, expected, equivalent, null):
    (one,) = decided(finding(effect + null, deviation, null=null))
    assert one.verdict == expected
    assert one.equivalent == equivalent
    assert (one.needed is None) == (expected != UNDECIDED)


def test_both_directions_are_corrected_by_the_number_of_claims_that_have_a_test():
    sure, alone = finding(0.2, 0.2), decided(finding(0.2, 0.2))[0]
    assert alone.verdict == HOLDS
    assert alone.p == pytest.approx(sure.interval.p_above(0.0))
    against = decided(finding(-0.15, 0.2), sure)[0]
    assert against.verdict == FAILS
    assert against.p_fails == pytest.approx(2 * finding(-0.15, 0.2).interval.p_below(0.05))
    nothing = dataclasses.replace(sure, missing="no run")
    assert decided(sure, None)[0].p == alone.p
    # That one was left without a result makes the others no surer.
    assert decided(sure, None, nothing)[0].p == pytest.approx(2 * alone.p)
    assert [each.verdict for each in decided(sure, None, nothing)[1:]] == [UNTESTED] * 2
    many = decided(*[sure] * 12)
    assert {each.verdict for each in many} == {UNDECIDED}
    mirrored = decided(*[finding(-0.15, 0.2)] * 12)
    assert {each.verdict for each in mirrored} == {UNDECIDED}  # as hard to refute as to hold


def test_a_share_that_is_not_worth_a_claim_may_yet_be_far_from_chance():
    interval = seed_interval(np.array([0.4, 0.45, 0.42, 0.44, 0.43, 0.41, 0.43]), null=1 / 3)
    share = dataclasses.replace(finding(0, 1), interval=interval, margin=2 / 3)
    assert decided(share)[0].equivalent  # within the margin, as an effect would be
    (one,) = decided(dataclasses.replace(share, alike=0.05))
    assert (one.verdict, one.equivalent) == (FAILS, False)
    (near,) = decided(dataclasses.replace(share, alike=0.2))
    assert near.equivalent


def test_what_decides_a_joint_claim_against_it_is_corrected_for_its_parts():
    weak = finding(0.0, 0.08, seeds=5)
    joint = weakest_finding("both", [weak, finding(0.4, 0.1, seeds=5)])
    (alone,), (both,) = decided(weak), decided(joint)
    assert alone.verdict == both.verdict == UNDECIDED
    assert both.needed == weak.interval.units_to_tell_from(0.05, level=0.05 / 2)
    assert both.needed > alone.needed


def test_without_a_result_nothing_was_tested():
    assert verdict_on(None, math.nan, math.nan) == UNTESTED
    assert verdict_on(finding(0.2, 0.1, missing="no run"), 0.001, 1.0) == UNTESTED
    one_seed = dataclasses.replace(finding(0.2, 0.1), interval=seed_interval(np.array([0.2])))
    assert verdict_on(one_seed, math.nan, math.nan) == UNTESTED


def test_an_undecided_claim_says_how_many_seeds_would_decide():
    (few,) = decided(finding(0.1, 0.25, seeds=5))
    assert few.verdict == UNDECIDED
    # Drawn again and again with that many seeds, four in five decide.
    random = np.random.default_rng(0)
    draws = random.normal(0.1, 0.25, (2000, few.needed))
    level = 0.05
    powers = [seed_interval(draw).p_above(0.0) < level for draw in draws]
    assert 0.77 < np.mean(powers) < 0.88
    (never,) = decided(finding(0.025, 3.0, seeds=5))
    assert never.needed is None
    share = Finding(
        **{**vars(finding(0, 1)), "interval": share_interval(6, 10, null=0.5), "margin": 0.7}
    )
    (runs,) = decided(share)
    assert runs.verdict == UNDECIDED
    assert 100 < runs.needed < 400


def test_a_joint_claim_goes_as_far_as_its_weakest_comparison():
    strong = dataclasses.replace(finding(0.4, 0.1), test="against A")
    weak = dataclasses.replace(finding(0.3, 0.2), test="against B")
    joint = weakest_finding("against both", [strong, weak])
    assert joint.interval is weak.interval
    assert joint.test == "against both; least in favour: against B"
    assert weakest_finding("against none", []) is None


def test_a_joint_claim_holds_by_its_least_sure_part_and_fails_by_any_corrected():
    sure = dataclasses.replace(finding(0.10, 0.053), systems=("ours", "A"))  # t = 6
    unsure = dataclasses.replace(finding(0.30, 0.316), systems=("ours", "B"))  # t = 3
    joint = weakest_finding("both", [sure, unsure])
    assert joint.interval is unsure.interval  # though its interval begins higher than the other's
    assert joint.p_holds == unsure.interval.p_above(0.0) > sure.interval.p_above(0.0)
    assert joint.systems == ("ours", "A", "B")
    lost = dataclasses.replace(finding(-0.2, 0.1), test="against C")
    three = weakest_finding("all", [sure, unsure, lost])
    assert three.p_fails == pytest.approx(3 * lost.interval.p_below(0.05))
    assert decided(three)[0].verdict == FAILS
    assert not decided(three)[0].equivalent


def test_equal_effects_of_all_seeds_prove_nothing_but_equal_shares_do():
    same = finding(0.0, 0.1)
    same = dataclasses.replace(same, interval=seed_interval(np.full(5, 0.01)))
    assert math.isnan(same.p_holds)
    assert decided(same)[0].verdict == UNDECIDED
    shares = dataclasses.replace(same, interval=seed_interval(np.ones(5), null=1 / 3), margin=0.4)
    assert shares.p_holds == pytest.approx((1 / 3) ** 5)  # as five trials of probability 1/3
    assert decided(shares)[0].verdict == HOLDS


@pytest.mark.parametrize("order", [1, -1])
def test_a_part_without_deviation_lets_no_joint_claim_hold_and_saves_none_from_failing(order):
    same = dataclasses.replace(finding(0.0, 0.1), interval=seed_interval(np.full(10, 0.3)))
    joint = weakest_finding("both", [finding(0.4, 0.1), same][::order])
    assert joint.interval is same.interval
    assert math.isnan(joint.p_holds)
    (one,) = decided(joint)
    assert (one.verdict, one.needed) == (UNDECIDED, None)
    lost = weakest_finding("both", [finding(-0.4, 0.1), same][::order])
    assert decided(lost)[0].verdict == FAILS


def test_a_joint_claim_has_no_result_where_a_comparison_is_lacking():
    joint = weakest_finding("against both", [finding(0.4, 0.1)], ["B"])
    assert (joint.test, joint.missing) == ("against both", "no finished run of B")
    assert joint.seeds == () and math.isnan(joint.interval.estimate)
    assert decided(joint)[0].verdict == UNTESTED


def test_the_deciding_test_comes_first():
    one, other = finding(0.5, 0.1), finding(1.0, 0.1)
    assert Claim(key="k", says="", source="", deciding=one, others=(other,)).findings == (
        one,
        other,
    )
    assert Claim(key="k", says="", source="", deciding=None, others=(other,)).findings == (other,)
