"""What padding costs HCT-MG: an epoch and one clip, at real lengths and padded to the brim.

MOSI shapes (text 300, audio 5, vision 20 features; 12/55/65 real steps in 50/375/500 padded ones),
one thread, both ways interleaved in one run. Prints a table and, last, one line of JSON.

    python benchmarks/hct_mg.py [--clips 144] [--repeats 5]
"""

import argparse
import json
from collections.abc import Callable

import torch
from workloads.epochs import epoch, make_clips, medians
from workloads.official import CORPORA, REAL, SPREAD

from deadpan.data.batching import collate
from deadpan.models import HCTMG
from deadpan.training.memory import keep_freed_memory
from deadpan.types import Batch

MOSI = CORPORA["mosi"]


def one(model: HCTMG, batch: Batch) -> None:
    """A prediction for one clip."""
    model.eval()
    with torch.no_grad():
        model(batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=144)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    keep_freed_memory()
    model = HCTMG(widths=MOSI.widths, outputs=1)
    calls: dict[tuple[str, str], Callable[[], None]] = {}
    for name, steps, spread in (("real lengths", REAL, SPREAD), ("padded", MOSI.steps, 0.0)):
        many = make_clips(chosen.clips, steps, MOSI.widths, spread=spread)
        single = collate(make_clips(1, steps, MOSI.widths), MOSI.widths)
        calls["epoch", name] = epoch(model, many, 36)
        calls["one clip", name] = lambda single=single: one(model, single)
    median = medians(calls, chosen.repeats)
    print(f"{'':<10}{'real lengths':>14}{'padded':>12}{'ratio':>8}")
    for what in ("epoch", "one clip"):
        real, padded = median[what, "real lengths"], median[what, "padded"]
        print(f"{what:<10}{1000 * real:>11.1f} ms{1000 * padded:>9.1f} ms{padded / real:>8.1f}")
    figures = {f"{what}, {how}": round(s, 5) for (what, how), s in median.items()}
    print(json.dumps({"clips": chosen.clips, "repeats": chosen.repeats, "seconds": figures}))


if __name__ == "__main__":
    main()
