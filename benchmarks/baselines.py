"""An epoch of each baseline beside what peers.md measured of others' code at the same shapes.

MOSI's shapes: 1,284 clips of 50/375/500 steps, or of 50 steps of each modality for the models that
read aligned steps. "padded": every step is real, so that nothing can be left out. "speech":
12/55/65 steps (or 12) are real on average, as in MOSI; the code of the others computes as long on
those. Two threads, as there; forward, backward, clipping and Adam. MulT's epochs take minutes and
are timed once.

    python benchmarks/baselines.py [--clips 1284] [--repeats 5] [--only LMF,TFN]
        [--system-memory] [--out benchmarks/results/baselines]
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from workloads.epochs import epoch, make_clips, medians
from workloads.official import CORPORA, REAL, SPREAD

from deadpan.models import EFLSTM, LFDNN, LMF, MFN, TFN, GraphMFN, Model, MulT
from deadpan.threads import processors
from deadpan.training.environment import commit, commit_name
from deadpan.training.run import keep_freed_memory

MOSI = CORPORA["mosi"]


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Seconds of an epoch of somebody's code, from ../shared/peers.md, and our model of it."""

    whose: str
    seconds: float
    kind: type[Model]
    options: Mapping[str, int] = field(default_factory=dict)
    aligned: bool = False
    batch_size: int = 32
    long: bool = False


def official_mult(*, seconds: float, width: int, layers: int, batch_size: int) -> Peer:
    """The release of MulT at one of its sizes; an epoch of it is timed once."""
    return Peer(
        whose="official",
        seconds=seconds,
        kind=MulT,
        options={"width": width, "layers": layers},
        batch_size=batch_size,
        long=True,
    )


PEERS = {
    "LF-DNN": Peer(whose="MMSA", seconds=0.7, kind=LFDNN),
    "LMF": Peer(whose="MMSA", seconds=0.7, kind=LMF),
    "EF-LSTM": Peer(whose="MMSA", seconds=2.1, kind=EFLSTM, aligned=True),
    "TFN": Peer(whose="MMSA", seconds=5.5, kind=TFN),
    "MFN": Peer(whose="MMSA", seconds=7.7, kind=MFN, aligned=True),
    "Graph-MFN": Peer(whose="MMSA", seconds=18, kind=GraphMFN, aligned=True),
    "MulT d40 L2": official_mult(seconds=260, width=40, layers=2, batch_size=36),
    "MulT d40 L4": official_mult(seconds=477, width=40, layers=4, batch_size=36),
    "MulT d30 L5": official_mult(seconds=487, width=30, layers=5, batch_size=24),
}


def measure(peer: Peer, clips: int, repeats: int) -> dict[str, Any]:
    """Seconds of an epoch on padded and on speech-like data."""
    model = peer.kind(widths=MOSI.widths, outputs=1, **peer.options)
    padded, real = (
        {name: steps["text"] if peer.aligned else steps[name] for name in MOSI.widths}
        for steps in (MOSI.steps, REAL)
    )
    calls = {
        "padded": epoch(model, make_clips(clips, padded, MOSI.widths), peer.batch_size),
        "speech": epoch(
            model, make_clips(clips, real, MOSI.widths, spread=SPREAD), peer.batch_size
        ),
    }
    repeats = 1 if peer.long else repeats
    seconds = medians(calls, repeats, warm=not peer.long)
    parameters = sum(p.numel() for p in model.parameters())
    return {
        "whose": peer.whose,
        "peer": peer.seconds * clips / MOSI.clips["train"],
        "parameters": parameters,
        "epochs": repeats,
        **{name: round(value, 3) for name, value in seconds.items()},
    }


def markdown(told: dict[str, Any]) -> str:
    lines = [
        "# An epoch of each baseline beside others' code at the same shapes",
        "",
        "| model | parameters | others, s | ours padded, s | times faster | ours at speech-like lengths, s | times faster | epochs |",  # noqa: E501
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in told["models"].items():
        ratios = {kind: row["peer"] / row[kind] for kind in ("padded", "speech")}
        lines.append(
            f"| {name} | {row['parameters']:,} | {row['peer']:g} ({row['whose']}) "
            f"| {row['padded']:.2f} | {ratios['padded']:.1f} "
            f"| {row['speech']:.2f} | {ratios['speech']:.1f} | {row['epochs']} |"
        )
    lines += ["", "Median where there are several epochs; batches of 32, MulT's as in its rows of"]
    lines += ["../shared/peers.md, which has the others' figures. TFN is twice as large as theirs."]
    lines += [
        f"Made by `python benchmarks/baselines.py`, {told['clips']} clips, {told['machine']},"
    ]
    lines += [f"commit {told['commit']}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=MOSI.clips["train"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", help="names, with commas between", default=",".join(PEERS))
    parser.add_argument("--system-memory", action="store_true", help="leave the allocator as it is")
    parser.add_argument("--out", type=Path, help="write OUT.md and OUT.json")
    chosen = parser.parse_args()
    names = chosen.only.split(",")
    if unknown := [name for name in names if name not in PEERS]:
        parser.error(f"no model {', '.join(unknown)}; there are {', '.join(PEERS)}")
    torch.set_num_threads(2)
    torch.set_flush_denormal(True)
    if not chosen.system_memory:
        keep_freed_memory()
    told: dict[str, Any] = {
        "clips": chosen.clips,
        "machine": f"{processors()} cores, 2 threads, torch {torch.__version__}",
        "commit": commit_name(**commit()),
        "models": {},
    }
    for name in names:
        told["models"][name] = measure(PEERS[name], chosen.clips, chosen.repeats)
        print(name, json.dumps(told["models"][name]), flush=True)
        if chosen.out:
            chosen.out.with_suffix(".json").write_text(json.dumps(told, indent=2) + "\n")
            chosen.out.with_suffix(".md").write_text(markdown(told))
    print(markdown(told))


if __name__ == "__main__":
    main()
