"""The page of the claims, as Markdown, HTML, CSV and JSON."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from breakdown import Cell, Table
from figures import Figure
from measuring import ClaimRuns

from deadpan.benchmarking.evidence import SMALLEST_EFFECT
from deadpan.benchmarking.verdicts import (
    FAILS,
    HOLDS,
    UNDECIDED,
    UNTESTED,
    DecidedClaim,
    Finding,
    Verdict,
)
from deadpan.metrics.intervals import Interval
from deadpan.show.page import render
from deadpan.training.settings import Settings

MARKS: dict[Verdict, str] = {HOLDS: "holds", FAILS: "fails", UNDECIDED: "open", UNTESTED: "open"}
"""Classes of the page's style."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Page:
    """Everything that stands on the page.

    Attributes:
        command: the command that makes the page.
        evidence: the finished runs.
        claims: the claims with their verdicts.
        tables: tables beside the claims.
        figures: figures beside the claims.
        failures: places of the runs that were given up, with the reason.
        unfinished: number of runs of the study that have no result.
    """

    command: str
    evidence: ClaimRuns
    claims: Sequence[DecidedClaim]
    tables: Sequence[Table]
    figures: Sequence[Figure]
    failures: Mapping[str, str]
    unfinished: int

    @property
    def commits(self) -> list[str]:
        """Commits of the code that trained the runs."""
        return sorted({run.commit for runs in self.evidence.runs.values() for run in runs.values()})

    @property
    def facts(self) -> list[str]:
        """What must be known to read any number of the page, a sentence each."""
        plan = self.evidence.plan
        sizes = [
            f"{data}: {_sizes(plan.settings(data))}, {self._test_clips(data)} test clips"
            f"{' a seed' if plan.rate(data) is not None else ''}, seeds "
            f"{', '.join(map(str, self._seeds(data)))}"
            for data in plan.grid.data
        ]
        facts = [
            f"command: {self.command}",
            f"commit {', '.join(self.commits) or 'unknown'}; configuration {plan.hash} "
            f"({plan.path.name}{', full' if plan.full else ''})",
            f"plan {plan.fixed}: claims, statistics, nulls, margins and seeds as committed in "
            f"{plan.commit}, before the first run"
            if plan.commit
            else f"plan {plan.fixed}: not committed before the first run, so all of this is "
            "exploratory",
            *sizes,
            "each system has the learning rate, the batches and the average of weights that the "
            "same search chose for it on the validation split of another corpus, with one seed "
            "(tuning.yaml); on real data all have one recipe; weights of the best epoch by "
            "validation loss; the test split opened once for each run",
            "intervals: Student's t over seeds, with the variance of redrawn clips added where "
            "seeds share their test clips (real data)",
            "a claim does not hold where its effect is shown to be below the smallest that matters "
            "(the margin), even one that is surely there, holds where an effect is shown "
            "otherwise, and is undecided where the runs allow both; each is a one-sided test, "
            "whose p is multiplied by the number of claims that have a deciding test "
            f"({self._deciding}); no difference that matters: shown to be within "
            f"{SMALLEST_EFFECT:g} of no effect on both sides",
            "p of the tests that decide nothing: two-sided, not corrected",
            "corpora that differ in who carries: of each seed the share over them is one number",
            "seeds that would decide: for four times in five, if the effect is as large as it was "
            "found",
        ]
        facts += [f"{name}: skipped, {why}" for name, why in plan.skipped.items()]
        if self.unfinished:
            facts.append(f"{self.unfinished} runs of the study have no result: go on with --resume")
        facts += [f"{place}: {why}" for place, why in self.failures.items()]
        return facts + self._divergences

    @property
    def _divergences(self) -> list[str]:
        """The runs that diverged after a better epoch, by their place."""
        every = (run for runs in self.evidence.runs.values() for run in runs.values())
        return [f"{run.place}: {why}" for run in every if (why := run.epochs.divergence)]

    @property
    def _deciding(self) -> int:
        return sum(decided.claim.deciding is not None for decided in self.claims)

    def _test_clips(self, data: str) -> int:
        errors = [
            run.columns["error"]
            for (name, _), each in self.evidence.runs.items()
            if name == data
            for run in each.values()
        ]
        return len(errors[0]) if errors else 0

    def _seeds(self, data: str) -> list[int]:
        seeds = [
            seed for (name, _), runs in self.evidence.runs.items() if name == data for seed in runs
        ]
        return sorted(set(seeds))


def as_markdown(page: Page) -> str:
    """The page as Markdown, for this folder."""
    lines = ["# What the paper claims, tested", ""]
    heads = ["claim", "verdict", "effect, 95 % interval", "p of no effect", "p of one that matters"]
    lines += [_row(heads), "|---|---|---|---:|---:|"]
    for decided in page.claims:
        claim, finding = decided.claim, decided.claim.deciding
        effect = (
            f"{effect_text(finding)} {finding.unit}" if finding and not finding.missing else "-"
        )
        cells = [f"{claim.key}: {claim.says}", f"**{verdict_text(decided)}**", effect]
        lines.append(_row([*cells, p_text(decided.p), p_text(decided.p_fails)]))
    for decided in page.claims:
        claim = decided.claim
        lines += ["", f"## {claim.key}: {verdict_text(decided)}", ""]
        lines += [f"> {claim.says} ({claim.source})", ""]
        lines += [claim.remark, ""] if claim.remark else []
        heads = ["test", "effect", "95 % interval", "no effect", "margin", "p", "seeds"]
        lines += _heads(heads)
        lines += [_row(finding_texts(decided, finding)) for finding in claim.findings]
    for figure in page.figures:
        places = list(dict.fromkeys(point.place for point in figure.points))
        lines += ["", f"## {figure.title}", "", figure.note, "", *_heads(["", *places])]
        for series in dict.fromkeys(point.series for point in figure.points):
            points = {p.place: p for p in figure.points if p.series == series}
            texts = [interval_text(points[x].interval) if x in points else "" for x in places]
            lines.append(_row([series, *texts]))
    for table in page.tables:
        lines += ["", f"## {table.title}", "", table.note, "", *_heads(table.columns)]
        lines += [_row([name, *map(cell_text, cells)]) for name, cells in table.rows]
    lines += ["", "## How it was made", "", *(f"- {fact}" for fact in page.facts)]
    return "\n".join(lines) + "\n"


def as_html(page: Page) -> str:
    """The page as HTML that needs no other file; every text of the data is escaped."""
    return render(
        "claims.html.j2",
        folder=Path(__file__).parent,
        title="What the paper claims, tested",
        page=page,
        marks=MARKS,
        plurals={HOLDS: "hold", FAILS: "do not hold", UNDECIDED: UNDECIDED, UNTESTED: UNTESTED},
        verdict_text=verdict_text,
        counts=[(v, sum(decided.verdict == v for decided in page.claims)) for v in MARKS],
        finding_texts=finding_texts,
        effect_text=effect_text,
        p_text=p_text,
        cell_text=cell_text,
    )


def csv_rows(page: Page) -> list[dict[str, Any]]:
    """One row per test, deciding or not."""
    made = {
        "command": page.command,
        "commit": " ".join(page.commits),
        "configuration": page.evidence.plan.hash,
    }
    rows: list[dict[str, Any]] = []
    for decided in page.claims:
        for finding in decided.claim.findings:
            verdict = decided.verdict if finding is decided.claim.deciding else ""
            first = {"claim": decided.claim.key, "verdict": verdict}
            rows.append(first | _values(decided, finding) | made)
    return rows


def json_values(page: Page) -> dict[str, Any]:
    """Everything, with the place, seed and configuration of every run."""
    return {
        "command": page.command,
        "commits": page.commits,
        "configuration": page.evidence.plan.hash,
        "plan": page.evidence.plan.fixed,
        "plan_commit": page.evidence.plan.commit,
        "facts": page.facts,
        "claims": [_claim_values(decided) for decided in page.claims],
        "figures": {
            figure.name: [dataclasses.asdict(point) for point in figure.points]
            for figure in page.figures
        },
        "tables": [dataclasses.asdict(table) for table in page.tables],
        "runs": [
            {
                "data": data,
                "system": system,
                "seed": run.seed,
                "place": run.place,
                "commit": run.commit,
                "parameters": run.parameters,
                "primary": run.primary,
                "at_the_cap": run.at_the_cap,
                "divergence": run.epochs.divergence,
            }
            for (data, system), runs in page.evidence.runs.items()
            for run in runs.values()
        ],
    }


def verdict_text(decided: DecidedClaim) -> str:
    """A verdict with what is known beside it."""
    if decided.verdict == FAILS and decided.equivalent:
        return f"{FAILS} (no difference that matters)"
    deciding = decided.claim.deciding
    if decided.verdict == UNDECIDED and deciding:
        units = "seeds" if deciding.interval.successes is None else "runs"
        if deciding.interval.error == 0:
            return f"{UNDECIDED} (all seeds are alike)"
        number = "more than 1,000" if decided.needed is None else f"about {decided.needed}"
        return f"{UNDECIDED} ({number} {units} would decide)"
    return decided.verdict


def finding_texts(decided: DecidedClaim, finding: Finding) -> list[str]:
    """The cells of a test as people read them; the deciding one is marked."""
    deciding = finding is decided.claim.deciding
    first = f"**{finding.test}**" if deciding else finding.test
    if finding.missing:
        return [first, finding.missing, "", "", "", "", ""]
    interval, seeds = finding.interval, str(len(finding.seeds))
    if math.isnan(interval.estimate):
        return [first, "undefined here", "", "", "", "", seeds]
    effect, null, margin, low, high = (
        _number(x, finding.percent)
        for x in (interval.estimate, interval.null, finding.margin, interval.low, interval.high)
    )
    between = "unknown" if math.isnan(interval.low) else f"{low} to {high}"
    p = p_text(decided.p if deciding else interval.p)
    return [first, f"{effect} {finding.unit}", between, null, margin, p, seeds]


def effect_text(finding: Finding) -> str:
    """An effect with its interval."""
    low, high = (_number(x, finding.percent) for x in (finding.interval.low, finding.interval.high))
    return f"{_number(finding.interval.estimate, finding.percent)} [{low}, {high}]"


def interval_text(interval: Interval) -> str:
    """A mean with its interval, where there is one."""
    if math.isnan(interval.low):
        return f"{interval.estimate:.3f}"
    return f"{interval.estimate:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def p_text(p: float) -> str:
    """A p value, or nothing where there is none."""
    if math.isnan(p):
        return ""
    return "<.001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def cell_text(cell: Cell) -> str:
    """A mean and its standard deviation."""
    mean, deviation = cell
    if math.isnan(mean):
        return ""
    text = f"{mean:.1f}" if abs(mean) >= 10 else f"{mean:.3f}"
    return text if math.isnan(deviation) else f"{text} ± {deviation:.{1 if mean >= 10 else 3}f}"


def _sizes(settings: Settings) -> str:
    patience = f", patience {settings.patience}" if settings.patience else ""
    return f"at most {settings.epochs} epochs{patience}"


def _claim_values(decided: DecidedClaim) -> dict[str, Any]:
    claim = decided.claim
    return {
        "claim": claim.key,
        "says": claim.says,
        "source": claim.source,
        "verdict": decided.verdict,
        "p_no_effect": decided.p,
        "p_effect_that_matters": decided.p_fails,
        "p_difference_that_matters": decided.p_equivalent,
        "units_that_would_decide": decided.needed,
        "headline": claim.headline,
        "remark": claim.remark,
        "deciding": _values(decided, claim.deciding) if claim.deciding else None,
        "others": [_values(decided, finding) for finding in claim.others],
    }


def _values(decided: DecidedClaim, finding: Finding) -> dict[str, Any]:
    interval, deciding = finding.interval, finding is decided.claim.deciding
    values: dict[str, object] = {
        "deciding": deciding,
        "test": finding.test,
        "data": "; ".join(finding.data),
        "systems": "; ".join(finding.systems),
        "unit": finding.unit,
        "effect": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "no_effect": interval.null,
        "margin": finding.margin,
        "p": interval.p,
        "p_corrected": decided.p if deciding else None,
        "seeds": " ".join(map(str, finding.seeds)),
        "missing": finding.missing,
    }
    # NaN, a float that differs from itself, is empty in every file.
    return {key: None if value != value else value for key, value in values.items()}  # noqa: PLR0124


def _heads(names: Sequence[str]) -> list[str]:
    return [_row(names), _row(["---", *["---:"] * (len(names) - 1)])]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _number(value: float, percent: bool) -> str:
    if math.isnan(value):
        return "?"
    return f"{100 * value:.1f} %" if percent else f"{value:.3f}"
