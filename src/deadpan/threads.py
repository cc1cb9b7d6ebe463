"""Threads of this process: how many it gets, and how they wait for each other."""

import math
import os
import sys
from pathlib import Path

WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "300"}
"""Environment of OpenMP: a thread that waits soon sleeps. By default it spins for milliseconds,
which beside busy processes takes the processor from the thread it waits for. GNU's library spins
for a moment first: without that an epoch of small batches takes a quarter longer."""
WAITING_VARIABLES = (*WAITING, "KMP_BLOCKTIME", "KMP_LIBRARY")
"""Whoever set one of these has decided how threads wait."""


def set_thread_defaults() -> None:
    """Set what OpenMP reads when torch is loaded, unless the user has, or torch is loaded already.

    Affinity is OpenMP's own default for the number of threads; only a container's quota is not.
    """
    if "torch" in sys.modules:
        return
    if not any(name in os.environ for name in WAITING_VARIABLES):
        os.environ.update(WAITING)
    if "OMP_NUM_THREADS" not in os.environ and (count := processors()) < _affinity():
        os.environ["OMP_NUM_THREADS"] = str(count)


def waiting() -> str:
    """How the environment says that threads wait."""
    values = [f"{name}={os.environ[name]}" for name in WAITING_VARIABLES if name in os.environ]
    return " ".join(values) or "they spin: torch was imported before deadpan"


def processors(root: Path = Path("/")) -> int:
    """The number of processors that this process may use.

    Args:
        root: where ``proc`` and ``sys`` stand.

    Returns:
        The least of its affinity and the CPU quota of its container, rounded up.
    """
    return math.ceil(min(_affinity(), max(1, cpu_quota(root))))


def cpu_quota(root: Path = Path("/")) -> float:
    """Processors that control groups, version 1 or 2, grant; infinite without a quota.

    Args:
        root: where ``proc`` and ``sys`` stand.
    """
    return min((_quota(group) for group in control_groups("cpu", root)), default=math.inf)


def control_groups(controller: str, root: Path = Path("/")) -> list[Path]:
    """Folders where limits of this process may stand, of control groups of version 1 or 2.

    Args:
        controller: what is limited, "cpu" or "memory".
        root: where ``proc`` and ``sys`` stand.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    groups: list[Path] = []
    mounts = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        bases = (mounts / controller, mounts / controllers) if controllers else (mounts,)
        # A limit binds all groups below it. In a container the path may be that of the host.
        group = Path(path.lstrip("/"))
        groups += [base / part for base in bases for part in (group, *group.parents)]
    return groups


def _affinity() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _quota(group: Path) -> float:
    try:
        if (file := group / "cpu.max").is_file():
            quota, period = file.read_text().split()
        else:
            quota, period = (
                (group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
            )
        return float(quota) / float(period) if float(quota) > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):  # none, or "max"
        return math.inf
