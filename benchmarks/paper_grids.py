"""The paper's tables, one epoch of each system, on noise in files of the official layout and sizes.

Shows that each configs/table[24]_*.yaml runs from end to end at full size, and what an epoch of
each system costs here: a process and a thread a run. The files are noise, so no score is told. An
interrupted run goes on where it was.

    python benchmarks/paper_grids.py [GRID ...] [--clips N] [--out benchmarks/results/paper_grids]
"""

import argparse
import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

import torch
import yaml
from workloads.official import CORPORA, write

from deadpan.benchmarking.grid import read_grid
from deadpan.benchmarking.run import run_grid
from deadpan.cli.progress import watching_grid
from deadpan.threads import processors
from deadpan.training.environment import commit, commit_name

ROOT = Path(__file__).resolve().parents[1]
GRIDS = {path.stem: path for path in sorted((ROOT / "configs").glob("table[24]_*.yaml"))}


def prepare(grid: Path, folder: Path, *, clips: int | None = None) -> Path:
    """Write a grid of one seed and one epoch, and the files it reads, into ``folder``.

    Args:
        grid: of ``configs/``; its name ends with its corpus.
        folder: where the grid is to be run.
        clips: in each file, about; None = the corpus's own sizes.
    """
    values = yaml.safe_load(grid.read_text())
    values["seeds"] = [1]
    parts = [*values["data"].values(), *values["systems"].values()]
    corpus = CORPORA[grid.stem.partition("_")[2]]
    for part in parts:
        part["epochs"] = 1
    folder.mkdir(parents=True, exist_ok=True)
    for source in {part["data"] for part in parts if "data" in part}:
        if not (folder / source).exists():
            sizes = corpus.clips if clips is None else corpus.smaller(clips)
            write(folder / source, corpus, clips=sizes, aligned="noalign" not in source)
    short = folder / grid.name
    short.write_text(yaml.safe_dump(values, sort_keys=False))
    return short


def run(grid: Path, folder: Path, *, clips: int | None, workers: int) -> dict[str, Any]:
    """The seconds of an epoch of each system, and of the whole grid; its runs are then removed."""
    start = time.perf_counter()
    short = prepare(grid, folder, clips=clips)
    out = folder / "out" / grid.stem
    with contextlib.chdir(folder), watching_grid() as watch:  # where a grid's paths begin
        study = run_grid(read_grid(short), out, workers=workers, resume=out.exists(), watch=watch)
    shutil.rmtree(out)
    rows = [row for table in study.tables for row in table.rows if row.seeds]
    return {
        "commit": commit_name(**commit()),
        "clips": clips,
        "minutes": round((time.perf_counter() - start) / 60, 1),
        "failures": dict(study.failures),
        "systems": {
            row.system: {"parameters": row.parameters, "seconds": round(row.seconds, 1)}
            for row in rows
        },
    }


def markdown(told: dict[str, Any]) -> str:
    """A table: systems by corpus; Table 4's grids share three systems of a corpus."""
    grids = told["grids"]
    systems = list(dict.fromkeys(s for grid in grids.values() for s in grid["systems"]))
    lines = [
        "# The paper's grids, one epoch on noise of the official layout and sizes",
        "",
        "Seconds of a run's epoch with its validation, then minutes of the whole grid with reading",
        f"and scoring; one thread a run, {told['workers']} runs at a time.",
        "",
        f"| system | {' | '.join(grids)} |",
        f"|---|{'---:|' * len(grids)}",
    ]
    for system in systems:
        cells = [grid["systems"].get(system, {}).get("seconds", "") for grid in grids.values()]
        lines.append(f"| {system} | {' | '.join(str(cell) for cell in cells)} |")
    facts = {
        "whole grid, minutes": [grid["minutes"] for grid in grids.values()],
        "runs that failed": [len(grid["failures"]) for grid in grids.values()],
        "clips in a file": [grid["clips"] or "official" for grid in grids.values()],
        "commit": [grid["commit"] for grid in grids.values()],
    }
    lines += [f"| {name} | {' | '.join(map(str, cells))} |" for name, cells in facts.items()]
    lines += ["", f"Made by `python benchmarks/paper_grids.py`, {told['machine']}. An interrupted"]
    lines += ["grid's minutes are those of its last part."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("grids", nargs="*", metavar="GRID", default=list(GRIDS), help=str([*GRIDS]))
    parser.add_argument("--clips", type=int, help="in each file; left out: the official sizes")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "paper_grids")
    parser.add_argument("--out", type=Path, help="write OUT.md and OUT.json, beside what they hold")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.grids if name not in GRIDS]:
        parser.error(f"no grid {', '.join(unknown)}; there are {', '.join(GRIDS)}")
    kept = chosen.out.with_suffix(".json") if chosen.out else None
    told: dict[str, Any] = json.loads(kept.read_text()) if kept and kept.exists() else {"grids": {}}
    told |= {
        "workers": chosen.workers,
        "machine": f"{processors()} cores, torch {torch.__version__}",
    }
    # Files of one size are never taken for those of another.
    folder = (chosen.folder / str(chosen.clips or "official")).resolve()
    for name in chosen.grids:
        print(f"{name} ...", flush=True)
        told["grids"][name] = run(GRIDS[name], folder, clips=chosen.clips, workers=chosen.workers)
        print(json.dumps(told["grids"][name]), flush=True)
        if kept:
            kept.write_text(json.dumps(told, indent=2) + "\n")
            kept.with_suffix(".md").write_text(markdown(told))
    print(markdown(told))


if __name__ == "__main__":
    main()
