"""What a store costs and saves: seconds, memory and bytes, beside the padded pickle it is made of.

As many clips as MOSEI has, as wide (300/74/35), in MulT's layout and padded to its 50/500/500
steps, about 12/55/65 of them real: a pickle of 6.4 GB. Each step runs in a process of its own;
memory is that of the process less what it had before the step, from /proc every 10 ms: "all" also
counts pages of mapped files, which the system can take back, "own" does not.

    python benchmarks/store.py [--clips 22856] [--folder FOLDER]
        [--json benchmarks/results/store.json]
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workloads.memory import MB, Peak
from workloads.official import CORPORA, write

from deadpan.data.conversion import convert_dataset
from deadpan.data.dataset import Dataset, fingerprint
from deadpan.data.store.reading import store_dataset

MOSEI = CORPORA["mosei"]


def read_all(store: Path) -> Dataset:
    """An epoch's worth of reading: every clip is taken and every value looked at."""
    dataset = store_dataset(store)
    fingerprint(dataset)
    return dataset


STEPS: dict[str, Callable[[Path, Path], Dataset]] = {
    "convert": convert_dataset,
    "open": lambda _, store: store_dataset(store),
    "read all": lambda _, store: read_all(store),
}


def measured(call: Callable[[], Dataset]) -> dict[str, float]:
    """Seconds, and the most memory beyond that before the call."""
    with Peak(every=0.01) as peak:
        start = time.perf_counter()
        dataset = call()
        seconds = time.perf_counter() - start
    assert dataset.splits
    return {
        "seconds": round(seconds, 3),
        "interpreter": round(peak.before["all"], 1),
        **{kind: round(most - peak.before[kind], 1) for kind, most in peak.most.items()},
    }


def in_a_process(step: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--step", step, "--folder", str(folder)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(told)


def benchmark(folder: Path, clips: int) -> dict[str, Any]:
    source, store = folder / "padded.pkl", folder / "store.safetensors"
    size = clips * 4 * sum(MOSEI.steps[name] * width for name, width in MOSEI.widths.items())
    if (free := shutil.disk_usage(folder).free) < 1.5 * size:
        sys.exit(f"{folder}: needs {1.5 * size / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
    write(source, MOSEI, clips=MOSEI.smaller(clips))
    steps = {step: in_a_process(step, folder) for step in STEPS}
    sizes = {"pickle": source.stat().st_size, "store": store.stat().st_size}
    return {"clips": clips, "bytes": sizes, "steps": steps}


def show(figures: dict[str, Any]) -> None:
    pickled, stored = figures["bytes"]["pickle"], figures["bytes"]["store"]
    print(
        f"{figures['clips']:,} clips: pickle {pickled / MB:,.1f} MB, store {stored / MB:,.1f} MB, "
        f"{pickled / stored:.2f} times smaller"
    )
    print(f"{'':<10}{'seconds':>10}{'all, MB':>12}{'own, MB':>12}{'interpreter, MB':>18}")
    for step, told in figures["steps"].items():
        print(
            f"{step:<10}{told['seconds']:>10.2f}{told['all']:>12,.1f}{told['own']:>12,.1f}"
            f"{told['interpreter']:>18,.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=sum(MOSEI.clips.values()))
    parser.add_argument("--folder", type=Path, help="for the files, which are removed at the end")
    parser.add_argument("--json", type=Path, help="write the figures")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.step:
        source, store = chosen.folder / "padded.pkl", chosen.folder / "store.safetensors"
        print(json.dumps(measured(lambda: STEPS[chosen.step](source, store))))
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        figures = benchmark(Path(folder), chosen.clips)
    show(figures)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
