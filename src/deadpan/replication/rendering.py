"""The page of the claims as Markdown, HTML, CSV and JSON."""

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deadpan.replication.page import Page
from deadpan.replication.rules import FAILS, HOLDS, UNDECIDED, Decided, Finding, Verdict
from deadpan.replication.texts import cell_text, effect_text, finding_texts, interval_text, p_text
from deadpan.show.page import render

MARKS: dict[Verdict, str] = {HOLDS: "holds", FAILS: "fails", UNDECIDED: "open"}
"""Classes of the page's style."""


def markdown(page: Page) -> str:
    """For ``results/``."""
    lines = ["# What the paper claims, tested", ""]
    lines += ["| claim | verdict | effect, 95 % interval | p |", "|---|---|---|---:|"]
    for told in page.claims:
        found = told.claim.deciding
        effect = f"{effect_text(found)} {found.unit}" if found and not found.missing else "-"
        cells = (
            f"{told.claim.key}: {told.claim.says}",
            f"**{told.verdict}**",
            effect,
            p_text(told.p),
        )
        lines.append(f"| {' | '.join(_cell_text(cell) for cell in cells)} |")
    for told in page.claims:
        claim = told.claim
        lines += ["", f"## {claim.key}: {told.verdict}", "", f"> {claim.says} ({claim.source})", ""]
        lines += [claim.remark, ""] if claim.remark else []
        lines += ["| test | effect | 95 % interval | no effect | margin | p | seeds |"]
        lines += ["|---|---:|---:|---:|---:|---:|---:|"]
        for found in _findings(claim.deciding, claim.others):
            lines.append(f"| {' | '.join(map(_cell_text, finding_texts(told, found)))} |")
    for figure in page.figures:
        names = list(dict.fromkeys(point.place for point in figure.points))
        lines += ["", f"## {figure.title}", "", figure.note, "", _row(["", *names])]
        lines.append(_row(["---"] + ["---:"] * len(names)))
        for series in dict.fromkeys(point.series for point in figure.points):
            own = {p.place: p for p in figure.points if p.series == series}
            texts = [interval_text(own[n].interval) if n in own else "" for n in names]
            lines.append(_row([series, *texts]))
    for table in page.tables:
        lines += ["", f"## {table.title}", "", table.note, "", _row(table.columns)]
        lines.append(_row(["---"] + ["---:"] * (len(table.columns) - 1)))
        lines += [_row([name, *map(cell_text, cells)]) for name, cells in table.rows]
    lines += ["", "## How it was made", "", *(f"- {fact}" for fact in page.facts)]
    return "\n".join(lines) + "\n"


def html(page: Page) -> str:
    """One page that needs no other file; every text of the data is escaped."""
    return render(
        "claims.html.j2",
        folder=Path(__file__).parent / "templates",
        page=page,
        marks=MARKS,
        plurals={HOLDS: "hold", FAILS: "do not hold", UNDECIDED: UNDECIDED},
        counts=[(v, sum(told.verdict == v for told in page.claims)) for v in MARKS],
        findings_of=_all_findings,
        finding_texts=finding_texts,
        effect_text=effect_text,
        p_text=p_text,
        cell_text=cell_text,
    )


def as_csv(page: Page) -> str:
    """One row per test, deciding or not."""
    rows = [
        {"claim": told.claim.key, "verdict": told.verdict if found is told.claim.deciding else ""}
        | _plain(told, found)
        | {
            "command": page.command,
            "commit": " ".join(page.commits),
            "configuration": page.evidence.plan.hash,
        }
        for told in page.claims
        for found in _findings(told.claim.deciding, told.claim.others)
    ]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["claim"], lineterminator="\n")
    writer.writeheader()
    writer.writerows([{k: "" if v is None else v for k, v in row.items()} for row in rows])
    return text.getvalue()


def as_json(page: Page) -> str:
    """Everything, with the place, seed and configuration of every run; NaN as null."""
    value = {
        "command": page.command,
        "commits": page.commits,
        "configuration": page.evidence.plan.hash,
        "facts": page.facts,
        "claims": [
            {
                "claim": told.claim.key,
                "says": told.claim.says,
                "source": told.claim.source,
                "verdict": told.verdict,
                "p_corrected": told.p,
                "headline": told.claim.headline,
                "remark": told.claim.remark,
                "deciding": _plain(told, found) if (found := told.claim.deciding) else None,
                "others": [_plain(told, found) for found in told.claim.others],
            }
            for told in page.claims
        ],
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
                "last_epoch_best": run.still_improving,
            }
            for (data, system), runs in page.evidence.runs.items()
            for run in runs.values()
        ],
    }
    return json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _findings(deciding: Finding | None, others: Sequence[Finding]) -> list[Finding]:
    return ([deciding] if deciding else []) + list(others)


def _all_findings(told: Decided) -> list[Finding]:
    return _findings(told.claim.deciding, told.claim.others)


def _plain(told: Decided, found: Finding) -> dict[str, Any]:
    interval = found.interval
    values: dict[str, object] = {
        "deciding": found is told.claim.deciding,
        "test": found.test,
        "data": "; ".join(found.data),
        "systems": "; ".join(found.systems),
        "unit": found.unit,
        "effect": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "no_effect": interval.null,
        "margin": found.margin,
        "p": interval.p,
        "p_corrected": told.p if found is told.claim.deciding else None,
        "seeds": " ".join(map(str, found.seeds)),
        "missing": found.missing,
    }
    return {key: _finite(value) for key, value in values.items()}


def _cell_text(text: str) -> str:
    return text.replace("|", "/")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_cell_text(cell) for cell in cells)} |"


def _finite(value: object) -> object:
    """JSON knows neither NaN nor infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
