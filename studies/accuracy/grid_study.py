"""What studies of a grid share: their options, the run of the grid, the files they write."""

import argparse
import dataclasses
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import deadpan
from deadpan.benchmarking.grid import Case
from deadpan.benchmarking.run import runs_without_result
from deadpan.benchmarking.runner import finished
from deadpan.cli.progress import watching_grid
from deadpan.errors import DeadpanError
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyRuns:
    """The runs of a study's grid.

    Attributes:
        folder: of the grid.
        cases: the runs that have finished.
        remarks: the systems with fewer seeds than the grid has, and the runs that diverged late.
        failures: why each run that was given up was, by its directory below ``runs``.
    """

    folder: Path
    cases: Sequence[Case]
    remarks: Sequence[str]
    failures: Mapping[str, str]

    @property
    def places(self) -> Path:
        """The folder below which each case has its directory."""
        return self.folder / "runs"

    @property
    def notes(self) -> str:
        """The remarks as Markdown, to stand below the tables; "" where there is none."""
        return "".join(f"\n- {remark}" for remark in self.remarks) + "\n" if self.remarks else ""

    def refuse_failures(self) -> None:
        """Raise DeadpanError if runs gave no result; called once what can be written is."""
        if self.failures:
            raise without_result(self.failures, self.folder)


def without_result(failures: Mapping[str, str], folder: Path) -> DeadpanError:
    """The error of a study some of whose runs gave no result."""
    again = shlex.join(["python", *sys.argv])
    return runs_without_result(failures, folder / "failures.json", again)


def finished_runs(arguments: argparse.Namespace) -> StudyRuns:
    """Run the grid, or what is left of it, and give what has finished.

    Raises:
        DeadpanError: nothing has finished, or other code has made runs that are there.
    """
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
    runs = arguments.runs / "runs"
    done = [case for case in grid.cases if finished(case, runs)]
    if not done:  # then each was given up
        raise without_result(grid.failures, arguments.runs)
    without = [data for data in arguments.only if data not in {table.data for table in grid.tables}]
    return StudyRuns(
        folder=arguments.runs,
        cases=done,
        remarks=[
            *(f"{data}: no run has finished" for data in without),
            *(f"{table.data}: {remark}" for table in grid.tables for remark in table.remarks),
        ],
        failures=grid.failures,
    )


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
