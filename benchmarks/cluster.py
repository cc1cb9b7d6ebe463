"""What a Ray cluster costs and gains: tasks of known length in processes here, and on a cluster.

The cluster is Ray's own of two machines with two processors each, all of them processes of this
machine: what a network costs is not in the figures. Each task is a process, as a run of a grid is
one. Tasks that sleep tell the overhead; those that spin need a processor of this machine each.

    python benchmarks/cluster.py [--tasks 8] [--seconds 2] [--out benchmarks/results/cluster]

Needs the extra ray.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workloads.known import sleep, spin

from deadpan.cluster import opened_pool
from deadpan.processes import LOCAL, Pool

WORKERS = 1, 2, 4


def run(pool: Pool, work: Callable[..., None], tasks: int, seconds: float, workers: int) -> float:
    """Seconds that the tasks take with so many workers at once."""
    started, waiting, running = time.monotonic(), tasks, []
    while waiting or running:
        while waiting and len(running) < workers:
            running.append(pool.start(work, seconds))
            waiting -= 1
        for worker in pool.ready(running):
            try:
                worker.receive()
            except EOFError:
                worker.close()
                running.remove(worker)
    return time.monotonic() - started


def measured(pool: Pool, place: str, tasks: int, seconds: float) -> list[dict[str, Any]]:
    """A row for each kind of work and number of workers."""
    return [
        {
            "place": place,
            "work": work.__name__,
            "workers": workers,
            "seconds": run(pool, work, tasks, seconds, workers),
        }
        for work in (sleep, spin)
        for workers in WORKERS
    ]


def text(facts: dict[str, Any]) -> str:
    """The results as Markdown."""
    from workloads.reporting import table

    tasks, seconds = facts["tasks"], facts["task_seconds"]
    by_place = {
        (row["place"], row["work"], row["workers"]): row["seconds"] for row in facts["rows"]
    }
    rows = []
    for work in ("sleep", "spin"):
        for workers in WORKERS:
            here, there = (by_place[place, work, workers] for place in ("here", "Ray"))
            first = by_place["Ray", work, 1]
            ideal = tasks * seconds / workers
            rows.append(
                (
                    work,
                    workers,
                    f"{ideal:.1f}",
                    f"{here:.1f}",
                    f"{there:.1f}",
                    f"{first / there:.2f}",
                    # Of tasks that spin it would say what else the machine did meanwhile.
                    f"{(there - here) * workers / tasks:.2f}" if work == "sleep" else "",
                )
            )
    return "\n".join(
        [
            "# Tasks of known length on a Ray cluster",
            "",
            f"{tasks} tasks of {seconds:g} s each, one process a task, once each; the cluster's "
            f"machines are processes of this one. {facts['machine']}; load {facts['load']} before "
            f"and after; Ray {facts['ray']}; commit {facts['commit']}. Connecting to the cluster "
            f"and checking its machines took {facts['connecting']:.1f} s. `python "
            f"benchmarks/cluster.py --tasks {tasks} --seconds {seconds:g}`",
            "",
            "<!-- part: cluster -->",
            *table(
                (
                    "task",
                    "workers",
                    "s, if nothing else cost time",
                    "s, processes here",
                    "s, Ray",
                    "gain on 1 worker",
                    "s a task more than here",
                ),
                rows,
            ),
            "<!-- end -->",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    try:
        import ray
        from ray.cluster_utils import Cluster
    except ImportError:
        print("needs Ray, of the extra ray, which is not there: nothing was measured")
        return
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    load = os.getloadavg()
    sizes = arguments.tasks, arguments.seconds
    rows = measured(LOCAL, "here", *sizes)
    machines = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
    )
    try:
        machines.add_node(num_cpus=2)
        started = time.monotonic()
        with opened_pool(machines.address, writes=Path.cwd()) as pool:
            connecting = time.monotonic() - started
            rows += measured(pool, "Ray", *sizes)
    finally:
        machines.shutdown()
    from workloads.reporting import about, keep  # with torch, which no task needs

    facts = {
        **about(),
        "load": f"{load[0]:.1f} and {os.getloadavg()[0]:.1f}",
        "ray": ray.__version__,
        "tasks": arguments.tasks,
        "task_seconds": arguments.seconds,
        "connecting": connecting,
        "rows": rows,
    }
    shown = text(facts)
    print(shown)
    keep(arguments.out, facts, shown)


if __name__ == "__main__":
    main()
