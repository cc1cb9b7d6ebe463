"""What a training run tells while it runs: a bar on a terminal, a line per epoch anywhere else."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from deadpan.training.loop import Watch
from deadpan.training.opened import RunDirectory


class Lines:
    """Says on what a run trains, then one line per epoch; a ``deadpan.training.loop.Watch``.

    Attributes:
        seen: whether there was anything to train.
    """

    def __init__(self, run: Path, console: Console) -> None:
        """Watch the run in this directory, once it is there."""
        self.run, self.console = run, console
        self.epochs, self.seen, self._seconds = 0, False, list[float]()

    def begin(self, epoch: int, epochs: int) -> None:
        """Before the first step is told; the directory is there by now."""
        self.seen, self.epochs = True, epochs
        for line in preamble(self.run):
            self.console.print(line)
        if epoch > 1:
            self.console.print(f"going on after epoch {epoch - 1}")

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """A batch is done."""
        if not self.seen:
            self.begin(epoch, configured_epochs(self.run))

    def epoch(self, row: dict[str, int | float]) -> None:
        """An epoch is done and kept."""
        self._seconds.append(row["seconds"])
        epoch = int(row["epoch"])
        left = (self.epochs - epoch) * sum(self._seconds) / len(self._seconds)
        self.console.print(
            f"epoch {epoch:>{len(str(self.epochs))}}/{self.epochs}  {standing(self.run)}  "
            f"{row['seconds']:.1f} s, {duration(left)} left"
        )


class Bar(Lines):
    """The same on a terminal, as a bar that moves."""

    def __init__(self, run: Path, console: Console, progress: Progress) -> None:
        """Draw on this progress display."""
        super().__init__(run, console)
        self._progress, self._losses, self._standing = progress, list[float](), ""

    def begin(self, epoch: int, epochs: int) -> None:
        """Before the first step is told."""
        super().begin(epoch, epochs)
        self._task = self._progress.add_task("", total=epochs, completed=epoch - 1, told="")
        if epoch > 1:
            self._standing = standing(self.run)

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        """A batch is done."""
        super().step(epoch, step, steps, loss)
        self._losses = [*self._losses, loss] if step > 1 else [loss]
        told = self._standing or f"train {sum(self._losses) / len(self._losses):.3f}"
        self._progress.update(
            self._task,
            completed=epoch - 1 + step / steps,
            description=f"epoch {epoch}/{self.epochs} batch {step}/{steps}",
            told=told,
        )

    def epoch(self, row: dict[str, int | float]) -> None:
        """An epoch is done and kept."""
        self._standing = standing(self.run)
        self._progress.update(self._task, told=self._standing)


@contextmanager
def watching(run: Path) -> Generator[Watch, None, None]:
    """Show how a run proceeds, on stderr."""
    console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield Lines(run, console)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=14),
        TextColumn("{task.fields[told]}", markup=False),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console) as progress:
        yield Bar(run, console, progress)


def preamble(run: Path) -> Generator[str, None, None]:
    """What a run is trained on, what had to be mended in it, and what the user should know."""
    environment = RunDirectory(run).environment()
    dataset = environment.dataset
    clips = ", ".join(f"{name} {n}" for name, n in dataset.splits.items())
    yield f"{run}: {dataset.name} ({clips} clips), {', '.join(environment.modalities)}"
    for what, count in dataset.repairs.items():
        yield f"warning: repaired {count} times: {what}"
    for warning in (*dataset.warnings, *environment.warnings):
        yield f"warning: {warning}"


def standing(run: Path) -> str:
    """The losses of the last epoch, the best so far, and what the gate says, of a run's files."""
    files = RunDirectory(run)
    history, gate = files.epochs(), files.gate()
    parts = [f"train {history.train_loss[-1]:.3f}", f"valid {history.valid_loss[-1]:.3f}"]
    if best := history.best_epoch:
        parts.append(f"best {history.valid_loss[best - 1]:.3f} (epoch {best})")
    if gate:
        parts.append(f"gate {gate.primary} {gate.weights[-1].max():.2f}")
    return "  ".join(parts)


def duration(seconds: int | float) -> str:
    """A time to wait, as people say it."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def configured_epochs(run: Path) -> int:
    """How many epochs a run is to have."""
    return RunDirectory(run).settings().epochs
