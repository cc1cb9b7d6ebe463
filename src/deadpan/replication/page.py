"""What the page of the claims says, before it is written in any form."""

import dataclasses
from collections.abc import Mapping, Sequence

from deadpan.errors import DeadpanError
from deadpan.replication.breakdown import Breakdown
from deadpan.replication.evidence import Evidence
from deadpan.replication.figures import Figure
from deadpan.replication.rules import Decided
from deadpan.training.settings import Settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """All that the page says.

    Attributes:
        command: that makes it.
        evidence: that it stands on.
        claims: with their verdicts.
        tables: beside them.
        figures: drawn.
        failures: why each run that was given up was, by its place.
        unfinished: runs of the study that have no result.
    """

    command: str
    evidence: Evidence
    claims: Sequence[Decided]
    tables: Sequence[Breakdown]
    figures: Sequence[Figure]
    failures: Mapping[str, str]
    unfinished: int

    @property
    def commits(self) -> list[str]:
        """Of the code that trained the runs."""
        return sorted({run.commit for runs in self.evidence.runs.values() for run in runs.values()})

    @property
    def facts(self) -> list[str]:
        """What must be known to read any number of it, a sentence each."""
        plan = self.evidence.plan
        sizes = [
            f"{data}: {_sizes(plan.settings(data))}, seeds "
            f"{', '.join(map(str, _seeds(self.evidence, data)))}"
            for data in plan.grid.data
        ]
        told = [
            f"command: {self.command}",
            f"commit {', '.join(self.commits) or 'unknown'}; configuration {plan.hash} "
            f"({plan.path.name}{', full' if plan.full else ''})",
            *sizes,
            "every system of a data set has the same epochs, batches and learning rate; weights of "
            "the best epoch by validation loss; the test split opened once for each run",
            "intervals: Student's t over seeds, with the variance of redrawn clips added where "
            "seeds share their test clips (real data); p corrected by Holm over the deciding tests",
            "a claim holds where its interval lies on the claimed side and the corrected p is "
            "below .05; it does not where the whole interval lies below the smallest effect worth "
            "a claim (the margin); else it cannot be tested with what is here",
        ]
        told += [f"{name}: skipped, {why}" for name, why in plan.skipped.items()]
        if self.unfinished:
            told.append(f"{self.unfinished} runs of the study have no result: go on with --resume")
        told += [f"{place}: {why}" for place, why in self.failures.items()]
        return told


def refuse_empty(evidence: Evidence) -> None:
    """Raise DeadpanError where no run has finished: there would be nothing to say."""
    if not evidence.runs:
        raise DeadpanError(
            f"{evidence.plan.path}: no run of the study has finished; see why above, mend it, and "
            f"go on with --resume"
        )


def _seeds(evidence: Evidence, data: str) -> list[int]:
    return sorted({seed for (d, _), runs in evidence.runs.items() if d == data for seed in runs})


def _sizes(settings: Settings) -> str:
    clips = settings.data_options.get("clips")
    made = f"{clips} generated clips a seed, " if clips else ""
    return f"{made}{settings.epochs} epochs"
