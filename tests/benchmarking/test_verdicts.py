import dataclasses
import math

import pytest

from deadpan.benchmarking.verdicts import (
    FAILS,
    HOLDS,
    UNDECIDED,
    Claim,
    Finding,
    decide,
    verdict_on,
    weakest_finding,
)
from deadpan.metrics.intervals import Interval


def finding(low, high, p, *, null=0.0, margin=0.05, missing=""):
    interval = Interval(estimate=(low + high) / 2, low=low, high=high, p=p, null=null)
    return Finding(
        test="a test",
        data=("d",),
        systems=("s",),
        seeds=(1, 2),
        interval=interval,
        unit="u",
        margin=margin,
        missing=missing,
    )


@pytest.mark.parametrize(
    ("low", "high", "p", "expected"),
    [
        (0.10, 0.30, 0.001, HOLDS),
        (0.01, 0.03, 0.001, HOLDS),  # small, but surely there
        (-0.30, -0.10, 0.001, FAILS),  # the other way round
        (-0.04, 0.04, 0.9, FAILS),  # none that would matter
        (-0.04, 0.06, 0.5, UNDECIDED),  # none, or one that matters: too few clips or seeds
        (0.01, 0.30, 0.20, UNDECIDED),  # not sure enough once corrected
        (0.01, 0.04, 0.20, FAILS),
    ],
)
def test_a_rule_says_each_of_the_three(low, high, p, expected):
    assert verdict_on(finding(low, high, p), p) == expected
    # The same where no effect is another number than 0.
    moved = finding(low + 0.5, high + 0.5, p, null=0.5, margin=0.55)
    assert verdict_on(moved, p) == expected


def test_without_a_result_nothing_is_said():
    assert verdict_on(None, math.nan) == UNDECIDED
    assert verdict_on(finding(0.1, 0.3, 0.001, missing="no run"), 0.001) == UNDECIDED
    assert verdict_on(finding(math.nan, math.nan, math.nan), math.nan) == UNDECIDED


def claim(key, deciding):
    return Claim(key=key, says=key, source="here", deciding=deciding)


def test_many_claims_are_corrected_and_untested_ones_do_not_count():
    one = finding(0.1, 0.3, 0.02)
    assert decide([claim("a", one)])[0].verdict == HOLDS
    three = decide([claim("a", one), claim("b", one), claim("c", one), claim("d", None)])
    assert [decided.p for decided in three[:3]] == pytest.approx([0.06] * 3)
    assert {decided.verdict for decided in three} == {UNDECIDED}
    assert math.isnan(three[3].p)
    unknown = dataclasses.replace(one, interval=dataclasses.replace(one.interval, p=math.nan))
    two = decide([claim("a", one), claim("b", unknown)])
    assert two[0].p == 0.02


def test_a_joint_claim_goes_as_far_as_its_weakest_comparison():
    strong = dataclasses.replace(finding(0.3, 0.5, 0.001), test="against A")
    weak = dataclasses.replace(finding(0.1, 0.5, 0.01), test="against B")
    joint = weakest_finding("against both", [strong, weak])
    assert joint.interval is weak.interval
    assert joint.test == "against both; least in favour: against B"
    assert weakest_finding("against none", []) is None


def test_a_joint_claim_has_no_result_where_a_comparison_is_lacking():
    joint = weakest_finding("against both", [finding(0.3, 0.5, 0.001)], ["B"])
    assert (joint.test, joint.missing) == ("against both", "no finished run of B")
    assert joint.seeds == () and math.isnan(joint.interval.estimate)
    assert verdict_on(joint, 0.001) == UNDECIDED


def test_the_deciding_test_comes_first():
    one, other = finding(0.0, 1.0, 0.5), finding(0.0, 2.0, 0.5)
    assert Claim(key="k", says="", source="", deciding=one, others=(other,)).findings == (
        one,
        other,
    )
    assert Claim(key="k", says="", source="", deciding=None, others=(other,)).findings == (other,)
