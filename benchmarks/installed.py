"""An installation outside the clone: what it takes, what it weighs, and that it computes the same.

A wheel and an sdist are built. The wheel goes into an empty environment whose PATH has no compiler,
the sdist into one with a compiler and into one without. In each, three lines of Python train a
model on generated clips for one epoch and score it; then one run predicts the same clips with the C
of each environment and without it. That nothing is compiled in use is seen from the files of the
package, which are the same before and after.

    python benchmarks/installed.py [--out benchmarks/results/installed]
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from workloads.reporting import about, keep, table

ROOT = Path(__file__).resolve().parents[1]
FIRST = """
import json, deadpan
run = deadpan.train("controlled", epochs=1, out="first")
print(json.dumps(deadpan.evaluate(run.path)["rows"][-1]))
"""
KERNELS = "import deadpan; print(deadpan.env()['kernels'])"
PREDICTIONS = """
import json, sys, deadpan
rows = deadpan.predict(sys.argv[1], "controlled")
print(json.dumps([row["prediction_sentiment"] for row in rows if row["split"] == "test"]))
"""
HEAVIEST = 8
"""Packages that are named with their sizes."""


class Installation:
    """An environment of its own in a folder, with deadpan from one file."""

    def __init__(self, folder: Path, source: Path, *, compiler: bool) -> None:
        self.home = folder / "work"
        self.home.mkdir(parents=True)
        self.bin = folder / "venv" / "bin"
        venv.create(folder / "venv", with_pip=True)
        kept = ("HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")
        self.environment = {x: y for x, y in os.environ.items() if x in kept or "PIP" in x}
        self.environment |= {"PATH": str(self.bin), "OMP_NUM_THREADS": "2"}
        if compiler:
            self.environment["PATH"] += os.pathsep + os.environ["PATH"]
        begun = time.monotonic()
        constraints = ["--constraint", str(ROOT / "constraints.txt")]
        self.run("python", "-m", "pip", "install", "-q", *constraints, str(source))
        self.seconds = time.monotonic() - begun
        self.packages = next((folder / "venv" / "lib").glob("python*/site-packages"))

    def run(self, program: str, *arguments: str, **environment: str) -> str:
        """Output of a program of the environment, run outside the clone."""
        return subprocess.run(
            [self.bin / program, *arguments],
            cwd=self.home,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    def python(self, code: str, *arguments: str, **environment: str) -> str:
        return self.run("python", "-c", code, *arguments, **environment).strip()

    def sizes(self) -> Counter[str]:
        """Megabytes (10^6 bytes) by package, with the bytecode that pip writes."""
        sizes: Counter[str] = Counter()
        for path in self.packages.rglob("*"):
            if path.is_file() and not path.is_symlink():
                name = path.relative_to(self.packages).parts[0].removesuffix(".libs")
                sizes[name] += path.stat().st_size / 1e6
        del sizes["pip"], sizes["setuptools"]
        return sizes

    def files(self) -> dict[str, int]:
        """Files of the package with the times of their last change; bytecode aside."""
        package = self.packages / "deadpan"
        return {
            str(path.relative_to(package)): path.stat().st_mtime_ns
            for path in package.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }


def children_cpu() -> float:
    """Seconds that processors worked for ended children, which load makes no longer."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(installed: Installation) -> dict[str, Any]:
    """What a first user sees of an installation."""
    sizes, before = installed.sizes(), installed.files()
    begun, cpu = time.monotonic(), children_cpu()
    score = json.loads(installed.python(FIRST).splitlines()[-1])
    first, cpu = time.monotonic() - begun, children_cpu() - cpu
    help_seconds = []
    for _ in range(5):
        begun = time.monotonic()
        installed.run("deadpan", "--help")
        help_seconds.append(time.monotonic() - begun)
    if installed.files() != before:
        sys.exit("files of the package have changed in use")
    return {
        "kernels": installed.python(KERNELS),
        "install_s": round(installed.seconds),
        "first_score_s": round(first),
        "first_score_cpu_s": round(cpu),
        "help_s": round(min(help_seconds), 2),
        "score": score,
        "megabytes": round(sum(sizes.values())),
        "heaviest": {name: round(size) for name, size in sizes.most_common(HEAVIEST)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="write OUT.md and OUT.json")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="deadpan-installed-") as name:
        folder = Path(name)
        tools = folder / "tools"
        venv.create(tools, with_pip=True)
        subprocess.run([tools / "bin/pip", "install", "-q", "build"], check=True)
        build = [tools / "bin/python", "-m", "build", "--outdir", str(folder / "dist"), str(ROOT)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        (wheel,), (sdist,) = ((folder / "dist").glob(x) for x in ("*.whl", "*.tar.gz"))
        result: dict[str, Any] = {
            "files": {path.name: round(path.stat().st_size / 1e6, 1) for path in (wheel, sdist)}
        }
        kinds = {
            "wheel, no compiler": (wheel, False),
            "sdist, a compiler": (sdist, True),
            "sdist, no compiler": (sdist, False),
        }
        rows, predictions = {}, {}
        for number, (kind, (source, compiler)) in enumerate(kinds.items()):
            installed = Installation(folder / str(number), source, compiler=compiler)
            rows[kind] = measure(installed)
            run = str(folder / "0" / "work" / "first")
            predictions[kind] = json.loads(installed.python(PREDICTIONS, run))
            if not number:
                switched_off = installed.python(PREDICTIONS, run, DEADPAN_NATIVE="0")
                predictions["wheel, DEADPAN_NATIVE=0"] = json.loads(switched_off)
            else:
                shutil.rmtree(folder / str(number))
            print(kind, json.dumps(rows[kind]), flush=True)
    reference = np.array(predictions["wheel, no compiler"])
    result["installations"] = rows
    result["deviations"] = {
        kind: float(np.abs(np.array(values) - reference).max())
        for kind, values in predictions.items()
    }
    result |= {"clips": len(reference), "load": os.getloadavg()[0], **about()}
    keep(chosen.out, result, markdown(result))
    print(markdown(result))


def markdown(result: dict[str, Any]) -> str:
    rows = result["installations"]
    lines = ["# Installed outside the clone", ""]
    lines += ["Files: " + ", ".join(f"{x} {y} MB" for x, y in result["files"].items()) + ".", ""]
    columns = ("kernels", "megabytes", "install_s", "first_score_s", "first_score_cpu_s", "help_s")
    names = ("kernels", "MB", "to install, s", "to a score, s", "CPU s of it", "`--help`, s")
    cells = [[kind, *(row[x] for x in columns)] for kind, row in rows.items()]
    lines += table(["installed from", *names], cells)
    heaviest = next(iter(rows.values()))["heaviest"].items()
    sizes = ", ".join(f"{x} {size}" for x, size in heaviest)
    lines += ["", "MB (10^6 bytes) are of all packages, with the bytecode that pip writes and"]
    lines += [f"without pip; most are of {sizes}."]
    lines += ["", f"Predictions of one run for {result['clips']} clips: the largest difference"]
    lines += ["from those of the wheel.", ""]
    deviations = [[x, f"{y:.1e}"] for x, y in result["deviations"].items()]
    lines += table(["installed from", "difference"], deviations)
    lines += ["", f"On {result['machine']}, load {result['load']:.1f} at the end, commit"]
    lines += [f"{result['commit']}. Made by"]
    lines += ["`python benchmarks/installed.py`."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
