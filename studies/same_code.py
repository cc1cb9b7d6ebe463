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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

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

OTHER_CODE = Path(__file__).with_name("other_code.yaml")
"""Tables of other code, each with the reason why it stays."""

GRIDS: Mapping[str, str | Mapping[str, Mapping[str, Any]]] = {
    **{
        f"accuracy/{name}": f"accuracy/{grid}.yaml"
        for name, grid in {
            "attributes.csv": "options",
            "factors.csv": "factors",
            "kernels.csv": "kernels",
            "missing.csv": "missing",
            "options.csv": "options",
            "options.json": "options",
            "tuned.csv": "tuned",
            "tuned.json": "tuned",
            "uncertainty.csv": "uncertainty",
        }.items()
    },
    "accuracy/kinds.csv": "accuracy/options.yaml accuracy/families.yaml",
    "accuracy/lexicon.csv": {"LF-LSTM": {"model": "LFLSTM"}},
    "claims/claims.csv": "claims/claims.yaml",
    "claims/claims.json": "claims/claims.yaml",
    "compare/tables.json": "compare/compare.yaml",
    "demo/scores.json": {"HCTMG": {}},
}
"""The tables that name the commits of their runs, and the systems of each: grids, or settings."""

OF_OTHERS = ("parity/parity.csv", "parity/parity.json", "accuracy/removed.csv")
"""Tables of no system of today: of the repositories that were compared, and of what was removed."""

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


def names_commits(file: Path) -> bool:
    """Whether a CSV has a column of commits, or a JSON says the word."""
    text = file.read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    return "commit" in (first.split(",") if file.suffix == ".csv" else text)


def runs_of(file: Path) -> set[tuple[str, str]]:
    """The systems of a table and the commits of their runs; "" where it names no system."""
    if file.suffix == ".csv":
        with file.open(newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
        return {
            (system, commit)
            for row in rows
            for system in _systems_of(row)
            for commit in row["commit"].split()
        }
    content = json.loads(file.read_text(encoding="utf-8"))
    if isinstance(content, list):  # the tables of a grid, whose notes name the commits
        return {
            (row["system"], commit)
            for table in content
            for row in table["rows"]
            if row["seeds"]
            for note in table["notes"]
            if note.startswith("commit ")
            for commit in note.removeprefix("commit ").split(", ")
        }
    if "runs" in content:
        return {(run["system"], run["commit"]) for run in content["runs"]}
    commit = content["commit"] + ("+" if content["dirty"] else "")
    return {(row["system"], commit) for row in content["rows"] if row["parameters"]}


def _systems_of(row: Mapping[str, str]) -> list[str]:
    if "structure" in row:
        return [f"{row['structure']}: {row['reader']}"]
    return row.get("system", row.get("systems", "")).split("; ")


def settings_of(grids: str | Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The settings of each system of some grids, those of single data sets laid over it."""
    if not isinstance(grids, str):
        return {name: dict(settings) for name, settings in grids.items()}
    systems: dict[str, dict[str, Any]] = {}
    for grid in grids.split():
        values = yaml.safe_load((ROOT / "studies" / grid).read_text(encoding="utf-8"))
        for name, own in values["systems"].items():
            layers = [values.get("settings", {}), own, *own.get("per_data", {}).values()]
            settings = {key: x for layer in layers for key, x in layer.items()}
            options = [layer.get("model_options", {}) for layer in layers]
            settings["model_options"] = {k: x for each in options for k, x in each.items()}
            systems[name] = settings
    return systems


def trained_as(settings: Mapping[str, Any]) -> set[str]:
    """The systems of ``SYSTEMS`` that share with a system of a grid the code that trains it."""
    model, options = settings.get("model", "HCTMG"), settings.get("model_options", {})
    marks = {
        "HCTMG, no reader": model == "HCTMG" and options.get("reader") == "none",
        "HCTMG, attention pooling": model == "HCTMG" and options.get("pooling") == "attention",
        "HCTMG, gate per clip": options.get("gate_per") == "clip",
        "HCTMG, modality dropout": options.get("modality_dropout", 0) > 0,
        "HCTMG, distribution": settings.get("loss") == "distribution",
        "HCTMG, EMA and OneCycle": settings.get("ema", 0) > 0
        or settings.get("schedule") == "onecycle",
        "EFLSTM, CTC": bool(options.get("ctc")),
    }
    return {model} | {name for name, has in marks.items() if has}


def otherwise(
    runs: Iterable[tuple[str, str]],
    systems: Mapping[str, Mapping[str, Any]],
    recorded: Mapping[str, Mapping[str, Any]],
    today: Mapping[str, Any],
) -> list[str]:
    """Why a table is not known to be of today's code, a reason each; empty where it is.

    Args:
        runs: system and commit; see :func:`runs_of`.
        systems: of the table's grid; see :func:`settings_of`.
        recorded: the content of same_code.json.
        today: its entry of today's code.
    """
    entries = {commit: entry for entry in recorded.values() for commit in entry["commits"]}
    reasons: set[str] = set()
    for system, commit in runs:
        if commit not in entries:
            reasons.add(f"commit {commit} is not in {FILE.name}")
            continue
        if system and system not in systems:
            reasons.add(f"{system} is no system of its grid any more")
            continue
        named = [systems[system]] if system else systems.values()
        needed = {name for settings in named for name in trained_as(settings)}
        changed = needed.intersection(differing(entries[commit], today))
        reasons |= {f"commit {commit} trains {name} otherwise" for name in changed}
    return sorted(reasons)


def tables_of_other_code(today: Mapping[str, Any]) -> dict[str, list[str]]:
    """The tables that are not known to be of today's code, with the reasons."""
    found = {
        name: otherwise(runs_of(ROOT / "studies" / name), settings_of(grids), known(), today)
        for name, grids in GRIDS.items()
        if (ROOT / "studies" / name).exists() and names_commits(ROOT / "studies" / name)
    }
    return {name: reasons for name, reasons in found.items() if reasons}


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
    for name, reasons in tables_of_other_code(today).items():
        print(f"studies/{name}: {'; '.join(reasons)}")


if __name__ == "__main__":
    main()
