"""What studies of a grid share: their options, the run of the grid, the files they write."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import deadpan
from deadpan.benchmarking.grid import Case
from deadpan.benchmarking.runner import finished
from deadpan.cli.progress import watching_grid
from deadpan.files import write_atomically, write_csv
from deadpan.show.drawing import Picture

HERE = Path(__file__).parent
RUNS = HERE.parents[1] / "runs"


def arguments_of(summary: str, name: str) -> argparse.Namespace:
    """Parse the options of the study ``name``; ``only`` becomes a list."""
    parser = grid_parser(summary)
    parser.add_argument("--only", default="controlled", help="data sets of the grid, as in a,b")
    parser.add_argument("--config", type=Path, default=HERE / f"{name}.yaml")
    arguments = parser.parse_args()
    arguments.only = arguments.only.split(",")
    arguments.runs /= arguments.config.stem
    return arguments


def grid_parser(summary: str) -> argparse.ArgumentParser:
    """A parser of the options that say how grids are run, and where."""
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--seeds", type=int, help="how many, the first; by default all")
    parser.add_argument("--workers", type=int, help="runs at once")
    parser.add_argument("--ray", help="a Ray cluster to run on: auto, or HOST:PORT")
    parser.add_argument("--out", type=Path, default=HERE, help="where the tables are written")
    parser.add_argument(
        "--runs", type=Path, default=RUNS, help="where each study has a folder with its runs"
    )
    return parser


def finished_cases(arguments: argparse.Namespace) -> list[Case]:
    """Run the grid, or what is left of it, and give the cases that have finished."""
    with watching_grid() as watch:
        grid = deadpan.benchmark(
            arguments.config,
            out=arguments.runs,
            only=arguments.only,
            seeds=arguments.seeds,
            workers=arguments.workers,
            ray=arguments.ray,
            resume=arguments.runs.exists(),
            reuse=arguments.runs.parent if arguments.runs.parent.is_dir() else None,
            watch=watch,
        )
    done = [case for case in grid.cases if finished(case, arguments.runs / "runs")]
    if not done:
        raise SystemExit(f"{arguments.runs}: no run has finished; see failures.json there")
    return done


def write_files(
    out: Path,
    name: str,
    rows: Sequence[Mapping[str, Any]],
    text: str,
    drawn: Picture | None = None,
) -> None:
    """Write NAME.csv, .md and, where there is a picture, .svg and .png, each whole."""
    out.mkdir(parents=True, exist_ok=True)
    write_csv(out / f"{name}.csv", rows)
    if drawn:
        write_atomically(out / f"{name}.svg", drawn.svg.encode())
        write_atomically(out / f"{name}.png", drawn.png)
    write_atomically(out / f"{name}.md", text.encode())
    print(f"{out / name}.md, .csv{', .svg, .png' if drawn else ''}")
