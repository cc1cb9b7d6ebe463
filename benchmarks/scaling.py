"""Time and memory of training HCT-MG against the number of clips, and MOSI's peak in all.

Stores of about 1,000 to 100,000 clips of speech-like lengths (12/55/65 steps on average, spread
log-normally) and 300/74/35 features, each written clip by clip; the content repeats every 1,008
clips, so that sizes differ in nothing but their number. `deadpan.train` opens, fingerprints,
normalises and trains in a process of its own and is stopped after a number of steps, whose batches
are drawn from all of its clips, another draw each round; sizes take turns. The primary modality is
fixed: what a step costs depends on it, and a gate would pick another in each run. "all" memory
counts pages of the mapped store too, which the system can take back, "own" does not.

    python benchmarks/scaling.py [--clips 1000,3000,10000,30000,100000] [--steps 280] [--rounds 3]
        [--threads 2] [--folder FOLDER] [--out benchmarks/results/scaling]
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workloads.many import write_clips
from workloads.memory import MB, Peak
from workloads.official import CORPORA, write
from workloads.reporting import about, keep, table

from deadpan.training.run import train_run
from deadpan.training.settings import Settings

MOSEI = CORPORA["mosei"]
BATCH = 36
PRIMARY = "text"
DEAREST = "vision"
"""The longest modality: as the primary one it takes the most memory."""
WARM = 10
"""Steps before the clock starts."""


class Stopped(Exception):
    """There were enough steps."""


class Clock:
    """Seconds of each step after the first few; what lies between two epochs is left out."""

    def __init__(self, steps: int) -> None:
        self.wanted = WARM + steps
        self.seconds: list[float] = []
        self.first = self.last = float("nan")

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        now = time.perf_counter()
        if (epoch, step) == (1, 1):
            self.first = now
        elif step > 1:  # the first of an epoch has no step before it to count from
            self.seconds.append(now - self.last)
        self.last = now
        if len(self.seconds) >= self.wanted:
            raise Stopped

    def epoch(self, row: dict[str, int | float]) -> None:
        pass


def train(store: Path, steps: int, seed: int) -> dict[str, float]:
    """Milliseconds of a clip, seconds until the first step is done, and memory; in this process."""
    clock = Clock(steps)
    settings = Settings(
        data=str(store),
        model="HCTMG",
        model_options={"primary": PRIMARY},
        batch_size=BATCH,
        epochs=10_000,
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as folder, Peak() as peak:
        start = time.perf_counter()
        with contextlib.suppress(Stopped):
            train_run(settings, Path(folder) / "run", watch=clock)
    return {
        "ms_per_clip": 1000 * statistics.fmean(clock.seconds[WARM:]) / BATCH,
        "ready_s": clock.first - start,
        "interpreter_mb": peak.before["all"],
        "all_mb": peak.most["all"],
        "own_mb": peak.most.get("own", float("nan")),
    }


def in_a_process(arguments: Sequence[str], threads: int) -> dict[str, float]:
    """What ``--one`` prints there."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def scale(
    sizes: Sequence[int], folder: Path, *, steps: int, rounds: int, threads: int
) -> list[dict[str, float]]:
    """A row for each size: medians over the rounds, and the most memory of any."""
    stores: dict[int, Path] = {}
    for size in sizes:
        clips = -(-size // BATCH) * BATCH
        stores[clips] = folder / f"{clips}.safetensors"
        write_clips(stores[clips], MOSEI.widths, train=clips, valid=BATCH)
    found: dict[int, list[dict[str, float]]] = {clips: [] for clips in stores}
    for seed in range(rounds):
        for clips, path in stores.items():
            one = ["--one", str(path), "--steps", str(steps), "--seed", str(seed)]
            found[clips].append(in_a_process(one, threads))
            print(clips, json.dumps(found[clips][-1]), file=sys.stderr, flush=True)
    rows = []
    for clips, several in found.items():
        row = {"clips": clips, "store_mb": round(stores[clips].stat().st_size / MB, 1)}
        for name in several[0]:
            of = max if name.endswith("_mb") else statistics.median
            row[name] = round(of(told[name] for told in several), 3)
        rows.append(row)
    return rows


def mosi(folder: Path, threads: int, clips: int | None) -> dict[str, float]:
    """The most memory, in all, of `deadpan train` on MOSI's sizes, shapes and padded pickle."""
    corpus = CORPORA["mosi"]
    write(folder / "mosi.pkl", corpus, clips=None if clips is None else corpus.smaller(clips))
    command = [sys.executable, "-m", "deadpan", "train", "--data", str(folder / "mosi.pkl")]
    command += ["--epochs", "2", "--batch_size", str(BATCH)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    unit = 1 if sys.platform == "darwin" else 1024
    found: dict[str, float] = {}
    for name, options in (("gate", []), (DEAREST, ["--model.primary", DEAREST])):
        whole = [*command, *options, "--out", str(folder / name)]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(whole, env=environment, **quiet)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"{' '.join(whole)}: failed")
        found[f"{name}_mb"] = round(usage.ru_maxrss * unit / MB, 1)
    return found


def markdown(told: dict[str, Any]) -> str:
    rows, first = told["sizes"], told["sizes"][0]
    gate, dearest = (told["mosi"][f"{name}_mb"] for name in ("gate", DEAREST))
    lines = ["# Time and memory of training against the number of clips", ""]
    lines += table(
        ("clips", "store, MB", "ms a clip", "of the first", "first step after, s")
        + ("peak memory in all, MB", "own, MB"),
        [
            (
                f"{row['clips']:,}",
                f"{row['store_mb']:,.0f}",
                f"{row['ms_per_clip']:.3f}",
                f"{row['ms_per_clip'] / first['ms_per_clip']:.2f}",
                f"{row['ready_s']:.1f}",
                f"{row['all_mb']:.0f}",
                f"{row['own_mb']:.0f}",
            )
            for row in rows
        ],
    )
    lines += [
        "",
        f"HCT-MG, {PRIMARY} fixed as primary, batches of {BATCH}; {told['steps']} steps of each",
        f"size, median of {told['rounds']} rounds that take turns; memory: the most. Imports take",
        f"{first['interpreter_mb']:.0f} MB. The first step is done when the whole store has been",
        "read twice: for its fingerprint, and to see that its figures are those of its clips.",
        "",
        f"`deadpan train` on MOSI's padded pickle, 2 epochs: {gate:.0f} MB in all at most (wanted:",
        f"under 1,000); {dearest:.0f} MB where {DEAREST}, the longest, is made the primary",
        "modality.",
        "",
        "![time and memory against the number of clips](scaling.png)",
        "",
        f"Made by `python benchmarks/scaling.py`, {told['threads']} threads, {told['machine']},",
        f"commit {told['commit']}.",
    ]
    return "\n".join(lines) + "\n"


def plot(told: dict[str, Any], path: Path) -> None:
    import matplotlib.pyplot as plt

    clips = [row["clips"] for row in told["sizes"]]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    times = [row["ms_per_clip"] for row in told["sizes"]]
    left.plot(clips, times, "o-")
    left.set(xlabel="training clips", ylabel="time of a training step, ms per clip")
    left.set_ylim(0, 1.2 * max(times))
    for name, label in (("all_mb", "all, mapped pages too"), ("own_mb", "own")):
        right.plot(clips, [row[name] for row in told["sizes"]], "o-", label=label)
    right.plot(clips, [row["store_mb"] for row in told["sizes"]], ":", color="gray", label="store")
    most = max(row["all_mb"] for row in told["sizes"])
    right.set(xlabel="training clips", ylabel="peak resident memory, MB", ylim=(0, 1.5 * most))
    right.legend()
    for axes in (left, right):
        axes.set_xscale("log")
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", default="1000,3000,10000,30000,100000")
    parser.add_argument("--steps", type=int, default=280)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--mosi", type=int, help="clips of MOSI's pickle; left out: all 2,199")
    parser.add_argument("--folder", type=Path, help="for the stores, 5.5 GB, removed at the end")
    parser.add_argument("--out", type=Path, help="write OUT.md, OUT.json and OUT.png")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(train(chosen.one, chosen.steps, chosen.seed)))
        return
    sizes = [int(size) for size in chosen.clips.split(",")]
    settings = {name: getattr(chosen, name) for name in ("steps", "rounds", "threads")}
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        told = {
            **about(),
            **settings,
            "sizes": scale(sizes, Path(folder), **settings),
            "mosi": mosi(Path(folder), chosen.threads, chosen.mosi),
        }
    keep(chosen.out, told, markdown(told))
    if chosen.out:
        plot(told, chosen.out.with_suffix(".png"))
    print(markdown(told))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
