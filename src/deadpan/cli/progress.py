"""Progress of training, a grid, a download, an encoding, recordings: bars, else lines."""

import time
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from deadpan.data.fetching.download import DownloadWatch

if TYPE_CHECKING:
    from deadpan.benchmarking.grid import Case
    from deadpan.training.opened import RunDirectory


class TrainingLines:
    """Prints what a run trains on, then a line per epoch; a ``deadpan.training.loop.Watch``.

    Attributes:
        started: whether there was anything to train.
    """

    def __init__(self, run: Path, console: Console) -> None:
        """Watch the run in this directory, once it is there."""
        self.run, self.console = run, console
        self.epochs, self.started, self._seconds = 0, False, list[float]()

    def begin(self, epoch: int, epochs: int) -> None:
        """Print what the run trains on; called at the first step, when the directory is there."""
        self.started, self.epochs = True, epochs
        for line in preamble(self.run):
            self.console.print(line)
        if epoch > 1:
            self.console.print(f"going on after epoch {epoch - 1}")

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """Take note of a step."""
        if not self.started:
            self.begin(epoch, _directory(self.run).settings().epochs)

    def epoch(self, row: dict[str, int | float]) -> None:
        """Print an epoch's losses and the time left; its row is on the disk."""
        self._seconds.append(row["seconds"])
        epoch = int(row["epoch"])
        left = (self.epochs - epoch) * sum(self._seconds) / len(self._seconds)
        self.console.print(
            f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}  {losses(self.run)}  "
            f"{row['seconds']:.1f} s, {duration(left)} left"
        )


class TrainingBar(TrainingLines):
    """Draws the epochs of a run as a bar."""

    def __init__(self, run: Path, console: Console, progress: Progress) -> None:
        """Draw on this progress display."""
        super().__init__(run, console)
        self._progress, self._steps, self._losses = progress, list[float](), ""

    def begin(self, epoch: int, epochs: int) -> None:
        """Print what the run trains on, and draw the bar."""
        super().begin(epoch, epochs)
        self._task = self._progress.add_task("", total=epochs, completed=epoch - 1, text="")
        if epoch > 1:
            self._losses = losses(self.run)

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """Move the bar."""
        super().step(epoch, step, steps, loss)
        self._steps = [*self._steps, loss] if step > 1 else [loss]
        self._progress.update(
            self._task,
            completed=epoch - 1 + step / steps,
            description=f"epoch {epoch}/{self.epochs} batch {step}/{steps}",
            text=self._losses or f"train {sum(self._steps) / len(self._steps):.3f}",
        )

    def epoch(self, row: dict[str, int | float]) -> None:
        """Show an epoch's losses beside the bar."""
        self._losses = losses(self.run)
        self._progress.update(self._task, text=self._losses)


def preamble(run: Path) -> Iterator[str]:
    """What a run is trained on: its data set, repairs of it, and warnings; a line each."""
    environment = _directory(run).environment()
    dataset = environment.dataset
    clips = ", ".join(f"{name} {n}" for name, n in dataset.splits.items())
    yield f"{run}: {dataset.name} ({clips} clips), {', '.join(environment.modalities)}"
    for repair, count in dataset.repairs.items():
        yield f"warning: repaired {count} times: {repair}"
    for warning in (*dataset.warnings, *environment.warnings):
        yield f"warning: {warning}"


def losses(run: Path) -> str:
    """The losses of a run's last and best epochs, and the largest weight of its gate."""
    directory = _directory(run)
    history, gate = directory.epochs(), directory.gate()
    parts = [f"train {history.train_loss[-1]:.3f}", f"valid {history.valid_loss[-1]:.3f}"]
    if best := history.best_epoch:
        parts.append(f"best {history.valid_loss[best - 1]:.3f} (epoch {best})")
    if gate:
        kind = "mean gate" if gate.per_clip else "gate"
        parts.append(f"{kind} {gate.primary} {gate.weights[-1].max():.2f}")
    return "  ".join(parts)


def _directory(run: Path) -> "RunDirectory":
    from deadpan.training.opened import RunDirectory  # not for a download

    return RunDirectory(run)


def duration(seconds: int | float) -> str:
    """A duration in seconds or, from 90 on, in minutes."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


class GridLines:
    """Prints a line per finished run; a ``deadpan.benchmarking.runner.GridWatch``."""

    def __init__(self, console: Console) -> None:
        """Print on this console."""
        self.console = console
        self._left: dict[tuple[str, str], int] = {}
        self._seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._done = self._total = 0
        self._started = time.monotonic()

    def begin(self, cases: Sequence["Case"], finished: int) -> None:
        """Print how many runs there are to do."""
        self._done, self._total = finished, finished + len(cases)
        self._started = time.monotonic()
        self._left = defaultdict(int)
        for case in cases:
            self._left[case.data, case.system] += 1
        self.console.print(f"{len(cases):,} runs to do, {finished:,} finished before")

    def wait(self, case: "Case") -> None:
        """Print which run waits."""
        self.console.print(f"{case.name}: waits for a worker of a killed grid to leave the run")

    def step(self, case: "Case", epoch: float) -> None:
        """Print nothing before the end of a run."""

    def end(self, case: "Case", seconds: float, failure: str | None) -> None:
        """Print which run has ended, and the time left."""
        self._done += 1
        self._left[case.data, case.system] -= 1
        self._seconds[case.data, case.system].append(seconds)
        text = f"failed: {failure}" if failure else f"{seconds:.0f} s"
        self.console.print(f"{self._done}/{self._total}  {case.name}: {text}, {self.left()} left")

    def left(self) -> str:
        """The time until all is done, if each run takes what those of its data and system took."""
        means = {kind: sum(times) / len(times) for kind, times in self._seconds.items()}
        if not means:
            return "?"
        overall = sum(means.values()) / len(means)
        work = sum(count * means.get(kind, overall) for kind, count in self._left.items())
        spent = sum(sum(times) for times in self._seconds.values())
        at_once = max(spent / max(time.monotonic() - self._started, 1e-9), 1.0)
        minutes = work / at_once / 60
        return f"{minutes / 60:.1f} h" if minutes >= 90 else f"{minutes:.0f} min"


class GridBar(GridLines):
    """Draws a bar for all runs, and one for each that is running."""

    def __init__(self, console: Console, progress: Progress) -> None:
        """Draw on this progress display."""
        super().__init__(console)
        self._progress, self._bar = progress, progress.add_task("runs", text="")
        self._running: dict[str, TaskID] = {}

    def begin(self, cases: Sequence["Case"], finished: int) -> None:
        """Draw the bar of all runs."""
        super().begin(cases, finished)
        self._progress.update(self._bar, completed=self._done, total=self._total)

    def step(self, case: "Case", epoch: float) -> None:
        """Move the bar of a run."""
        if case.name not in self._running:
            self._running[case.name] = self._progress.add_task(case.name, text="")
        self._progress.update(self._running[case.name], completed=epoch, total=case.settings.epochs)

    def end(self, case: "Case", seconds: float, failure: str | None) -> None:
        """Move the bar of all runs, and take that of this one away."""
        if case.name in self._running:
            self._progress.remove_task(self._running.pop(case.name))
        super().end(case, seconds, failure)
        text = f"{self._done}/{self._total}, {self.left()} left"
        self._progress.update(self._bar, completed=self._done, text=text)


class DownloadLines(DownloadWatch):
    """Prints a line per file and per failure."""

    def __init__(self, console: Console) -> None:
        """Print on this console."""
        self._console = console

    def begin(self, file: str, have: int, total: int | None) -> None:
        """Print a file's size, and how much of it is there already."""
        size = f"{total:,} bytes" if total is not None else "of unknown size"
        self._console.print(f"{file}: {size}" + (f", going on after {have:,}" if have else ""))

    def say(self, line: str) -> None:
        """Print what failed."""
        self._console.print(line)


class DownloadBar(DownloadLines):
    """Draws a bar for each file."""

    def __init__(self, console: Console, progress: Progress) -> None:
        """Draw on this progress display."""
        super().__init__(console)
        self._progress, self._bars = progress, dict[str, TaskID]()

    def begin(self, file: str, have: int, total: int | None) -> None:
        """Draw a file's bar."""
        if file not in self._bars:
            self._bars[file] = self._progress.add_task(file)
        self._current = self._bars[file]
        self._progress.reset(self._current, total=total, completed=have)

    def received(self, count: int) -> None:
        """Move the bar by a number of bytes."""
        self._progress.advance(self._current, count)


class AmountLines:
    """Prints a line per tenth of a work.

    An ``EncodingWatch``, a ``RecordingWatch``, an ``ExtractionWatch``.
    """

    def __init__(self, console: Console, unit: str, done: str) -> None:
        """Print on this console.

        Args:
            console: where to print.
            unit: of the amount, in the plural.
            done: what has happened to an amount that is done, as "encoded".
        """
        self._console, self._unit, self._participle = console, unit, done

    def begin(self, amount: int | float, done: int | float = 0) -> None:
        """Print how much there is to do, and how much of it was done before."""
        self._amount, self._before, self._done = amount, done, done
        self._started, self._next = time.monotonic(), 0.0
        more = f", {done:,.0f} were done before" if done else ""
        self._console.print(f"{amount:,.0f} {self._unit} to be {self._participle}{more}")

    def advance(self, amount: int | float) -> None:
        """Print how much is done, and the time left, after each tenth."""
        self._done += amount
        share = self._done / self._amount
        if share >= self._next:
            self._next = share + 0.1
            passed = time.monotonic() - self._started
            left = passed / (self._done - self._before) * max(0, self._amount - self._done)
            self._console.print(f"{share:.0%} {self._participle}, {duration(left)} left")

    def say(self, line: str) -> None:
        """Print what failed."""
        self._console.print(line)


class AmountBar(AmountLines):
    """Draws a work as a bar."""

    def __init__(self, console: Console, unit: str, done: str, progress: Progress) -> None:
        """Draw on this progress display; the rest as in ``AmountLines``."""
        super().__init__(console, unit, done)
        self._progress = progress

    def begin(self, amount: int | float, done: int | float = 0) -> None:
        """Draw the bar."""
        text = f"{self._unit} {self._participle}"
        self._bar = self._progress.add_task(text, total=amount, text="")
        self._progress.update(self._bar, completed=done)

    def advance(self, amount: int | float) -> None:
        """Move the bar."""
        self._progress.advance(self._bar, amount)


@contextmanager
def watching_training(run: Path) -> Generator[TrainingLines, None, None]:
    """Show the progress of a training run on stderr."""
    console = _stderr()
    if not console.is_terminal:
        yield TrainingLines(run, console)
        return
    with _bars(console, 14, _TEXT, TimeRemainingColumn(compact=True)) as progress:
        yield TrainingBar(run, console, progress)


@contextmanager
def watching_grid() -> Generator[GridLines, None, None]:
    """Show the progress of a grid on stderr."""
    console = _stderr()
    if not console.is_terminal:
        yield GridLines(console)
        return
    with _bars(console, 20, _TEXT) as progress:
        yield GridBar(console, progress)


@contextmanager
def watching_download() -> Generator[DownloadLines, None, None]:
    """Show the progress of a download on stderr."""
    console = _stderr()
    if not console.is_terminal:
        yield DownloadLines(console)
        return
    columns = DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(compact=True)
    with _bars(console, 14, *columns) as progress:
        yield DownloadBar(console, progress)


@contextmanager
def watching_amount(unit: str, done: str) -> Generator[AmountLines, None, None]:
    """Show on stderr how much of a work is done; for the arguments see ``AmountLines``."""
    console = _stderr()
    if not console.is_terminal:
        yield AmountLines(console, unit, done)
        return
    with _bars(console, 20, TimeRemainingColumn(compact=True)) as progress:
        yield AmountBar(console, unit, done, progress)


_TEXT = TextColumn("{task.fields[text]}", markup=False)


def _stderr() -> Console:
    return Console(stderr=True, markup=False, highlight=False, soft_wrap=True)


def _bars(console: Console, width: int, *columns: ProgressColumn) -> Progress:
    """A progress display: a description, a bar of this width, then these columns."""
    description = TextColumn("{task.description}", markup=False)
    return Progress(description, BarColumn(bar_width=width), *columns, console=console)
