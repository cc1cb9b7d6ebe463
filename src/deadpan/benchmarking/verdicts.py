"""Whether a claim about systems holds: one deciding test each, and one rule for all of them."""

import dataclasses
import math
from collections.abc import Sequence
from itertools import chain
from typing import Literal

import numpy as np

from deadpan.metrics.intervals import Interval, weakest

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
        alike: how far from no effect, either way, does not matter; None = as far as the margin.
            A share is told otherwise: one that is not worth a claim may yet be far from chance.
        percent: whether the effect is a share, shown times 100.
        missing: why there is no result; "" if there is one.
        parts: of a joint test the intervals of its comparisons, of which ``interval`` is the
            weakest; empty where there is one comparison.
    """

    test: str
    data: tuple[str, ...]
    systems: tuple[str, ...]
    seeds: tuple[int, ...]
    interval: Interval
    unit: str
    margin: float
    percent: bool = False
    alike: float | None = None
    missing: str = ""
    parts: tuple[Interval, ...] = ()

    @property
    def tested(self) -> bool:
        """Whether there is a result with an interval."""
        return not self.missing and not math.isnan(self.interval.low)

    @property
    def p_holds(self) -> float:
        """P value of no effect in at least one part (the intersection-union test, Berger 1982).

        NaN where that of a part is unknown.
        """
        return float(np.max([part.p_above(part.null) for part in self.parts or (self.interval,)]))

    @property
    def p_fails(self) -> float:
        """P value of an effect of the margin in every part, corrected for their number.

        NaN where that of no part is known.
        """
        parts = self.parts or (self.interval,)
        least = float(np.fmin.reduce([part.p_below(self.margin) for part in parts]))
        return float(np.minimum(1.0, len(parts) * least))

    @property
    def p_equivalent(self) -> float:
        """P value of an effect further than ``alike`` from none, of one comparison alone."""
        if len(self.parts) > 1:
            return 1.0
        none = self.interval.null
        far = self.margin - none if self.alike is None else self.alike
        sides = (self.interval.p_below(none + far), self.interval.p_above(none - far))
        return float(np.maximum(*sides))

    def without_result(self, reason: str) -> "Finding":
        """The same test, with the reason why it has no result."""
        return dataclasses.replace(self, seeds=(), interval=UNKNOWN, missing=reason, parts=())


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

    All p values are one-sided and multiplied by the number of claims that have a deciding test,
    with a result or without: which of them are left without one depends on the runs. An effect
    cannot both be missing and be as large as the margin: of the two hypotheses that a claim may be
    decided by, one at most is true, so that Bonferroni's factor for both directions of all claims
    is the number of claims (Shaffer 1986).

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
    if finding is None or not finding.tested:
        return UNTESTED
    if p_fails < LEVEL:
        return FAILS
    return HOLDS if p < LEVEL else UNDECIDED


def decide(claims: Sequence[Claim]) -> list[DecidedClaim]:
    """Give each claim a verdict; p values are corrected together, see :class:`DecidedClaim`."""
    number = sum(claim.deciding is not None for claim in claims)
    decided: list[DecidedClaim] = []
    for claim in claims:
        finding = claim.deciding
        holds = fails = equivalent = math.nan
        if finding and finding.tested:
            holds, fails, equivalent = (
                p if math.isnan(p) else min(1.0, number * p)
                for p in (finding.p_holds, finding.p_fails, finding.p_equivalent)
            )
        verdict = verdict_on(finding, holds, fails)
        needed = None
        if verdict == UNDECIDED and finding:
            needed = _units_to_decide(finding, LEVEL / number)
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


def _units_to_decide(finding: Finding, level: float) -> int | None:
    """Seeds or trials at which a test would probably decide, of its weakest part."""
    interval = finding.interval
    numbers = [
        interval.units_to_tell_from(value, level=corrected)
        for value, other, corrected in (
            (interval.null, interval.estimate > interval.null, level),
            (
                finding.margin,
                interval.estimate < finding.margin,
                level / max(1, len(finding.parts)),
            ),
        )
        if other
    ]
    return min((number for number in numbers if number), default=None)


def weakest_finding(
    test: str, findings: Sequence[Finding], lacking: Sequence[str] = ()
) -> Finding | None:
    """The finding that decides a claim about several comparisons at once.

    It holds where each of them does, and fails where one does. Its interval is that of the weakest.

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
    parts = tuple(finding.interval for finding in findings)
    least = weakest(parts)
    finding = next(finding for finding in findings if finding.interval is least)
    return dataclasses.replace(
        finding,
        test=f"{test}; least in favour: {finding.test}",
        systems=tuple(dict.fromkeys(chain.from_iterable(each.systems for each in findings))),
        parts=parts,
    )
