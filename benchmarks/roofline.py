"""How far a training epoch of HCT-MG is from what this machine could do, and where the time goes.

MOSI's 1,284 clips of speech-like lengths in batches of 36, HCT-MG's preset for MOSI, text as the
primary modality; forward, backward, clipping and Adam. The operations and bytes of a clip are
counted by formula from its own steps (workloads/work.py), the machine's rates are measured: of
large products and copies, and at the model's own shapes. The floor is the larger of operations
over rate and bytes over rate; nothing is computed on padding there, and nothing waits.

    python benchmarks/roofline.py [--clips 1284] [--repeats 5] [--threads 1,2]
        [--out benchmarks/results/roofline]
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from workloads.epochs import epoch, make_clips, rounds
from workloads.official import CORPORA, REAL, SPREAD
from workloads.profile import shares
from workloads.rates import rates
from workloads.reporting import about, keep, table
from workloads.work import FLOAT, STATE, Work, parts

from deadpan.data.batching import lengths_of, training_batches
from deadpan.data.dataset import Clip, step_counts
from deadpan.models import HCTMG
from deadpan.training.run import keep_freed_memory

MOSI = CORPORA["mosi"]
BATCH = 36
PROFILED = 10
"""Batches, spread over the epoch."""


def summed(several: Sequence[Mapping[str, Work]]) -> dict[str, Work]:
    return {name: sum([one[name] for one in several], start=Work()) for name in several[0]}


def counted(model: HCTMG, clips: Sequence[Clip]) -> tuple[dict[str, Work], dict[str, Work], int]:
    """The work of an epoch at real lengths, the same as batches pad it, and the steps of training.

    A batch computes as many steps of each modality as its longest clip has.
    """
    names = tuple(model.widths)
    lengths = step_counts(clips, names)
    batches = training_batches(lengths_of(clips), BATCH, seed=0, epoch=1)
    padded = [lengths[chosen].max(axis=0) for chosen in batches for _ in chosen]
    real, computed = (
        summed([parts(model, dict(zip(names, steps.tolist(), strict=True))) for steps in several])
        for several in (lengths, padded)
    )
    return real, computed, len(batches)


def floors(work: Mapping[str, Work], moved: float, rate: Mapping[str, float]) -> dict[str, float]:
    """Seconds of an epoch, at least; "own" at the rates of the model's own shapes."""
    whole = sum(work.values(), start=Work())
    return {
        "operations": whole.training / rate["large"],
        "bytes": moved / rate["memory"],
        "own": sum(own_floor(one, rate) for one in work.values()),
    }


def own_floor(work: Work, rate: Mapping[str, float]) -> float:
    """Seconds, if each product and each attention weight goes as fast as its shape allows."""
    return (
        (3 * work.products - work.leaf) / rate["products"]
        + 3 * work.attention / rate["attention"]
        + 3 * work.scan / rate["scan"]
        + work.weights / rate["weights"]
    )


def measure(clips: Sequence[Clip], threads: Sequence[int], repeats: int) -> dict[str, Any]:
    """Counts, rates, floors, our epoch and its parts."""
    model = HCTMG(widths=MOSI.widths, outputs=1)
    assert model.gate is not None
    model.gate.freeze()  # on text, where it starts
    real, computed, steps = counted(model, clips)
    whole, padded = (sum(work.values(), start=Work()) for work in (real, computed))
    state = FLOAT * STATE * sum(p.numel() for p in model.parameters())
    moved = whole.bytes + steps * state
    order = training_batches(lengths_of(clips), BATCH, seed=0, epoch=1)
    longest = round(float(step_counts(clips, ("vision",)).mean()))
    run = epoch(model, list(clips), BATCH)
    told: dict[str, Any] = {
        "clips": len(clips),
        "repeats": repeats,
        "epoch_operations": whole.training,
        "epoch_operations_as_padded": padded.training,
        "epoch_bytes": moved,
        "clip_operations": whole.training / len(clips),
        "clip_bytes": moved / len(clips),
        "weights_bytes_share": steps * state / moved,
        "parts": {name: vars(work) | {"training": work.training} for name, work in real.items()},
        "threads": {},
    }
    for count in threads:
        rate = rates(count, BATCH, longest)
        seconds = rounds({count: run}, repeats)[count]
        few = [
            order[i] for i in np.linspace(0, len(order) - 1, min(PROFILED, len(order))).astype(int)
        ]
        told["threads"][str(count)] = {
            "rates": rate,
            "floors": floors(real, moved, rate),
            "own_floors": {name: own_floor(work, rate) for name, work in real.items()},
            "epoch_s": statistics.median(seconds),
            "from_to_s": [min(seconds), max(seconds)],
            "shares": shares(model, clips, few),
        }
    return told


def markdown(told: dict[str, Any]) -> str:
    counts = sorted(told["threads"])
    most = told["threads"][counts[-1]]
    lines = ["# HCT-MG's training epoch against the limit of the machine", ""]
    lines += table(
        ("", "a clip", "an epoch"),
        [
            ("operations at real lengths, 10^9", f"{told['clip_operations'] / 1e9:.3f}")
            + (f"{told['epoch_operations'] / 1e9:.0f}",),
            ("the same as batches pad it, 10^9", "")
            + (f"{told['epoch_operations_as_padded'] / 1e9:.0f}",),
            ("bytes moved at least, MB", f"{told['clip_bytes'] / 1e6:.2f}")
            + (f"{told['epoch_bytes'] / 1e6:.0f}",),
        ],
    )
    lines += [
        "",
        *table(
            ("", *(f"{count} thread{'s' * (count != '1')}" for count in counts)), rows(told, counts)
        ),
        "",
    ]
    lines += ["Where the time goes:", ""]
    lines += table(
        ("part", "10^9 operations", f"share, {counts[-1]} threads", "s", "floor at own shapes, s")
        + ("times the floor",),
        [part_row(told, most, name) for name in most["shares"]],
    )
    lines += [
        "",
        f"{told['clips']:,} clips of 12/55/65 steps on average, batches of {BATCH}, text primary;",
        f"median of {told['repeats']} epochs. Shares are of a profile, which slows small",
        "operations down; backward counts for the part it belongs to. Own shapes: products of",
        "steps with a 40 x 160 map, attention products of 8 channels a head, a GRU's step of three",
        "sequences, and softmax over attention weights, each at its best; dropout, norms and sums",
        "are not in it.",
        f"Adam's and the weights' bytes are {100 * told['weights_bytes_share']:.0f} % of all.",
        f"Made by `python benchmarks/roofline.py`, {told['machine']}, commit {told['commit']}.",
    ]
    return "\n".join(lines) + "\n"


def rows(told: dict[str, Any], counts: Sequence[str]) -> list[tuple[str, ...]]:
    """What is told for each number of threads."""

    def row(name: str, cell: Any) -> tuple[str, ...]:
        return (name, *(cell(told["threads"][count]) for count in counts))

    def floor(one: dict[str, Any]) -> float:
        return max(one["floors"]["operations"], one["floors"]["bytes"])

    units = {"large": "products of 1024 x 1024", "products": "products, own shapes"}
    units |= {"attention": "attention products", "scan": "products of a GRU's step"}
    made = [
        row(f"{told_as}, 10^9 operations/s", lambda one, key=key: f"{one['rates'][key] / 1e9:.0f}")
        for key, told_as in units.items()
    ]
    made += [
        row(
            "softmax and its gradient, 10^9 weights/s",
            lambda one: f"{one['rates']['weights'] / 1e9:.2f}",
        ),
        row("memory, GB/s", lambda one: f"{one['rates']['memory'] / 1e9:.1f}"),
        row("floor by operations, s", lambda one: f"{one['floors']['operations']:.3f}"),
        row("floor by bytes, s", lambda one: f"{one['floors']['bytes']:.3f}"),
        row("floor at own shapes, s", lambda one: f"{one['floors']['own']:.3f}"),
        row("**our epoch, s**", lambda one: f"{one['epoch_s']:.3f}"),
        row("times the floor", lambda one: f"{one['epoch_s'] / floor(one):.1f}"),
        row(
            "times the floor at own shapes",
            lambda one: f"{one['epoch_s'] / one['floors']['own']:.1f}",
        ),
    ]
    return made


def part_row(told: dict[str, Any], one: dict[str, Any], name: str) -> tuple[str, ...]:
    seconds = one["shares"][name] * one["epoch_s"]
    cells = (f"{100 * one['shares'][name]:.1f} %", f"{seconds:.3f}")
    if name not in one["own_floors"]:
        return (name, "", *cells, "", "")
    floor = one["own_floors"][name]
    operations = told["parts"][name]["training"] / 1e9
    return (name, f"{operations:.1f}", *cells, f"{floor:.3f}", f"{seconds / floor:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=MOSI.clips["train"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--out", type=Path, help="write OUT.md and OUT.json")
    chosen = parser.parse_args()
    torch.set_flush_denormal(True)
    keep_freed_memory()
    clips = make_clips(chosen.clips, REAL, MOSI.widths, spread=SPREAD)
    threads = [int(count) for count in chosen.threads.split(",")]
    told = {**about(), **measure(clips, threads, chosen.repeats)}
    keep(chosen.out, told, markdown(told))
    print(markdown(told))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
