"""Resident memory of this process, and the most of it while something runs."""

import resource
import sys
import threading
from pathlib import Path
from types import TracebackType

MB = 1e6


def memory() -> dict[str, float]:
    """Now, in MB: "all", which counts pages of mapped files too, and the process's "own".

    The system can take pages of files back whenever it wants; elsewhere than on Linux, all is the
    most so far and own is not known.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        unit = 1 if sys.platform == "darwin" else 1024
        return {"all": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MB}
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    names = {"all": "VmRSS", "own": "RssAnon"}
    return {kind: int(fields[name].split()[0]) * 1024 / MB for kind, name in names.items()}


class Peak:
    """The most memory, looked at every so often, from ``with Peak() as peak`` to its end."""

    def __init__(self, every: float = 0.02) -> None:
        self.before = memory()
        self.most = dict(self.before)
        self._every = every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _look(self) -> None:
        for kind, value in memory().items():
            self.most[kind] = max(self.most[kind], value)

    def _watch(self) -> None:
        while not self._done.wait(self._every):
            self._look()

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        self._look()
