"""An epoch of MOSEI's size on a GPU: HCT-MG beside our MulT and the floor of the card.

16,326 clips of 300/74/35 features and 12/55/65 steps on average, 4 layers; forward, backward,
clipping and Adam, in float32 (TF32 off), TF32 and bfloat16 (autocast). "resident": the padded
batches are on the card before the clock starts; "from host": collated and sent as they are needed,
as training does. All take turns, and the card is waited for. The floor is the larger of operations
over the card's rate for large products and bytes over its rate for copies, at real lengths.
Without a GPU it says so and measures nothing.

    python benchmarks/gpu.py [--clips 16326] [--batches 64,512] [--repeats 5] [--compile]
        [--out benchmarks/results/gpu]
"""

import argparse
import contextlib
import json
import statistics
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from workloads.epochs import loss_of, make_clips, rounds
from workloads.official import CORPORA, REAL, SPREAD
from workloads.rates import copied, product, wait
from workloads.reporting import about, keep, table
from workloads.work import FLOAT, STATE, Work, parts

from deadpan.data.batching import collate, lengths_of, training_batches
from deadpan.data.dataset import Clip, step_counts
from deadpan.models import HCTMG, Model, MulT
from deadpan.training.run import make_optimizer
from deadpan.types import Batch

MOSEI = CORPORA["mosei"]
LAYERS = 4
PRECISIONS = ("fp32", "tf32", "bf16")
LARGE = 8192
"""Side of the products that tell the card's rate; a small card takes less."""
COPIED = 1 << 28
"""Floats, 1 GB."""


@contextlib.contextmanager
def computing(precision: str, device: torch.device) -> Generator[None, None, None]:
    """Matrix products in this precision, for as long as the context lasts."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    try:
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16"):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def models(device: torch.device) -> dict[str, Model]:
    """The systems; the gate stands on text, where it starts."""
    ours = HCTMG(widths=MOSEI.widths, outputs=1, layers=LAYERS)
    assert ours.gate is not None
    ours.gate.freeze()
    mult = MulT(widths=MOSEI.widths, outputs=1, width=40, layers=LAYERS)
    return {"HCT-MG": ours.to(device), "MulT d40 L4": mult.to(device)}


def epoch(
    model: Model,
    network: nn.Module,
    batches: Callable[[], Generator[Batch, None, None]],
    precision: str,
    device: torch.device,
) -> Callable[[], None]:
    """An epoch of training; it ends when the device is done.

    Args:
        model: whose parameters are trained.
        network: the model, or what ``torch.compile`` made of it.
        batches: those of an epoch, on the device.
        precision: of ``PRECISIONS``.
        device: where the model is.
    """
    optimizer = make_optimizer(model, learning_rate=1e-3, gate_learning_rate=None, weight_decay=0.0)

    def run() -> None:
        model.train()
        for batch in batches():
            with computing(precision, device):
                loss = loss_of(network, batch)
                loss.backward()
            clip_grad_norm_(model.parameters(), 0.8)
            optimizer.step()
            optimizer.zero_grad()
        wait(device)

    return run


def feeds(
    clips: Sequence[Clip], size: int, device: torch.device
) -> dict[str, Callable[[], Generator[Batch, None, None]]]:
    """The batches of an epoch: kept on the device, or made anew."""
    order = training_batches(lengths_of(clips), size, seed=0, epoch=1)

    def from_host() -> Generator[Batch, None, None]:
        for chosen in order:
            yield collate([clips[i] for i in chosen], MOSEI.widths).to(device)

    kept = list(from_host())

    def resident() -> Generator[Batch, None, None]:
        yield from kept

    return {"resident": resident, "from host": from_host}


def floor(
    model: HCTMG, clips: Sequence[Clip], steps: int, rates: Mapping[str, float]
) -> dict[str, float]:
    """Seconds of an epoch of HCT-MG, at least, for each precision."""
    names = tuple(model.widths)
    lengths = step_counts(clips, names).tolist()
    each = [parts(model, dict(zip(names, one, strict=True))).values() for one in lengths]
    whole = sum([work for several in each for work in several], start=Work())
    state = FLOAT * STATE * sum(p.numel() for p in model.parameters())
    moved = (whole.bytes + steps * state) / rates["memory"]
    return {name: max(whole.training / rates[name], moved) for name in PRECISIONS}


def card_rates(device: torch.device, *, large: int, floats: int) -> dict[str, float]:
    """Operations a second of large products in each precision, and bytes a second of copies."""
    found: dict[str, float] = {}
    for name in PRECISIONS:
        dtype = torch.bfloat16 if name == "bf16" else torch.float32
        tf32 = "fp32" if name == "bf16" else name
        with computing(tf32, device):
            found[name] = product((large, large), (large, large), 0.5, device=device, dtype=dtype)
    return found | {"memory": copied(floats, 0.5, device)}


def measure(
    device: torch.device,
    clips: Sequence[Clip],
    sizes: Sequence[int],
    repeats: int,
    *,
    large: int = LARGE,
    floats: int = COPIED,
    compiled: bool = False,
) -> dict[str, Any]:
    """Rates, floors, and a row for each system, batch size, precision and feed."""
    systems = models(device)
    rates = card_rates(device, large=large, floats=floats)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    rows: list[dict[str, Any]] = []
    floors: dict[str, dict[str, float]] = {}
    for size in sizes:
        fed = feeds(clips, size, device)
        floors[str(size)] = floor(systems["HCT-MG"], clips, -(-len(clips) // size), rates)  # pyright: ignore[reportArgumentType]
        calls: dict[tuple[str, str, str], Callable[[], None]] = {}
        for name, model in systems.items():
            network = torch.compile(model, dynamic=True) if compiled else model
            for precision in PRECISIONS:
                for how, batches in fed.items():
                    run = epoch(model, network, batches, precision, device)
                    calls[name, precision, how] = run
        for (name, precision, how), seconds in rounds(calls, repeats).items():
            middle = statistics.median(seconds)
            row = {"system": name, "batch": size, "precision": precision, "feed": how}
            row |= {"epoch_s": middle, "from_to_s": [min(seconds), max(seconds)]}
            row["clips_per_s"] = len(clips) / middle
            if name == "HCT-MG":
                row["times_floor"] = middle / floors[str(size)][precision]
            rows.append(row)
    return {"rates": rates, "floors": floors, "rows": rows, "peak_mb": peak(device)}


def peak(device: torch.device) -> float | None:
    return torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else None


def markdown(told: dict[str, Any]) -> str:
    lines = ["# An epoch of MOSEI's size on a GPU", ""]
    rows = []
    for row in told["rows"]:
        same = ("batch", "precision", "feed")
        ours = next(
            x for x in told["rows"] if all(x[k] == row[k] for k in same) and "times_floor" in x
        )
        low, high = row["from_to_s"]
        rows.append(
            (row["system"], *(row[k] for k in same), f"{row['epoch_s']:.2f}")
            + (f"{low:.2f}-{high:.2f}", f"{row['clips_per_s']:,.0f}")
            + (f"{row['epoch_s'] / ours['epoch_s']:.1f}",)
            + (f"{row['times_floor']:.0f}" if "times_floor" in row else "",)
        )
    columns = ("system", "batch", "precision", "data", "epoch, s", "from - to", "clips/s")
    lines += table((*columns, "x HCT-MG", "x floor"), rows)
    floors = ", ".join(
        f"{name} {seconds:.3f} s" for name, seconds in next(iter(told["floors"].values())).items()
    )
    rates = ", ".join(f"{name} {told['rates'][name] / 1e12:.1f}" for name in PRECISIONS)
    compiled = ", torch.compile" if told["compiled"] else ""
    lines += [
        "",
        f"{told['clips']:,} clips, {LAYERS} layers, text primary{compiled}; median of",
        f"{told['repeats']} rounds that take turns. Floor of HCT-MG: {floors}, from",
        f"{rates} x 10^12 operations/s and {told['rates']['memory'] / 1e9:,.0f} GB/s.",
        f"Made by `python benchmarks/gpu.py`, {told['card']}, {told['machine']},",
        f"commit {told['commit']}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=MOSEI.clips["train"])
    parser.add_argument("--batches", default="64,512")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="with torch.compile")
    parser.add_argument("--out", type=Path, help="write OUT.md and OUT.json")
    chosen = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU here that torch can use: nothing was measured")
        return
    device = torch.device("cuda", 0)
    clips = make_clips(chosen.clips, REAL, MOSEI.widths, spread=SPREAD)
    sizes = [int(size) for size in chosen.batches.split(",")]
    told: dict[str, Any] = {
        **about(),
        "card": torch.cuda.get_device_name(device),
        "clips": chosen.clips,
        "repeats": chosen.repeats,
        "compiled": chosen.compile,
        **measure(device, clips, sizes, chosen.repeats, compiled=chosen.compile),
    }
    keep(chosen.out, told, markdown(told))
    print(markdown(told))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
