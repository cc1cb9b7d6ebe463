"""Training beside two busy processes: at most 2.5 times as long as alone.

HCT-MG on MOSI's shapes at real lengths, with the threads that a process gets by itself. Alone and
busy take turns, each time in a process of its own; the least of each counts. Leaves with status 1
where the bound does not hold. The environment says how threads wait, so

    OMP_WAIT_POLICY=ACTIVE python benchmarks/busy.py

shows what the default spares. Elsewhere busy machines make "alone" longer, so look at the load.

    python benchmarks/busy.py [--rounds 5] [--epochs 3] [--clips 360]
        [--out benchmarks/results/busy]
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workloads.epochs import epoch, make_clips
from workloads.official import CORPORA, REAL, SPREAD
from workloads.reporting import about, keep, table

from deadpan.models import HCTMG
from deadpan.threads import WAITING, WAITING_VARIABLES, processors

MOST = 2.5
BUSY_PROCESSES = 2
BUSY = "while True: pass"


def train(epochs: int, clips: int) -> None:
    """Print the seconds of some epochs after the first."""
    mosi = CORPORA["mosi"]
    data = make_clips(clips, REAL, mosi.widths, spread=SPREAD)
    run = epoch(HCTMG(widths=mosi.widths, outputs=1), list(data), 36)
    run()
    start = time.perf_counter()
    for _ in range(epochs):
        run()
    print(time.perf_counter() - start)


def seconds(arguments: Sequence[str], beside: int) -> float:
    """Seconds of the training in a process of its own, beside so many busy ones."""
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(beside)]
    try:
        command = [sys.executable, __file__, "--train", *arguments]
        # Here torch is imported before deadpan, which then sets nothing: what it would have set.
        decided = any(name in os.environ for name in WAITING_VARIABLES)
        environment = os.environ if decided else WAITING | os.environ
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    return float(done.stdout)


def markdown(result: dict[str, Any]) -> str:
    cells = (("alone", result["alone_s"]), (f"beside {BUSY_PROCESSES} busy", result["busy_s"]))
    rows = [(name, f"{min(x):.2f}", " ".join(f"{s:.2f}" for s in x)) for name, x in cells]
    lines = ["# Training beside busy processes", "", *table(("", "least, s", "rounds, s"), rows)]
    lines += ["", f"{result['ratio']:.2f} times as long; wanted: at most {MOST}.", ""]
    lines += [f"{result['processors']} processors; load {result['load']}. Made by"]
    lines += [f"`python benchmarks/busy.py`, {result['machine']}, commit {result['commit']}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--clips", type=int, default=360)
    parser.add_argument("--out", type=Path, help="write OUT.md and OUT.json")
    parser.add_argument("--train", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.train:
        return train(chosen.epochs, chosen.clips)
    arguments = ["--epochs", str(chosen.epochs), "--clips", str(chosen.clips)]
    result: dict[str, Any] = {"alone_s": [], "busy_s": []}
    for _ in range(chosen.rounds):
        result["alone_s"].append(seconds(arguments, 0))
        result["busy_s"].append(seconds(arguments, BUSY_PROCESSES))
        print(json.dumps({key: times[-1] for key, times in result.items()}), flush=True)
    result |= {"ratio": min(result["busy_s"]) / min(result["alone_s"]), **about()}
    result["processors"] = processors()
    result["load"] = " ".join(f"{x:.1f}" for x in os.getloadavg())
    keep(chosen.out, result, markdown(result))
    print(markdown(result))
    sys.exit(result["ratio"] > MOST)


if __name__ == "__main__":
    main()
