"""How a claim is decided: rules that were fixed before any run of the study."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Literal

from deadpan.metrics.intervals import Interval
from deadpan.metrics.significance import holm

Verdict = Literal["holds", "does not hold", "cannot be tested with what is here"]
HOLDS: Verdict = "holds"
FAILS: Verdict = "does not hold"
UNDECIDED: Verdict = "cannot be tested with what is here"

LEVEL = 0.05
"""Of the corrected p of a claim that holds."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """One test and what came of it.

    Attributes:
        test: what was compared, on which clips, in words.
        data: data sets it was made on.
        systems: those that it compares.
        seeds: that went into it.
        interval: the effect, positive (above its null) where it speaks for the claim.
        unit: of the effect, for people.
        margin: the smallest effect that would be worth a claim: one that is surely smaller refutes
            it.
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """Something the paper says.

    Attributes:
        key: a short name.
        says: the claim.
        source: where the paper says it.
        deciding: the one test that decides it; None where none can be made here.
        others: tests beside it, which decide nothing.
        remark: what must be known to read it; why it cannot be tested, if so.
        headline: whether more seeds were run for it.
    """

    key: str
    says: str
    source: str
    deciding: Finding | None
    others: tuple[Finding, ...] = ()
    remark: str = ""
    headline: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decided:
    """A claim with its verdict.

    Attributes:
        claim: as it was put.
        p: of the deciding test, corrected for all claims; NaN without one.
        verdict: see :func:`verdict`.
    """

    claim: Claim
    p: float
    verdict: Verdict


def verdict(found: Finding | None, p: float) -> Verdict:
    """What a test says of its claim.

    - **holds**: the 95 % interval lies on the claimed side of no effect, and the corrected p is
      below .05.
    - **does not hold**: otherwise, if the whole interval lies below the margin. Either there is no
      effect of a size that would matter, or it goes the other way.
    - **cannot be tested with what is here**: otherwise. The interval allows both no effect and one
      that matters (too few clips or seeds), or there is no result at all.

    Args:
        found: the deciding test; None if there is none.
        p: of its effect, corrected for the other claims.
    """
    if found is None or found.missing or math.isnan(found.interval.low):
        return UNDECIDED
    if found.interval.low > found.interval.null and p < LEVEL:
        return HOLDS
    return FAILS if found.interval.high < found.margin else UNDECIDED


def decide(claims: Sequence[Claim]) -> list[Decided]:
    """A verdict for each claim, with Holm's correction over the deciding tests of all."""
    known = {
        claim.key: claim.deciding.interval.p
        for claim in claims
        if claim.deciding and not math.isnan(claim.deciding.interval.p)
    }
    corrected = holm(known)
    return [
        Decided(
            claim=claim,
            p=corrected.get(claim.key, math.nan),
            verdict=verdict(claim.deciding, corrected.get(claim.key, math.nan)),
        )
        for claim in claims
    ]
