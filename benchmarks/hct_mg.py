"""What padding costs HCT-MG: an epoch and one clip, at real lengths and padded to the brim.

MOSI shapes (text 300, audio 5, vision 20 features; 12/55/65 real steps in 50/375/500 padded ones),
one thread, both ways interleaved in one run. Prints a table and, last, one line of JSON.

    python benchmarks/hct_mg.py [--clips 144] [--repeats 5]
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from deadpan.data.batching import collate, lengths_of, training_batches
from deadpan.data.dataset import Clip
from deadpan.models import HCTMG
from deadpan.types import Batch

WIDTHS = {"text": 300, "audio": 5, "vision": 20}
REAL = {"text": 12, "audio": 55, "vision": 65}
PADDED = {"text": 50, "audio": 375, "vision": 500}


def clips(count: int, mean: dict[str, int], spread: float) -> list[Clip]:
    """Clips of log-normal length around ``mean`` steps; of exactly that many for a spread of 0."""
    random = np.random.default_rng(0)
    made = []
    for index in range(count):
        stretch = random.lognormal(-(spread**2) / 2, spread)
        sequences = {
            name: random.normal(size=(max(1, round(steps * stretch)), WIDTHS[name])).astype(
                "float32"
            )
            for name, steps in mean.items()
        }
        made.append(Clip(id=str(index), sequences=sequences, label=np.zeros(1, "float32")))
    return made


def epoch(model: HCTMG, batches: list[Batch]) -> None:
    """Forward and backward over every batch."""
    model.train()
    for batch in batches:
        (model(batch).prediction - batch.labels).abs().mean().backward()
        model.zero_grad()


def one(model: HCTMG, batch: Batch) -> None:
    """A prediction for one clip."""
    model.eval()
    with torch.no_grad():
        model(batch)


def timed(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=144)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    model = HCTMG(widths=WIDTHS, outputs=1)
    data = {
        "real lengths": clips(chosen.clips, REAL, 0.45),
        "padded": clips(chosen.clips, PADDED, 0.0),
    }
    calls: dict[tuple[str, str], Callable[[], None]] = {}
    for name, made in data.items():
        order = training_batches(lengths_of(made), 36, seed=0, epoch=1)
        batches = [collate([made[i] for i in chosen_clips], WIDTHS) for chosen_clips in order]
        single = collate(clips(1, REAL if name == "real lengths" else PADDED, 0.0), WIDTHS)
        calls["epoch", name] = lambda batches=batches: epoch(model, batches)
        calls["one clip", name] = lambda single=single: one(model, single)
    for call in calls.values():
        call()
    seconds: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for _ in range(chosen.repeats):
        for key, call in calls.items():
            seconds[key].append(timed(call))
    median = {key: statistics.median(values) for key, values in seconds.items()}
    print(f"{'':<10}{'real lengths':>14}{'padded':>12}{'ratio':>8}")
    for what in ("epoch", "one clip"):
        real, padded = median[what, "real lengths"], median[what, "padded"]
        print(f"{what:<10}{1000 * real:>11.1f} ms{1000 * padded:>9.1f} ms{padded / real:>8.1f}")
    figures = {f"{what}, {how}": round(s, 5) for (what, how), s in median.items()}
    print(json.dumps({"clips": chosen.clips, "repeats": chosen.repeats, "seconds": figures}))


if __name__ == "__main__":
    main()
