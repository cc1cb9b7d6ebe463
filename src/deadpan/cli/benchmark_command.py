"""``deadpan benchmark``: a grid of systems, with its progress and its tables."""

import os
import shlex
import time
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import ArgumentParser
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn

import deadpan
from deadpan.cli.parsers import parse, parser_of
from deadpan.cli.showing import note, show
from deadpan.errors import DeadpanError
from deadpan.files import home_path

if TYPE_CHECKING:
    from deadpan.benchmark.grid import Case
    from deadpan.benchmark.table import GridTable

SHOWN = 3
"""Metrics of each table on the screen; the files have all."""


def benchmark(arguments: Sequence[str]) -> None:
    """Run a grid and write its tables."""
    parser = parser_of(
        "benchmark",
        "CONFIG.yaml [--out DIR] [--workers N] [--only DATA,DATA] [--full] [--resume]",
        "Train every system of a grid on every data set, a process per run, and write the tables.",
    )
    parser.add_argument("config", type=str, help="the grid: data, systems, seeds, settings")
    parser.add_argument("--out", type=str | None, help="a directory; default runs/CONFIG")
    add_grid_options(parser)
    given = parse(parser, arguments)
    config = home_path(given["config"])
    out = home_path(given["out"]) if given["out"] else Path("runs") / config.stem
    again = f"deadpan benchmark {shlex.join(_without_resume(arguments))} --resume"
    try:
        with watching() as watch:
            study = deadpan.compare(
                config,
                out=out,
                workers=given["workers"],
                only=[name.strip() for name in (given["only"] or "").split(",") if name.strip()],
                full=given["full"],
                resume=given["resume"],
                watch=watch,
            )
    except KeyboardInterrupt:
        kept = f"go on with: {again}" if (out / "grid.yaml").is_file() else "nothing was made"
        raise KeyboardInterrupt(f"interrupted; {kept}") from None
    for table in study.tables:
        show(_screen(table))
    if study.tables:
        note(f"{out}/tables.html, tables.json and, for each data set, .md .csv .tex")
    if study.failures:
        first = next(iter(study.failures.values()))
        raise DeadpanError(
            f"{len(study.failures)} runs gave no result (first: {first}); all in "
            f"{out}/failures.json; once mended, go on with: {again}"
        )


def add_grid_options(parser: ArgumentParser) -> None:
    """Take how a grid, or a study made of one, is run."""
    parser.add_argument(
        "--workers", type=int, default=processors(), help="runs at once, one thread each"
    )
    parser.add_argument("--only", type=str | None, help="data sets to run, as in mosi,mosei")
    parser.add_argument("--full", action="store_true", help="larger, for a bigger machine")
    parser.add_argument("--resume", action="store_true", help="go on; finished runs are skipped")


def processors() -> int:
    """Those this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Lines:
    """A line per finished run; a ``deadpan.benchmark.runner.GridWatch``."""

    def __init__(self, console: Console) -> None:
        """Speak on this console."""
        self.console = console
        self._left: dict[tuple[str, str], int] = {}
        self._seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._done = self._total = 0
        self._started = time.monotonic()

    def begin(self, cases: Sequence["Case"], finished: int) -> None:
        """Count what is to do."""
        self._done, self._total = finished, finished + len(cases)
        self._started = time.monotonic()
        self._left = defaultdict(int)
        for case in cases:
            self._left[case.data, case.system] += 1
        self.console.print(f"{len(cases):,} runs to do, {finished:,} finished before")

    def step(self, case: "Case", epoch: float) -> None:
        """Nothing to say before the end of a run."""

    def end(self, case: "Case", seconds: float, failure: str | None) -> None:
        """Say what has ended and what is left."""
        self._done += 1
        self._left[case.data, case.system] -= 1
        self._seconds[case.data, case.system].append(seconds)
        told = f"failed: {failure}" if failure else f"{seconds:.0f} s"
        self.console.print(f"{self._done}/{self._total}  {case.name}: {told}, {self.left()} left")

    def left(self) -> str:
        """The time until all is done: of runs of a kind seen before, as long as those took."""
        known = {kind: sum(times) / len(times) for kind, times in self._seconds.items()}
        if not known:
            return "?"
        usual = sum(known.values()) / len(known)
        work = sum(count * known.get(kind, usual) for kind, count in self._left.items())
        spent = sum(sum(times) for times in self._seconds.values())
        at_once = max(spent / max(time.monotonic() - self._started, 1e-9), 1.0)
        minutes = work / at_once / 60
        return f"{minutes / 60:.1f} h" if minutes >= 90 else f"{minutes:.0f} min"


class Bar(Lines):
    """The same on a terminal, with a bar and what each process is at."""

    def __init__(self, console: Console, progress: Progress) -> None:
        """Draw on this progress display."""
        super().__init__(console)
        self._progress, self._bar = progress, progress.add_task("runs", told="")
        self._running: dict[str, TaskID] = {}

    def begin(self, cases: Sequence["Case"], finished: int) -> None:
        """Show the bar."""
        super().begin(cases, finished)
        self._progress.update(self._bar, completed=self._done, total=self._total)

    def step(self, case: "Case", epoch: float) -> None:
        """Move the bar of a run."""
        if case.name not in self._running:
            self._running[case.name] = self._progress.add_task(case.name, told="")
        self._progress.update(self._running[case.name], completed=epoch, total=case.settings.epochs)

    def end(self, case: "Case", seconds: float, failure: str | None) -> None:
        """Move the bar of all runs."""
        if case.name in self._running:
            self._progress.remove_task(self._running.pop(case.name))
        super().end(case, seconds, failure)
        told = f"{self._done}/{self._total}, {self.left()} left"
        self._progress.update(self._bar, completed=self._done, told=told)


@contextmanager
def watching() -> Generator[Lines, None, None]:
    """Show how a grid proceeds, on stderr."""
    console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[told]}", markup=False),
    )
    with Progress(*columns, console=console) as progress:
        yield Bar(console, progress)


def _without_resume(arguments: Sequence[str]) -> list[str]:
    return [argument for argument in arguments if argument != "--resume"]


def _screen(table: "GridTable") -> RenderableType:
    """The first metrics of a table; the files have all."""
    from rich.table import Table
    from rich.text import Text

    from deadpan.benchmark.rendering import HEADINGS, headings, row_texts

    columns = table.columns[:SHOWN]
    shown = Table(title=table.data, title_justify="left", header_style="bold")
    for place, heading in enumerate(headings(table)[: len(HEADINGS) + len(columns)]):
        shown.add_column(Text(heading), justify="right" if place else "left")
    for row in table.rows:
        cells = row_texts(row, columns, lambda text: f"*{text}*")
        shown.add_row(
            *(Text(cell.replace("*", ""), style="bold" if "*" in cell else "") for cell in cells)
        )
    return shown
