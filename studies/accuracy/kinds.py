"""Tabulate the error on generated clips by what their modalities show.

    python studies/accuracy/kinds.py [--grids options,families] [--workers N]

Of the grid ``options.yaml`` its data set ``controlled``, and the grid ``families.yaml``, which asks
whether each family of networks can read such clips at all; ``REACHED`` says what counts as that.
Grids that are there go on; finished runs are skipped. Writes kinds.csv, a row for each run and kind
with the run's seed and commit; kinds.md, means over seeds, the share of the error on incongruent
clips that each system avoids, and which reach the stated error; and kinds.svg and .png.
"""

import argparse
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from grid_study import HERE, StudyRuns, finished_runs, grid_parser, write_files

from deadpan.benchmarking.evidence import Evidence, MeasuredRun, error_avoided
from deadpan.benchmarking.grid import Case
from deadpan.cli.output import run_script
from deadpan.data.generated.controlled import INCONGRUENT, KINDS
from deadpan.show.drawing import INK, MUTED, picture
from deadpan.training.opened import RunDirectory
from deadpan.training.predictions import errors

REACHED = {"easy": 0.75}
"""What counts as reading clips: by data set the largest mean absolute error, as a share of that of
a guess of 0, on every kind of clip. A quarter less than a guess is more than chance takes away, and
of a ``combination`` no modality alone gives any of it. It was set when runs of the grid had begun,
by someone who had not seen a score of them."""

GRIDS = {"options": "controlled", "families": "easy"}
"""Grids, and the data set of each that is tabulated."""

AGAINST = ("HCT-MG", "MulT, GRU")
"""Systems whose errors on incongruent clips are those to be avoided, where the grid has them."""

WORST = 2.4
"""The right end of the figure's axes: nothing errs much more than a guess of 0."""

EVERY, BOTH = "all", "incongruent"
ZERO = "0 for every clip"
Row = dict[str, Any]


def grid_of(name: str, arguments: argparse.Namespace) -> StudyRuns:
    """Run a grid, on the data set of it that is tabulated."""
    own = argparse.Namespace(
        config=HERE / f"{name}.yaml",
        runs=arguments.runs / name,
        only=[GRIDS[name]],
        seeds=arguments.seeds,
        workers=arguments.workers,
        ray=arguments.ray,
    )
    return finished_runs(own)


def measured(runs: StudyRuns) -> tuple[Evidence, list[Row]]:
    """The errors of a grid on each test clip, and their means by kind of clip, a row each."""
    rows: list[Row] = []
    found: dict[tuple[str, str], dict[int, MeasuredRun]] = {}
    for case in runs.cases:
        run = RunDirectory(runs.places / case.directory)
        predictions = run.predictions()
        kinds, error = np.array(predictions.kinds), errors(predictions)[:, 0]
        commit = run.environment().commit_name
        if not rows:
            rows += by_kind(case, "", "", kinds, np.abs(predictions.truth[:, 0]), system=ZERO)
        rows += by_kind(case, case.settings.seed, commit, kinds, error, system=case.system)
        found.setdefault((case.data, case.system), {})[case.settings.seed] = MeasuredRun(
            seed=case.settings.seed,
            columns={"error": error[np.isin(kinds, INCONGRUENT)]},
            valid_loss=float(np.nanmin(run.epochs().valid_loss)),
            constant_error=np.nan,
        )
    return Evidence(runs=found, shared_clips={data for data, _ in found}), rows


def by_kind(
    case: Case, seed: int | str, commit: str, kinds: np.ndarray, error: np.ndarray, *, system: str
) -> list[Row]:
    """A row for each kind of clip that there is: the mean error."""
    parts = {kind: kinds == kind for kind in KINDS}
    parts |= {BOTH: np.isin(kinds, INCONGRUENT), EVERY: kinds != ""}
    row = {"data": case.data, "system": system, "seed": seed}
    return [
        row
        | {"kind": kind, "clips": int(chosen.sum()), "mae": float(error[chosen].mean())}
        | {"commit": commit}
        for kind, chosen in parts.items()
        if chosen.any()
    ]


def of_system(rows: Sequence[Row], system: str, kind: str) -> dict[int, float]:
    """The error of a system on a kind of clip, by seed."""
    return {
        int(row["seed"] or 0): float(row["mae"])
        for row in rows
        if row["system"] == system and row["kind"] == kind
    }


def table(evidence: Evidence, rows: Sequence[Row]) -> str:
    """One data set as Markdown."""
    systems = list(dict.fromkeys(row["system"] for row in rows))
    kinds = [kind for kind in (*KINDS, BOTH, EVERY) if any(row["kind"] == kind for row in rows)]
    many = any(len(of_system(rows, system, EVERY)) > 1 for system in systems)
    against = [name for name in AGAINST if many and name in systems]
    clips = {row["kind"]: row["clips"] for row in rows}
    head = ["system", *(f"{kind} ({clips[kind]})" for kind in kinds)]
    head += [f"avoided of {name}'s, incongruent" for name in against]
    data = rows[0]["data"]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for system in systems:
        cells = [system]
        for kind in kinds:
            values = list(of_system(rows, system, kind).values())
            spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.3f}{spread}")
        for name in against:
            if system in (name, ZERO):
                cells.append("")
                continue
            found = evidence.effect([data], [system, name], error_avoided)
            shares = (100 * x for x in (found.estimate, found.low, found.high))
            cells.append("{:.1f} % ({:.1f} to {:.1f})".format(*shares))
        lines.append(cells)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def reached(rows: Sequence[Row], bound: float) -> str:
    """Which systems err less than this share of a guess of 0 on every kind of clip, as Markdown."""
    kinds = [kind for kind in KINDS if any(row["kind"] == kind for row in rows)]
    lines = [["system", *kinds, "reached"], ["---", *["---:"] * (len(kinds) + 1)]]
    for system in dict.fromkeys(row["system"] for row in rows if row["system"] != ZERO):
        shares = [
            statistics.mean(of_system(rows, system, kind).values())
            / statistics.mean(of_system(rows, ZERO, kind).values())
            for kind in kinds
        ]
        said = "yes" if max(shares) <= bound else "no"
        lines.append([system, *(f"{100 * share:.0f} %" for share in shares), said])
    text = "Error as a share of a guess of 0's; reached: on every kind of clip at most "
    text += f"{100 * bound:.0f} %.\n\n"
    return text + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def paint(rows: Sequence[Row]) -> Callable[[Any], None]:
    """A column of panels for each kind of clip, a row for each data set."""
    by_data: Mapping[str, list[Row]] = {
        data: [row for row in rows if row["data"] == data]
        for data in dict.fromkeys(row["data"] for row in rows)
    }

    def painted(figure: Any) -> None:
        names = [list(dict.fromkeys(row["system"] for row in of)) for of in by_data.values()]
        panels = figure.subplots(
            len(by_data),
            len(KINDS),
            squeeze=False,
            sharex=True,
            height_ratios=list(map(len, names)),
        )
        for (data, of), systems, line in zip(by_data.items(), names, panels, strict=True):
            for kind, axes in zip(KINDS, line, strict=True):
                for height, system in enumerate(systems):
                    values = list(of_system(of, system, kind).values())
                    if not values:
                        continue
                    mean = statistics.mean(values)
                    if system == ZERO:
                        axes.axvline(mean, c=MUTED, ls=":", lw=1)
                        continue
                    deviation = statistics.stdev(values) if len(values) > 1 else 0
                    axes.errorbar(
                        mean, height, xerr=deviation, fmt="o", ms=4, elinewidth=1,
                        c=INK if system == AGAINST[0] else "#0072B2",
                    )  # fmt: skip
                axes.set_ylim(len(systems) - 0.5, 0.5)  # 0 is the guess of 0, a line
                axes.set_xlim(0, WORST)
                axes.grid(visible=False, axis="y")
                first = kind == KINDS[0]
                axes.set_yticks(range(1, len(systems)), systems[1:] if first else [])
                axes.set_title(f"{data}: {kind}" if first else kind, loc="left", fontsize=9)
        for axes in panels[-1]:
            axes.set_xlabel("MAE (lower is better)")

    return painted


def text_of(found: Mapping[str, tuple[Evidence, Sequence[Row]]]) -> str:
    """kinds.md."""
    lines = [
        "# The error on generated clips by what their modalities show",
        "",
        "`python studies/accuracy/kinds.py`; each run's seed and commit are in "
        "kinds.csv. Mean absolute error on test clips, on the scale from -3 to 3; mean ± standard "
        "deviation over seeds; in brackets the number of clips. A `majority` is two modalities "
        "against one; of a `combination` two modalities show signs whose product is meant; these "
        "two are `incongruent`. Avoided: the share of the other system's error, paired by seed, "
        "with a 95 % interval over seeds and clips.",
        "",
        "![Error by kind of clip; dotted: 0 for every clip](kinds.svg)",
        "",
        "Dotted: the error of 0 for every clip.",
    ]
    for data, (evidence, rows) in found.items():
        lines += ["", f"## {data}", "", table(evidence, rows)]
        if data in REACHED:
            lines += ["", reached(rows, REACHED[data])]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = grid_parser(__doc__.splitlines()[0])
    parser.add_argument("--grids", default=",".join(GRIDS), help="as in options,families")
    arguments = parser.parse_args()
    asked = arguments.grids.split(",")
    if unknown := set(asked) - GRIDS.keys():
        parser.error(f"no such grid: {', '.join(sorted(unknown))}; there are {', '.join(GRIDS)}")
    grids = {GRIDS[name]: grid_of(name, arguments) for name in asked}
    found = {data: measured(runs) for data, runs in grids.items()}
    made = [row for _, rows in found.values() for row in rows]
    systems = len({(row["data"], row["system"]) for row in made})
    drawn = picture("kinds", paint(made), (10.0, 1.2 + 0.24 * systems))
    text = text_of(found) + "".join(runs.notes for runs in grids.values())
    write_files(arguments.out, "kinds", made, text, drawn)
    for runs in grids.values():
        runs.refuse_failures()


if __name__ == "__main__":
    run_script("studies/accuracy/kinds.py", main)
