"""One run of a grid, in a process of its own."""

import fcntl
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch

from deadpan.errors import DeadpanError, os_failure
from deadpan.training.run import train_run
from deadpan.training.run_directory import RunDirectory
from deadpan.training.scoring import evaluate_run
from deadpan.training.settings import Settings

DONE, REFUSED, CRASHED, STEP, BEGUN = "done", "refused", "crashed", "step", "begun"
"""What a worker says: the run is complete; cannot be; broke off; is at this epoch; is begun."""


@runtime_checkable
class Afterwards(Protocol):
    """Something to do with a run that is scored; a process of its own calls it.

    Attributes:
        leaves: the file of the run directory that it writes last.
    """

    @property
    def leaves(self) -> str:
        """Its name."""
        ...

    def __call__(self, run: RunDirectory) -> None:
        """Do it, unless it was done."""
        ...


class Telling:
    """Tells the grid where a run stands; a ``deadpan.training.loop.Watch``.

    A grid that was killed has closed its end: the write fails, and the orphan ends with it, so that
    no two processes ever write one run.
    """

    def __init__(self, grid: Connection) -> None:
        """Speak to this grid."""
        self._grid, self._told = grid, 0.0

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:  # noqa: ARG002 - as Watch has it
        """A batch is done."""
        if time.monotonic() - self._told > 0.25:
            self._told = time.monotonic()
            self._grid.send((STEP, epoch - 1 + step / steps))

    def epoch(self, row: dict[str, int | float]) -> None:
        """An epoch is done."""
        self._grid.send((STEP, float(row["epoch"])))


def work(
    settings: dict[str, Any],
    path: Path,
    score: bool,
    grid: Connection,
    lock: Path,
    then: Afterwards | None = None,
) -> None:
    """Train one run, or go on with it, and score it; say how that ended.

    Args:
        settings: of the run.
        path: where it is kept.
        score: open its test split; False for a trial of the search.
        grid: told of progress and of the end.
        lock: held, with all workers of the grid, until this one has ended.
        then: called with the run once it is scored.
    """
    torch.set_num_threads(1)
    try:
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            # The next grid waits for the lock, from when this one is gone: then this fails.
            grid.send((BEGUN, ""))
            run = train_run(
                Settings.from_dict(settings), path, resume=path.exists(), watch=Telling(grid)
            )
            if score:
                evaluate_run(run)
                if then:
                    then(run)
            run.checkpoint.unlink(missing_ok=True)  # most of the disk, and of no use any more
            grid.send((DONE, ""))
    except BrokenPipeError:  # the grid is gone
        return
    except DeadpanError as error:
        grid.send((REFUSED, str(error)))
    except OSError as error:  # a full disk may have room again at the next attempt
        grid.send((CRASHED, os_failure(error)))
    except Exception as error:  # noqa: BLE001 - whatever it was, the grid reports it
        told = traceback.format_exception_only(error)[-1].strip()
        where = traceback.extract_tb(error.__traceback__)[-1]
        grid.send((CRASHED, f"{told} ({Path(where.filename).name}:{where.lineno})"))
