"""Train the grid of ``factors.yaml`` and tell reader, hierarchy and gate apart.

    python studies/accuracy/factors.py [--only controlled,ravdess4] [--workers N]

Each effect is the share of its error that a system avoids when one factor changes and the others
stay, paired by seed and clip, with a 95 % interval over seeds and clips. Writes factors.csv, a row
a run with its seed and commit; factors.md, the error of every system and the effects; and
factors.svg and .png. A grid that is there goes on; finished runs are skipped.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from grid_study import arguments_of, finished_runs, write_files

from deadpan.benchmarking.evidence import Evidence, MeasuredRun, error_avoided
from deadpan.benchmarking.grid import Case
from deadpan.benchmarking.verdicts import Finding
from deadpan.cli.output import run_script
from deadpan.metrics.incongruity import sign_flips
from deadpan.show.drawing import INK, MUTED, picture
from deadpan.training.opened import RunDirectory
from deadpan.training.predictions import Predictions, errors

READERS = ("none", "GRU")
FIXED = ("text first", "audio first", "vision first")
FLAT, CORPUS, CLIP = "flat", "gate per corpus", "gate per clip"
STRUCTURES = (FLAT, *FIXED, CORPUS, CLIP)
BASELINES = {"constant_error": "train mean", "ridge_error": "ridge"}

Row = dict[str, Any]


def measured(cases: Sequence[Case], runs: Path) -> tuple[Evidence, list[Row]]:
    """The error of every run on every test clip, and a row a run."""
    found: dict[tuple[str, str], dict[int, MeasuredRun]] = {}
    rows: list[Row] = []
    for case in cases:
        run = RunDirectory(runs / case.directory)
        scores, epochs = run.scores(), run.epochs()
        mae = {row.system: row.metrics.get("mae", np.nan) for row in scores.rows}
        found.setdefault((case.data, case.system), {})[case.settings.seed] = MeasuredRun(
            seed=case.settings.seed,
            columns=_columns(run.predictions()),
            valid_loss=float(np.nanmin(epochs.valid_loss)),
            **{name: mae.get(system, np.nan) for name, system in BASELINES.items()},
        )
        structure, reader = case.system.split(": ")
        rows.append(
            {
                "data": case.data,
                "structure": structure,
                "reader": reader,
                "seed": case.settings.seed,
                "parameters": run.environment().parameters,
                "epochs": len(epochs.epochs),
                "commit": run.environment().commit_name,
            }
            | dict(scores.rows[-1].metrics)
        )
    return Evidence(runs=found, shared_clips={data for data, _ in found}), rows


def _columns(predictions: Predictions) -> dict[str, np.ndarray]:
    """The error of each clip and, where its kind is known, that kind and whether its sign is wrong.

    A system that gets the sign of a kind of clips wrong more often than a coin has learned nothing,
    whatever its error is; see :meth:`~deadpan.benchmarking.evidence.Evidence.unlearned`.
    """
    columns: dict[str, np.ndarray] = {"error": errors(predictions).mean(axis=1)}
    if any(predictions.kinds):
        columns["kind"] = np.array(predictions.kinds, dtype=object)
        columns["flip"] = sign_flips(predictions.predicted[:, 0], predictions.truth[:, 0])
    return columns


def effects(evidence: Evidence, data: str) -> list[Finding]:
    """The effect of each factor at each level of the others that was run."""

    def gain(factor: str, after: str, before: str) -> Finding:
        return evidence.compare(
            f"{factor}: {after} instead of {before}",
            [data],
            [after, before],
            error_avoided,
            percent=True,
            learned=[after, before],
        )

    findings = [
        gain("reader", f"{structure}: GRU", f"{structure}: none")
        for structure in STRUCTURES
        if evidence.seeds([data], [f"{structure}: {reader}" for reader in READERS])
    ]
    for reader in READERS:
        fixed = evidence.best_on_validation(data, [f"{name}: {reader}" for name in FIXED])
        steps = [
            ("hierarchy", fixed, f"{FLAT}: {reader}"),
            ("gate", f"{CORPUS}: {reader}", fixed),
            ("gate", f"{CLIP}: {reader}", f"{CORPUS}: {reader}"),
        ]
        findings += [
            gain(factor, after, before)
            for factor, after, before in steps
            if after and before and evidence.seeds([data], [after, before])
        ]
    return findings


def table(evidence: Evidence, data: str, findings: Sequence[Finding]) -> str:
    """The mean error of every system, and the effects, as Markdown."""
    lines = [f"## {data}", "", f"| Mean error | {' | '.join(READERS)} |", "| --- | ---: | ---: |"]
    for structure in STRUCTURES:
        cells: list[str] = []
        for reader in READERS:
            runs = evidence.by_seed(data, f"{structure}: {reader}").values()
            means = [float(run.columns["error"].mean()) for run in runs]
            spread = f" ± {np.std(means, ddof=1):.3f}" if len(means) > 1 else ""
            cells.append(f"{np.mean(means):.3f}{spread}" if means else "")
        lines.append(f"| {structure} | {' | '.join(cells)} |")
    lines += [
        "",
        "| Effect | Error avoided | 95 % interval | Seeds |",
        "| --- | ---: | ---: | ---: |",
    ]
    for finding in findings:
        interval = finding.interval
        cells = (
            [finding.missing, "", ""]
            if finding.missing
            else [
                f"{100 * interval.estimate:.1f} %",
                f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %",
                str(len(finding.seeds)),
            ]
        )
        lines.append(f"| {finding.test} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def paint(each: Mapping[str, Sequence[Finding]]) -> Callable[[Any], None]:
    """A panel for each data set: every effect with its interval."""

    def painted(figure: Any) -> None:
        heights = [max(1, len(findings)) for findings in each.values()]
        panels = figure.subplots(len(each), 1, squeeze=False, height_ratios=heights)
        for (data, findings), axes in zip(each.items(), panels[:, 0], strict=True):
            for height, finding in enumerate(findings):
                interval = finding.interval
                if not finding.missing:
                    ends = [100 * interval.low, 100 * interval.high]
                    axes.plot(ends, [height, height], c=INK, lw=1.2)
                    axes.plot([100 * interval.estimate], [height], "o", c="#0072B2", ms=5)
            names = [x.test + (" (nothing learned)" if x.missing else "") for x in findings]
            axes.set_yticks(range(len(findings)), names)
            axes.set_ylim(len(findings) - 0.5, -0.5)
            axes.axvline(0, c=MUTED, ls=":", lw=1)
            axes.grid(visible=False, axis="y")
            axes.set_title(data, loc="left", fontsize=9, fontweight="bold")
            axes.set_xlabel("error avoided on the test split (%); above 0: the change pays")

    return painted


def main() -> None:
    arguments = arguments_of(__doc__.splitlines()[0], "factors")
    runs = finished_runs(arguments)
    evidence, rows = measured(runs.cases, runs.places)
    each = {data: effects(evidence, data) for data in dict.fromkeys(row["data"] for row in rows)}
    only = ",".join(each)
    text = (
        "# What earns what: reader, hierarchy, gate\n\n"
        f"`python studies/accuracy/factors.py --only {only}`; each run's seed and commit are in "
        "factors.csv. Error: mean distance of decisions from labels. Fixed: the primary modality "
        "with the lowest mean validation loss. An effect changes one factor and leaves the others; "
        "its interval is over seeds, with the variance of redrawn test clips.\n\n"
        "![Effect of each factor](factors.svg)\n\n"
    )
    text += "\n".join(table(evidence, data, findings) for data, findings in each.items())
    text += runs.notes
    count = sum(map(len, each.values()))
    drawn = picture("factors", paint(each), (7.2, 0.7 * len(each) + 0.26 * count))
    write_files(arguments.out, "factors", rows, text, drawn)
    runs.refuse_failures()


if __name__ == "__main__":
    run_script("studies/accuracy/factors.py", main)
