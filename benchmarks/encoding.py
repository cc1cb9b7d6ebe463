"""Processor time to encode the texts of a table with a frozen encoder, and to train on the result.

    python benchmarks/encoding.py [--table FILE] [--encoder FOLDER] [--layers 6-9]
        [--out benchmarks/results/encoding]

Both commands are those of a user, from the start of the process to its end, so that imports and the
loading of the encoder count. By default the table is MOSI's in ``../shared/data``, and the encoder
the one that ``python studies/accuracy/materials.py`` makes.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from workloads.reporting import about, keep, table

from deadpan.data import load

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT.parent / "shared" / "data" / "mosi" / "label.csv"
ENCODER = ROOT / "runs" / "materials" / "all-mpnet-base-v2"
LAYERS = "6-9"


def cost(*arguments: str) -> dict[str, float]:
    """Seconds of the processor and of the clock that a command of deadpan takes."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "deadpan", *arguments], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"cpu_s": cpu, "clock_s": time.perf_counter() - start}


def measured(texts: Path, encoder: Path, layers: str, train: Sequence[str]) -> dict[str, object]:
    """What encoding a table costs, and a training run of the preset on it."""
    with tempfile.TemporaryDirectory() as name:
        store, run = Path(name) / "words.safetensors", Path(name) / "run"
        encoding = cost(
            *("encode", str(texts), "--encoder", str(encoder), "--layers", layers),
            *("--out", str(store)),
        )
        training = cost(
            *("train", "--config", "recommended", "--data", str(store), "--out", str(run)), *train
        )
        data = load(store)
        clips = sum(map(len, data.splits.values()))
    return {"clips": clips, "encode": encoding, "train": training}


def page(figures: dict) -> str:
    rows = [
        (what, *(f"{figures[name][key]:.0f} s" for key in ("cpu_s", "clock_s")))
        for name, what in (
            ("encode", "`deadpan encode`"),
            ("train", "`deadpan train --config recommended`"),
        )
    ]
    lines = [
        "# Encoding texts, and training on them",
        "",
        f"`python benchmarks/encoding.py`; {figures['machine']}, commit {figures['commit']}; "
        f"{figures['clips']:,} clips of {figures['table']}, {figures['encoder']}, layers "
        f"{figures['layers']}.",
        "",
        *table(["command, with its start", "processor", "clock"], rows),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, default=TABLE, help="with a column text")
    parser.add_argument("--encoder", type=Path, default=ENCODER, help="a folder")
    parser.add_argument("--layers", default=LAYERS)
    parser.add_argument("--out", type=Path, help="where the results go, without a suffix")
    chosen = parser.parse_args()
    for path, instead in ((chosen.table, "--table"), (chosen.encoder, "--encoder")):
        if not path.exists():
            parser.error(f"{path} is not there; name another with {instead}")
    figures = {
        "table": "/".join(chosen.table.parts[-2:]),
        "encoder": chosen.encoder.name,
        "layers": chosen.layers,
        **about(),
        **measured(chosen.table, chosen.encoder, chosen.layers, []),
    }
    told = page(figures)
    print(told)
    keep(chosen.out, figures, told)


if __name__ == "__main__":
    main()
