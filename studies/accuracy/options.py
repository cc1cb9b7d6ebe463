"""Train the grid of ``options.yaml`` and show what each option does to HCT-MG.

    python studies/accuracy/options.py [--only mosi_mpnet,controlled] [--workers N]

``python studies/accuracy/materials.py`` makes the encoders' states that it reads. Writes
options.json, the tables of the grid; options.csv, a row a run with its seed and commit; options.md;
and options.svg and .png. A grid that is there goes on; finished runs are skipped, and only they are
shown.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import deadpan
from deadpan.benchmarking.grid import read_grid
from deadpan.benchmarking.runner import finished
from deadpan.cli.progress import watching_grid
from deadpan.files import write_atomically, write_csv
from deadpan.show.drawing import INK, MUTED, picture
from deadpan.training.opened import RunDirectory

HERE = Path(__file__).parent
Table = dict[str, Any]
"""One data set of the grid, as its tables.json has it."""


def rows_of(config: Path, only: Sequence[str], out: Path) -> list[dict[str, Any]]:
    """A row for each finished run: its scores on the test split, its seed, its commit."""
    grid = read_grid(config, only=only)
    rows = []
    for case in grid.cases({name: grid.folds_of(name) for name in grid.data}, {}):
        if not finished(case, out / "runs"):
            continue
        run = RunDirectory(out / "runs" / case.directory)
        row = {
            "data": case.data,
            "system": case.system,
            "seed": case.settings.seed,
            "fold": case.fold or "",
            "commit": run.environment().commit_name,
        }
        rows.append(row | dict(run.scores().rows[-1].metrics))
    return rows


def paint(tables: Sequence[Table]) -> Callable[[Any], None]:
    """A panel for each data set: the first metric of every system, against that of HCT-MG."""

    def painted(figure: Any) -> None:
        heights = [len(table["rows"]) for table in tables]
        panels = figure.subplots(len(tables), 1, squeeze=False, height_ratios=heights)
        for table, axes in zip(tables, panels[:, 0], strict=True):
            column = table["columns"][0]
            key, scale = column["key"], 100 if column["percent"] else 1
            rows = [row for row in table["rows"] if row["parameters"] and row[key] is not None]
            for height, row in enumerate(rows):
                against = row["system"] == table["against"]
                deviation = scale * (row[f"{key}_sd"] or 0)
                axes.errorbar(
                    scale * row[key], height, xerr=deviation, fmt="D" if against else "o",
                    c=INK if against else "#0072B2", ms=4, elinewidth=1,
                )  # fmt: skip
                if against:
                    axes.axvline(scale * row[key], c=MUTED, ls=":", lw=1)
            axes.set_yticks(range(len(rows)), [row["system"] for row in rows])
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.grid(visible=False, axis="y")
            better = "higher is better" if column["higher_is_better"] else "lower is better"
            axes.set_title(table["data"], loc="left", fontsize=9, fontweight="bold")
            unit = "%" if column["percent"] else "label's unit"
            axes.set_xlabel(f"{column['title']} on the test split ({unit}; {better})")

    return painted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="controlled", help="data sets, as in mosi_mpnet,ravdess4")
    parser.add_argument("--workers", type=int, help="runs at once")
    parser.add_argument("--config", type=Path, default=HERE / "options.yaml")
    parser.add_argument("--out", type=Path, default=HERE, help="where the tables are written")
    parser.add_argument("--runs", type=Path, default=HERE.parents[1] / "runs" / "options")
    arguments = parser.parse_args()
    only = arguments.only.split(",")
    with watching_grid() as watch:
        deadpan.benchmark(
            arguments.config,
            out=arguments.runs,
            only=only,
            workers=arguments.workers,
            resume=arguments.runs.exists(),
            watch=watch,
        )
    rows = rows_of(arguments.config, only, arguments.runs)
    tables = json.loads((arguments.runs / "tables.json").read_text(encoding="utf-8"))
    commits = ", ".join(sorted({row["commit"] for row in rows}))
    text = (
        "# What each option does to HCT-MG, on the test split\n\n"
        f"`python studies/accuracy/options.py --only {arguments.only}`, commit {commits}; each "
        "run's seed is in options.csv. Mean ± standard deviation over seeds; the best epoch is "
        "that of the lowest validation loss. p: against HCT-MG, over seeds and clips, corrected "
        "for the number of systems.\n\n![First metric of each system](options.svg)\n\n"
    )
    text += "\n".join(
        (arguments.runs / f"{table['data']}.md").read_text(encoding="utf-8").replace("# ", "## ", 1)
        for table in tables
    )
    systems = sum(len(table["rows"]) for table in tables)
    drawn = picture("options", paint(tables), (7.2, 0.6 * len(tables) + 0.24 * systems))
    write_csv(arguments.out / "options.csv", rows)
    write_atomically(arguments.out / "options.json", json.dumps(tables, indent=1).encode())
    write_atomically(arguments.out / "options.svg", drawn.svg.encode())
    write_atomically(arguments.out / "options.png", drawn.png)
    write_atomically(arguments.out / "options.md", text.encode())
    print(f"{arguments.out / 'options.md'}, .csv, .json, .svg, .png")


if __name__ == "__main__":
    main()
