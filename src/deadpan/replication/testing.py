"""How one test of a claim is made from the runs, or why it cannot be."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from deadpan.metrics.intervals import Interval, share_interval, weakest
from deadpan.replication.evidence import Evidence, Measured, Statistic
from deadpan.replication.rules import Finding

MATTERS = 0.05
"""The smallest share of error, and the smallest difference in a rate or in an area under a ROC
curve, that is worth a claim. The paper's own lead over MulT on MOSI is .13 of MulT's MAE."""

UNKNOWN = Interval(estimate=math.nan, low=math.nan, high=math.nan, p=math.nan)

ERROR = "share of the other's error avoided"


def compared(
    evidence: Evidence,
    test: str,
    data: Sequence[str],
    systems: Sequence[str],
    statistic: Statistic,
    *,
    unit: str,
    null: float = 0.0,
    percent: bool = False,
    learned: bool = False,
) -> Finding:
    """A statistic of systems, paired by seed and clip; see ``Evidence.effect``.

    With ``learned`` there is no result where one of them has not: what a network that knows nothing
    does with incongruity says nothing of it.
    """
    seeds = evidence.seeds(data, systems)
    told = Finding(
        test=test,
        data=tuple(data),
        systems=tuple(systems),
        seeds=tuple(seeds),
        interval=evidence.effect(data, systems, statistic, null=null) if seeds else UNKNOWN,
        unit=unit,
        margin=null + MATTERS,
        percent=percent,
    )
    if seeds and learned and (idle := unlearned(evidence, data, systems)):
        return dataclasses.replace(told, seeds=(), interval=UNKNOWN, missing="; ".join(idle))
    return told if seeds else absent(told, evidence)


def unlearned(evidence: Evidence, data: Sequence[str], systems: Sequence[str]) -> list[str]:
    """Systems whose error is not below that of the train mean by a share that matters."""
    found: list[str] = []
    for system in systems:
        runs = [run for name in data for run in evidence.of(name, system).values()]
        error = float(np.mean([run.columns["error"].mean() for run in runs] or [math.nan]))
        constant = float(np.mean([run.constant for run in runs] or [math.nan]))
        if error > (1 - MATTERS) * constant:
            found.append(
                f"{system} has learned nothing here: error {error:.2f}, the train mean's "
                f"{constant:.2f}"
            )
    return found


def counted(
    evidence: Evidence,
    test: str,
    data: Sequence[str],
    system: str,
    happened: Sequence[tuple[Measured, bool]],
    *,
    unit: str,
    null: float,
    margin: float,
) -> Finding:
    """How many runs something happened in; each run of each data set is one trial.

    Runs of one seed at several rates of incongruity are made from the same draws, and so a little
    alike: the interval is somewhat too narrow for them.
    """
    successes = sum(yes for _, yes in happened)
    told = Finding(
        test=test,
        data=tuple(data),
        systems=(system,),
        seeds=tuple(sorted({run.seed for run, _ in happened})),
        interval=share_interval(successes, len(happened), null=null),
        unit=f"{unit} ({successes} of {len(happened)})",
        margin=margin,
        percent=True,
    )
    return told if happened else absent(told, evidence)


def absent(found: Finding, evidence: Evidence) -> Finding:
    """The same without a result, and why."""
    lacking = [
        f"{system} on {data}"
        for data in found.data
        for system in found.systems
        if not evidence.of(data, system)
    ]
    why = f"no finished run of {', '.join(lacking)}" if lacking else "no data set of this kind"
    return dataclasses.replace(found, seeds=(), interval=UNKNOWN, missing=why)


def against_each(
    evidence: Evidence,
    data: Sequence[str],
    ours: str,
    others: Sequence[str],
    statistic: Statistic,
    *,
    unit: str = ERROR,
    where: str = "",
    learned: bool = False,
) -> list[Finding]:
    """Ours against each of the others, those without a run left out; see :func:`compared`."""
    return [
        compared(
            evidence,
            f"{ours} against {other}{where or f', {data[0]}'}",
            data,
            [ours, other],
            statistic,
            unit=unit,
            percent=True,
            learned=learned,
        )
        for other in others
        if evidence.seeds(data, [ours, other])
    ]


def every_one(test: str, findings: Sequence[Finding], lacking: Sequence[str]) -> Finding | None:
    """What may be claimed of all of them at once: the one least in favour; None without any.

    Args:
        test: in words.
        findings: of the comparisons that could be made.
        lacking: systems that none could be made with; then there is no result.
    """
    if not findings:
        return None
    if lacking:
        why = f"no finished run of {', '.join(lacking)}"
        return dataclasses.replace(findings[0], test=test, seeds=(), interval=UNKNOWN, missing=why)
    least = weakest([found.interval for found in findings])
    found = next(found for found in findings if found.interval is least)
    return dataclasses.replace(found, test=f"{test}; least in favour: {found.test}")


def best_on_validation(evidence: Evidence, data: str, systems: Sequence[str]) -> str | None:
    """The system with the lowest mean validation loss over the seeds all have; None without any.

    The test split has no say in the choice.
    """
    seeds = evidence.seeds([data], [s for s in systems if evidence.of(data, s)])
    losses = {
        system: float(np.mean([evidence.of(data, system)[seed].valid_loss for seed in seeds]))
        for system in systems
        if evidence.of(data, system) and seeds
    }
    return min(losses, key=lambda system: losses[system]) if losses else None
