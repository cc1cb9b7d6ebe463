"""Whether a claim about systems holds: one deciding test each, and one rule for all of them."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

from deadpan.metrics.intervals import Interval, weakest
from deadpan.metrics.significance import holm

Verdict = Literal["holds", "does not hold", "undecided", "not tested"]
HOLDS: Verdict = "holds"
FAILS: Verdict = "does not hold"
UNDECIDED: Verdict = "undecided"
UNTESTED: Verdict = "not tested"
VERDICTS = (HOLDS, FAILS, UNDECIDED, UNTESTED)

LEVEL = 0.05
"""A claim holds, or does not, only where the corrected p of that is below this."""

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
        margin: the smallest effect that would matter; one that is surely below it refutes the
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

    All p values are one-sided and corrected together: over every claim and all three directions.

    Attributes:
        claim: the claim.
        p: p value of no effect, or of one the other way: small where the claim holds. NaN where
            nothing was tested.
        p_fails: p value of an effect of the margin or more: small where the claim does not hold.
        p_equivalent: p value of an effect beyond the margin in either direction (two one-sided
            tests, Schuirmann 1987): small where there is no difference that would matter.
        verdict: the verdict by the rule of :func:`verdict_on`.
        needed: seeds or trials that would probably decide an undecided claim, if the effect is as
            large as it was found; None where it is decided, or where they are too many to name.
    """

    claim: Claim
    p: float
    p_fails: float
    p_equivalent: float
    verdict: Verdict
    needed: int | None = None

    @property
    def equivalent(self) -> bool:
        """Whether no difference that would matter was shown, in either direction."""
        return self.p_equivalent < LEVEL


def verdict_on(finding: Finding | None, p: float, p_fails: float) -> Verdict:
    """Apply the rule that turns a test into a verdict; both directions must be shown.

    - **does not hold**: the effect is surely smaller than one that would matter, or goes the other
      way: ``p_fails`` is below .05.
    - **holds**: otherwise, if there surely is an effect: ``p`` is below .05.
    - **undecided**: it was tested, and the runs allow both no effect and one that matters.
    - **not tested**: there is no result.

    Args:
        finding: the deciding test; None if there is none.
        p: corrected p value of no effect.
        p_fails: corrected p value of an effect of the margin or more.
    """
    if finding is None or finding.missing or math.isnan(finding.interval.low):
        return UNTESTED
    if p_fails < LEVEL:
        return FAILS
    return HOLDS if p < LEVEL else UNDECIDED


def decide(claims: Sequence[Claim]) -> list[DecidedClaim]:
    """Give each claim a verdict; p values of all directions are corrected by Holm's method."""
    p_values: dict[str, float] = {}
    for claim in claims:
        deciding = claim.deciding
        if deciding and not deciding.missing and not math.isnan(deciding.interval.low):
            interval, margin = deciding.interval, deciding.margin
            p_values[f"{claim.key}: holds"] = interval.p_above(interval.null)
            p_values[f"{claim.key}: fails"] = interval.p_below(margin)
            other_way = interval.p_above(2 * interval.null - margin)
            p_values[f"{claim.key}: equivalent"] = max(interval.p_below(margin), other_way)
    corrected = holm(p_values)
    decided: list[DecidedClaim] = []
    for claim in claims:
        holds, fails, equivalent = (
            corrected.get(f"{claim.key}: {way}", math.nan)
            for way in ("holds", "fails", "equivalent")
        )
        verdict = verdict_on(claim.deciding, holds, fails)
        needed = None
        if verdict == UNDECIDED and claim.deciding:
            interval, level = claim.deciding.interval, LEVEL / len(p_values)
            numbers = [
                interval.units_to_tell_from(value, level=level)
                for value, other in (
                    (interval.null, interval.estimate > interval.null),
                    (claim.deciding.margin, interval.estimate < claim.deciding.margin),
                )
                if other
            ]
            needed = min((number for number in numbers if number), default=None)
        decided.append(
            DecidedClaim(
                claim=claim,
                p=holds,
                p_fails=fails,
                p_equivalent=equivalent,
                verdict=verdict,
                needed=needed,
            )
        )
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
