"""Train every system of ``compare.yaml`` and keep the tables here.

    python studies/compare/run.py [--only controlled,mosi_text] [--workers N]

Writes DATA.md and DATA.csv, tables.json, and the costs in README.md. Finished runs are skipped;
data sets that were not asked for stay as they are.
"""

import argparse
import json
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import deadpan
from deadpan.benchmarking.run import runs_without_result
from deadpan.cli.output import run_script
from deadpan.cli.progress import watching_grid
from deadpan.files import write_atomically

HERE = Path(__file__).resolve().parent
RUNS = HERE.parents[1] / "runs"
START, END = "<!-- costs -->\n", "<!-- end -->"


def costs(tables: Sequence[Mapping[str, Any]]) -> str:
    """Minutes of one core that each system took on each data set, over all seeds and folds."""
    names = [table["data"] for table in tables]
    minutes: dict[str, dict[str, float]] = {}
    for table in tables:
        for row in table["rows"]:
            if row["seeds"] and row["seconds"] is not None:
                spent = row["seconds"] * row["seeds"] / 60
                minutes.setdefault(row["system"], {})[table["data"]] = spent
    everything = {name: sum(each.get(name, 0) for each in minutes.values()) for name in names}
    lines = [f"| system | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    for system, each in minutes.items():
        cells = [f"{each[name]:.1f}" if name in each else "" for name in names]
        lines.append(f"| {system} | {' | '.join(cells)} |")
    lines.append(f"| **all** | {' | '.join(f'**{everything[name]:.0f}**' for name in names)} |")
    return "\n".join(lines) + "\n"


def with_costs(text: str, tables: Sequence[Mapping[str, Any]]) -> str:
    """The README with today's costs between its marks."""
    before, rest = text.split(START)
    return before + START + costs(tables) + END + rest.split(END, 1)[1]


def keep_tables(grid: Path, out: Path) -> None:
    """Copy the tables of a grid, beside those of data sets that were not asked for."""
    tables = json.loads((grid / "tables.json").read_text(encoding="utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    for table in tables:
        for suffix in ("md", "csv"):
            shutil.copyfile(
                grid / f"{table['data']}.{suffix}",
                out / f"{table['data']}.{suffix}",
            )
    if (before := out / "tables.json").exists():
        new = {table["data"] for table in tables}
        old = json.loads(before.read_text(encoding="utf-8"))
        tables = [table for table in old if table["data"] not in new] + tables
    write_atomically(out / "tables.json", (json.dumps(tables, indent=1) + "\n").encode())
    if (readme := out / "README.md").exists():
        text = with_costs(readme.read_text(encoding="utf-8"), tables)
        write_atomically(readme, text.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="controlled", help="data sets of the grid, as in a,b")
    parser.add_argument("--seeds", type=int, help="how many, the first; by default all")
    parser.add_argument("--workers", type=int, help="runs at once")
    parser.add_argument("--ray", help="a Ray cluster to run on: auto, or HOST:PORT")
    parser.add_argument("--out", type=Path, default=HERE, help="where the tables are written")
    parser.add_argument(
        "--runs", type=Path, default=RUNS, help="where each study has a folder with its runs"
    )
    arguments = parser.parse_args()
    arguments.runs /= "compare"
    with watching_grid() as watch:
        grid = deadpan.benchmark(
            HERE / "compare.yaml",
            out=arguments.runs,
            only=arguments.only.split(","),
            seeds=arguments.seeds,
            workers=arguments.workers,
            ray=arguments.ray,
            resume=arguments.runs.exists(),
            reuse=arguments.runs.parent if arguments.runs.parent.is_dir() else None,
            watch=watch,
        )
    if grid.tables:
        keep_tables(arguments.runs, arguments.out)
    if grid.failures:
        again = shlex.join(["python", *sys.argv])
        raise runs_without_result(grid.failures, arguments.runs / "failures.json", again)


if __name__ == "__main__":
    run_script("studies/compare/run.py", main)
