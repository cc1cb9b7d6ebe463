"""How a download goes: a bar on a terminal, a line per file anywhere else."""

from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from deadpan.data.fetching.download import DownloadWatch


class Lines(DownloadWatch):
    """Says what begins and what goes wrong."""

    def __init__(self, console: Console) -> None:
        """Speak on this console."""
        self._console = console

    def begin(self, file: str, have: int, total: int | None) -> None:
        """Bytes are about to come."""
        size = f"{total:,} bytes" if total is not None else "of unknown size"
        self._console.print(f"{file}: {size}" + (f", going on after {have:,}" if have else ""))

    def received(self, count: int) -> None:
        """So many bytes more have come."""

    def say(self, line: str) -> None:
        """Something did not go as it should."""
        self._console.print(line)


class Bar(Lines):
    """The same on a terminal, as a bar for each file."""

    def __init__(self, console: Console, progress: Progress) -> None:
        """Draw on this progress display."""
        super().__init__(console)
        self._progress, self._bars = progress, dict[str, TaskID]()

    def begin(self, file: str, have: int, total: int | None) -> None:
        """Bytes are about to come."""
        if file not in self._bars:
            self._bars[file] = self._progress.add_task(file)
        self._now = self._bars[file]
        self._progress.reset(self._now, total=total, completed=have)

    def received(self, count: int) -> None:
        """So many bytes more have come."""
        self._progress.advance(self._now, count)


@contextmanager
def watching_download() -> Generator[DownloadWatch, None, None]:
    """Show how a download proceeds, on stderr."""
    console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=14),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console) as progress:
        yield Bar(console, progress)
