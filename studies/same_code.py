"""Say which tables are of today's code: ``python studies/same_code.py [COMMIT ...]``.

Code that decides scores changes more often than scores do. So each system is trained for two epochs
on the same made-up clips by the working tree, or by each COMMIT (checked out in a folder of its
own), and its validation losses are kept in same_code.json under the hash of that code. A row of a
study is of today's code where its commit trains the same losses. A test fails where today's hash
is not in the file: run this script then, and train again what it names.
"""

import argparse
import csv
import hashlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FILE = Path(__file__).with_suffix(".json")

SCORING = ("data/generated", "layers", "metrics", "models", "tasks", "training")
"""Folders of the package whose code decides scores."""

SYSTEMS: Mapping[str, tuple[str, Sequence[str]]] = {
    "HCTMG": ("unaligned", ()),
    "HCTMG, no reader": ("unaligned", ("--model.reader", "none")),
    "HCTMG, attention pooling": ("unaligned", ("--model.pooling", "attention")),
    "HCTMG, gate per clip": ("unaligned", ("--model.gate_per", "clip")),
    "HCTMG, modality dropout": ("unaligned", ("--model.modality_dropout", "0.15")),
    "HCTMG, distribution": ("unaligned", ("--loss", "distribution")),
    "HCTMG, EMA and OneCycle": ("unaligned", ("--ema", "0.9", "--schedule", "onecycle")),
    **{
        name: ("unaligned", ("--model", name))
        for name in ("MulT", "LMFMulT", "LFLSTM", "LFDNN", "LMF", "TFN", "CIA", "AttentionPool")
    },
    **{
        name: ("aligned", ("--model", name))
        for name in ("EFLSTM", "RAVEN", "MCTN", "MARN", "MFN", "RMFN", "GraphMFN")
    },
    "EFLSTM, CTC": ("unaligned", ("--model", "EFLSTM", "--model.ctc", "true")),
}
"""The data and the options of ``deadpan train`` of each system."""

STEPS = {"aligned": (12, 12, 12), "unaligned": (9, 23, 17)}
WIDTHS = {"text": 12, "audio": 5, "vision": 7}
SPLITS = {"train": 120, "valid": 60, "test": 8}
TOLERANCE = 5e-3
"""Processors and kernels round differently: two epochs of other sums differ by less than this."""


def made_up(steps: Sequence[int]) -> dict[str, Any]:
    """Clips in MulT's layout; the label is in one column of each modality."""
    generator = np.random.default_rng(0)
    content: dict[str, Any] = {}
    for split, clips in SPLITS.items():
        labels = generator.uniform(-3, 3, (clips, 1, 1)).astype(np.float32)
        content[split] = {"labels": labels, "id": [f"{split}{i}" for i in range(clips)]}
        for (name, width), length in zip(WIDTHS.items(), steps, strict=True):
            noise = generator.standard_normal((clips, length, width)).astype(np.float32)
            noise[:, :, :1] += labels
            content[split][name] = noise
    return content


def code_hash(root: Path = ROOT) -> str:
    """SHA-256 of every source file, by its path, in the folders of ``SCORING``."""
    package = root / "src" / "deadpan"
    found = hashlib.sha256()
    for folder in SCORING:
        for path in sorted((package / folder).rglob("*")):
            if path.suffix in {".py", ".c", ".h", ".yaml"}:
                found.update(path.relative_to(package).as_posix().encode() + b"\0")
                found.update(path.read_bytes() + b"\0")
    return found.hexdigest()


def losses(root: Path) -> Iterator[tuple[str, list[float] | None]]:
    """The validation losses of two epochs of each system; None where that code has no such one."""
    environment = os.environ | {"PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        for name, steps in STEPS.items():
            Path(folder, f"{name}.pkl").write_bytes(pickle.dumps(made_up(steps)))
        for system, (data, options) in SYSTEMS.items():
            out = Path(folder, "run")
            subprocess.run(["rm", "-rf", out], check=True)
            done = subprocess.run(
                [sys.executable, "-m", "deadpan", "train", "--data", f"{data}.pkl"]
                + ["--epochs", "2", "--seed", "1", "--out", str(out), *options],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
            )
            if done.returncode:
                print(f"{system}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                yield system, None
                continue
            with (out / "epochs.csv").open(newline="", encoding="utf-8") as file:
                yield system, [float(row["valid_loss"]) for row in csv.DictReader(file)]


def differing(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The systems that two commits train otherwise; one of them may not have a system at all."""
    return [
        system
        for system, after in now["losses"].items()
        if (before := then["losses"].get(system)) is None
        or after is None
        or not np.allclose(before, after, rtol=TOLERANCE)
    ]


def known() -> dict[str, dict[str, Any]]:
    """What same_code.json holds: hash of the code -> commits, losses."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}


def record(root: Path, commit: str) -> None:
    """Train every system by the code under ``root`` unless its hash is known; keep its losses."""
    code = code_hash(root)
    found = known()
    entry = found.get(code) or {"commits": [], "losses": dict(losses(root))}
    if commit not in entry["commits"]:
        entry["commits"].append(commit)
    found[code] = entry
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"{commit}: {code[:12]}")


def git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def main() -> None:
    """Record the commits that are given, or the working tree, and say what differs from today."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commits", nargs="*", help="instead of the working tree")
    for commit in parser.parse_args().commits:
        name = git("rev-parse", "--short=12", commit)
        with tempfile.TemporaryDirectory() as folder:
            git("worktree", "add", "--detach", folder, name)
            try:
                builder = Path(folder) / "src/deadpan/layers/native/build.py"
                if builder.exists():
                    subprocess.run([sys.executable, builder], check=True)
                record(Path(folder), name)
            finally:
                git("worktree", "remove", "--force", folder)
    record(ROOT, git("rev-parse", "--short=12", "HEAD"))
    found = known()
    today = found[code_hash()]
    for entry in found.values():
        if other := differing(entry, today):
            print(f"{', '.join(entry['commits'])}: other losses for {', '.join(other)}")


if __name__ == "__main__":
    main()
