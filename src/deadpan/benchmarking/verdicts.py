"""Whether a claim about systems holds: one deciding test each, and one rule for all of them."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

from deadpan.metrics.intervals import Interval, weakest
from deadpan.metrics.significance import holm

Verdict = Literal["holds", "does not hold", "cannot be tested with what is here"]
HOLDS: Verdict = "holds"
FAILS: Verdict = "does not hold"
UNDECIDED: Verdict = "cannot be tested with what is here"

LEVEL = 0.05
"""A claim holds only where its corrected p is below this."""

UNKNOWN = Interval(estimate=math.nan, low=math.nan, high=math.nan, p=math.nan)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one test.

    Attributes:
        test: what was compared and on which clips, in words.
        data: names of the data sets.
        systems: names of the systems.
        seeds: seeds of the runs that went into it.
        interval: the effect with its interval; an effect above its null speaks for the claim.
        unit: unit of the effect, in words.
        margin: the smallest effect that would matter; an interval that lies below it refutes the
            claim.
        percent: whether the effect is a share, shown times 100.
        missing: why there is no result; "" if there is one.
    """

    test: str
    data: tuple[str, ...]
    systems: tuple[str, ...]
    seeds: tuple[int, ...]
    interval: Interval
    unit: str
    margin: float
    percent: bool = False
    missing: str = ""

    def without_result(self, reason: str) -> "Finding":
        """The same test, with the reason why it has no result."""
        return dataclasses.replace(self, seeds=(), interval=UNKNOWN, missing=reason)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement about systems, with the tests made of it.

    Attributes:
        key: a short name.
        says: the statement.
        source: where it is made.
        deciding: the one test that decides it; None where none can be made.
        others: further tests, which decide nothing.
        remark: what a reader of the result must know; why it cannot be tested, if so.
        headline: whether more seeds were run for it.
    """

    key: str
    says: str
    source: str
    deciding: Finding | None
    others: tuple[Finding, ...] = ()
    remark: str = ""
    headline: bool = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every test, the deciding one first."""
        return (self.deciding, *self.others) if self.deciding else self.others


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecidedClaim:
    """A claim with its verdict.

    Attributes:
        claim: the claim.
        p: p value of the deciding test, corrected for the number of claims; NaN without one.
        verdict: the verdict by the rule of :func:`verdict_on`.
    """

    claim: Claim
    p: float
    verdict: Verdict


def verdict_on(finding: Finding | None, p: float) -> Verdict:
    """Apply the rule that turns a test into a verdict.

    - **holds**: the 95 % interval lies on the claimed side of no effect, and the corrected p is
      below .05.
    - **does not hold**: otherwise, if the whole interval lies below the margin. Either there is no
      effect of a size that would matter, or it goes the other way.
    - **cannot be tested with what is here**: otherwise. The interval allows both no effect and one
      that matters (too few clips or seeds), or there is no result at all.

    Args:
        finding: the deciding test; None if there is none.
        p: p value of its effect, corrected for the other claims.
    """
    if finding is None or finding.missing or math.isnan(finding.interval.low):
        return UNDECIDED
    if finding.interval.low > finding.interval.null and p < LEVEL:
        return HOLDS
    return FAILS if finding.interval.high < finding.margin else UNDECIDED


def decide(claims: Sequence[Claim]) -> list[DecidedClaim]:
    """Give each claim a verdict; p values of all deciding tests are corrected by Holm's method."""
    p_values = {
        claim.key: claim.deciding.interval.p
        for claim in claims
        if claim.deciding and not math.isnan(claim.deciding.interval.p)
    }
    corrected = holm(p_values)
    decided: list[DecidedClaim] = []
    for claim in claims:
        p = corrected.get(claim.key, math.nan)
        decided.append(DecidedClaim(claim=claim, p=p, verdict=verdict_on(claim.deciding, p)))
    return decided


def weakest_finding(
    test: str, findings: Sequence[Finding], lacking: Sequence[str] = ()
) -> Finding | None:
    """The finding that decides a claim about several comparisons at once: the least favourable.

    Args:
        test: the joint claim, in words.
        findings: results of the comparisons that could be made; without any there is none.
        lacking: systems without a run to compare with; with any there is no result.
    """
    if not findings:
        return None
    if lacking:
        reason = f"no finished run of {', '.join(lacking)}"
        return dataclasses.replace(findings[0], test=test).without_result(reason)
    least = weakest([finding.interval for finding in findings])
    finding = next(finding for finding in findings if finding.interval is least)
    return dataclasses.replace(finding, test=f"{test}; least in favour: {finding.test}")
