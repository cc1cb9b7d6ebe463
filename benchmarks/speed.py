"""A training epoch of HCT-MG beside MulT, LF-LSTM and LMF: what real lengths and threads give.

MOSI's shapes (text 300, audio 5, vision 20 features) on equal data: "speech", 12/55/65 real steps
on average, spread log-normally, and "padded", 50/375/500 steps that are all real, so that there is
nothing to leave out. Forward, backward, clipping and Adam. Everything of one kind of data takes
turns: round after round, so that a slow moment of the machine hits all alike. What HCT-MG costs
depends on the modality its gate picks; the gate stands on text, but for two rows. Last, one clip.

    python benchmarks/speed.py [--clips 1284] [--padded-clips 144] [--repeats 5] [--threads 1,2]
        [--only "HCT-MG|LMF"] [--out benchmarks/results/speed]
"""

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from workloads.epochs import epoch, make_clips, rounds
from workloads.official import CORPORA, REAL, SPREAD
from workloads.reporting import about, keep, table

from deadpan.data.batching import collate
from deadpan.data.dataset import Clip
from deadpan.models import HCTMG, LFLSTM, LMF, Model, MulT
from deadpan.training.run import keep_freed_memory

MOSI = CORPORA["mosi"]
BATCH = 36
SIZES = (8, 128, 512)
"""Batches that HCT-MG is also timed with."""
WANTED = (
    ("HCT-MG, speech, s at most", "speech", "HCT-MG", 1.8),
    ("HCT-MG, padded, s at most", "padded", "HCT-MG", 22.0),
)
"""140 and 12 times faster than the 260 s that MulT's own code, d40 L2, takes for an epoch of the
padded data (../shared/peers.md)."""
TIMES_MULT = 8.0
"""How much faster HCT-MG is to be than our MulT d40 L2, on speech."""


@dataclass(frozen=True, kw_only=True)
class System:
    """A model and its settings."""

    kind: type[Model]
    options: Mapping[str, Any] = field(default_factory=dict)
    batch: int = BATCH
    main: bool = True
    """Whether it is also timed on padded data and with every number of threads."""

    def made(self) -> Model:
        model = self.kind(widths=MOSI.widths, outputs=1, **self.options)
        gate = getattr(model, "gate", None)
        if gate is not None:
            gate.freeze()  # on text, where it starts: noise would send it anywhere
        return model


SYSTEMS = {
    "HCT-MG": System(kind=HCTMG),
    "HCT-MG, primary audio": System(kind=HCTMG, options={"primary": "audio"}, main=False),
    "HCT-MG, primary vision": System(kind=HCTMG, options={"primary": "vision"}, main=False),
    **{f"HCT-MG, batch {n}": System(kind=HCTMG, batch=n, main=False) for n in SIZES},
    "MulT d40 L2": System(kind=MulT, options={"width": 40, "layers": 2}),
    "MulT d30 L5": System(kind=MulT, options={"width": 30, "layers": 5}, batch=24, main=False),
    "LF-LSTM": System(kind=LFLSTM),
    "LMF": System(kind=LMF),
}


def threaded(call: Callable[[], None], threads: int) -> Callable[[], None]:
    """The call, with so many threads."""

    def run() -> None:
        torch.set_num_threads(threads)
        call()

    return run


def times(
    kind: str, clips: Sequence[Clip], names: Sequence[str], threads: Sequence[int], repeats: int
) -> list[dict[str, Any]]:
    """A row for each system and number of threads: seconds of an epoch of MOSI's 1,284 clips."""
    calls: dict[tuple[str, int], Callable[[], None]] = {}
    parameters: dict[str, int] = {}
    for name in names:
        system = SYSTEMS[name]
        if kind == "padded" and not system.main:
            continue
        model = system.made()
        parameters[name] = sum(p.numel() for p in model.parameters())
        run = epoch(model, list(clips), system.batch)
        for count in threads if system.main else threads[-1:]:
            calls[name, count] = threaded(run, count)
    whole = MOSI.clips["train"] / len(clips)
    rows = []
    for (name, count), seconds in rounds(calls, repeats).items():
        row: dict[str, Any] = {"system": name, "data": kind, "threads": count}
        row |= {"batch": SYSTEMS[name].batch, "parameters": parameters[name], "clips": len(clips)}
        row["epoch_s"] = round(whole * statistics.median(seconds), 4)
        row["from_to_s"] = [round(whole * x, 4) for x in (min(seconds), max(seconds))]
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def one_clip(repeats: int) -> dict[str, float]:
    """Milliseconds of a prediction of HCT-MG for one clip, one thread."""
    model = SYSTEMS["HCT-MG"].made().eval()
    torch.set_num_threads(1)
    calls: dict[str, Callable[[], None]] = {}
    for name, steps in (("speech", REAL), ("padded", MOSI.steps)):
        batch = collate(make_clips(1, steps, MOSI.widths), MOSI.widths)

        @torch.no_grad()
        def predict(batch: Any = batch) -> None:
            model(batch)

        calls[name] = predict
    seconds = rounds(calls, 10 * repeats)
    return {name: round(1000 * statistics.median(x), 3) for name, x in seconds.items()}


def epoch_of(told: dict[str, Any], kind: str, name: str) -> float | None:
    """Seconds with the most threads; None where it was not timed."""
    found = [r for r in told["rows"] if (r["data"], r["system"]) == (kind, name)]
    return max(found, key=lambda r: r["threads"])["epoch_s"] if found else None


def ratio(above: float | None, below: float | None) -> str:
    return f"{above / below:.1f}" if above and below else ""


def markdown(told: dict[str, Any]) -> str:
    lines = ["# A training epoch on MOSI's shapes, 1,284 clips", ""]
    rows = []
    for row in told["rows"]:
        ours = epoch_of(told, row["data"], "HCT-MG")
        cells = (row["system"], row["data"], row["threads"], row["batch"], f"{row['parameters']:,}")
        low, high = row["from_to_s"]
        rows.append(
            (*cells, f"{row['epoch_s']:.2f}", f"{low:.2f}-{high:.2f}", ratio(row["epoch_s"], ours))
        )
    columns = ("system", "data", "threads", "batch", "parameters", "epoch, s", "from - to")
    lines += table((*columns, "x HCT-MG"), rows)
    lines += ["", *table(("", "wanted", "found"), goals(told)), ""]
    if clip := told["one_clip_ms"]:
        lines += [f"One clip in torch, one thread: {clip['speech']} ms at 12/55/65 steps,"]
        lines += [f"{clip['padded']} ms at 50/375/500.", ""]
    lines += [
        f"Median of {told['repeats']} rounds in which all rows of one kind of data take turns;",
        f"speech: {told['clips']} clips, padded: {told['padded_clips']}, made up to 1,284. The",
        "gate stands on text where no primary modality is named. Made by",
        f"`python benchmarks/speed.py`, {told['machine']}, commit {told['commit']}.",
    ]
    return "\n".join(lines) + "\n"


def goals(told: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What issue 5 wants, and what was found."""
    rows = []
    for name, kind, system, most in WANTED:
        found = epoch_of(told, kind, system)
        rows.append((name, f"{most:.1f}", "" if found is None else f"{found:.2f}"))
    speech = {name: epoch_of(told, "speech", name) for name in ("HCT-MG", "MulT d40 L2")}
    padded = epoch_of(told, "padded", "HCT-MG")
    faster = ratio(speech["MulT d40 L2"], speech["HCT-MG"])
    return [
        *rows,
        ("times faster than our MulT d40 L2, speech", f"{TIMES_MULT:.0f}", faster),
        ("times faster at real lengths than padded", "", ratio(padded, speech["HCT-MG"])),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=MOSI.clips["train"])
    parser.add_argument("--padded-clips", type=int, default=144)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--only", help="names, separated by |", default="|".join(SYSTEMS))
    parser.add_argument("--out", type=Path, help="write OUT.md and OUT.json")
    chosen = parser.parse_args()
    names = chosen.only.split("|")
    if unknown := [name for name in names if name not in SYSTEMS]:
        parser.error(f"no system {', '.join(unknown)}; there are {' | '.join(SYSTEMS)}")
    threads = sorted(int(count) for count in chosen.threads.split(","))
    torch.set_flush_denormal(True)
    keep_freed_memory()
    told: dict[str, Any] = {
        **about(),
        "repeats": chosen.repeats,
        "clips": chosen.clips,
        "padded_clips": chosen.padded_clips,
        "rows": [],
        "one_clip_ms": one_clip(chosen.repeats) if "HCT-MG" in names else {},
    }
    for kind, count in (("speech", chosen.clips), ("padded", chosen.padded_clips)):
        spread = SPREAD if kind == "speech" else 0.0
        clips = make_clips(count, REAL if spread else MOSI.steps, MOSI.widths, spread=spread)
        told["rows"] += times(kind, clips, names, threads, chosen.repeats)
        keep(chosen.out, told, markdown(told))
    print(markdown(told))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
