"""The C under AddressSanitizer and UndefinedBehaviorSanitizer: random shapes, threads, a fork.

The sources are compiled with gcc's sanitizers, and encoder layers and GRUs of random shapes, masks
and rates run forwards and backwards: with each set of instructions that this processor has, on one
OpenMP thread and two, from two Python threads at once, and in a forked process. Each call has a
workspace of exactly the size that the C asks for, so that what reads or writes beyond it is seen.
Leaves with status 1 after the first finding, and then writes no table.

    python benchmarks/sanitize.py [--shapes 2000] [--out benchmarks/results/sanitize]
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import Any

SANITIZE = "-fsanitize=address,undefined -fno-sanitize-recover=all -O1 -g"
RUNTIMES = ("libasan.so", "libubsan.so")
FOLDER = "DEADPAN_SANITIZED"


def preloaded() -> dict[str, str]:
    """The environment of a process whose memory the sanitizers watch."""
    paths = [
        subprocess.run(
            ["cc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in RUNTIMES
    ]
    return {
        "LD_PRELOAD": " ".join(paths),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=99",  # Python leaks on purpose
        "UBSAN_OPTIONS": "print_stacktrace=1:exitcode=99",
    }


def encoder_case(random_number: random.Random) -> None:
    """An encoder layer of a random shape, forwards and backwards."""
    import torch

    from deadpan.layers.transformer import EncoderLayer

    draw = random_number.randint
    heads = draw(1, 6)
    width, clips = heads * draw(1, 12), draw(0, 5)
    steps, source_steps = (random_number.choice([0, 1, draw(1, 9), draw(1, 150)]) for _ in "ts")
    rate = random_number.choice([0.0, 0.3])
    layer = EncoderLayer(width, heads, residual_dropout=rate, relu_dropout=rate)
    x, source = (torch.randn(clips, n, width, requires_grad=True) for n in (steps, source_steps))
    alone = random_number.random() < 0.3
    lengths = [[draw(0, n) for _ in range(clips)] for n in (steps, source_steps)]
    masks = [
        torch.arange(n) < torch.tensor(real, dtype=torch.int64)[:, None]
        for n, real in zip((steps, source_steps), lengths, strict=True)
    ]
    out = layer(
        x,
        masks[0],
        None if alone else source,
        masks[0] if alone else masks[1],
        attention_dropout=rate,
        mask_future=random_number.random() < 0.5,
    )
    if random_number.random() < 0.8:
        out.sum().backward()


def gru_case(random_number: random.Random) -> None:
    """Some GRUs of a random shape, forwards and backwards."""
    import torch

    from deadpan.layers.native.gru import MAX_SEQUENCES, gru_scan

    draw = random_number.randint
    sequences, clips, hidden = draw(1, MAX_SEQUENCES), draw(0, 6), draw(1, 40)
    steps = [random_number.choice([0, 1, draw(1, 40)]) for _ in range(sequences)]
    inputs = [torch.randn(clips, n, 3 * hidden, requires_grad=True) for n in steps]
    masks = [
        torch.arange(n) < torch.tensor([draw(0, n) for _ in range(clips)]).long()[:, None]
        for n in steps
    ]
    weight = torch.randn(sequences, 3 * hidden, hidden, requires_grad=True)
    states = gru_scan(inputs, masks, weight, torch.randn(sequences, 3 * hidden))
    if random_number.random() < 0.8:
        sum(h.sum() for h in states).backward()


def run_cases(seeds: range) -> None:
    for seed in seeds:
        random_number = random.Random(seed)
        random_number.choice([encoder_case, gru_case])(random_number)


def run_in_threads(seeds: range) -> None:
    """Two Python threads at once, each with half of the seeds."""
    errors: list[str] = []

    def work(part: range) -> None:
        try:
            run_cases(part)
        except Exception:  # a thread's error must end the process with its status
            errors.append(traceback.format_exc())

    threads = [threading.Thread(target=work, args=(seeds[i::2],)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        sys.exit("\n".join(errors))


def run_after_fork(seeds: range) -> None:
    if not (child := os.fork()):
        status = 1
        try:
            run_cases(seeds)
            status = 0
        finally:
            os._exit(status)
    if status := os.waitpid(child, 0)[1]:
        sys.exit(f"the forked process ended with status {status}")


def run_all(folder: Path, shapes: int) -> None:
    """Everything with one set of instructions, in a process under the sanitizers."""
    import torch

    from deadpan.layers.native import library

    library.FOLDER = folder
    at_least = library.Workspace.at_least

    def exactly(self: library.Workspace, floats: int) -> int:
        self.memory = None
        return at_least(self, floats)

    library.Workspace.at_least = exactly
    if library.library() is None:
        sys.exit(library.kernels())
    part = max(1, shapes // 4)
    torch.set_num_threads(1)
    run_cases(range(part))
    torch.set_num_threads(2)
    run_cases(range(part, 2 * part))
    run_in_threads(range(2 * part, 3 * part))
    torch.set_num_threads(1)  # torch's own OpenMP does not survive a fork with more
    run_after_fork(range(3 * part, 4 * part))
    print(json.dumps([library.kernels(), *[part] * 4]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", type=int, default=2000, help="for each set of instructions")
    parser.add_argument("--out", type=Path, help="write OUT.md and OUT.json")
    chosen = parser.parse_args()
    if folder := os.environ.get(FOLDER):
        return run_all(Path(folder), chosen.shapes)
    from workloads.reporting import about, keep

    from deadpan.layers.native.build import INSTRUCTIONS, compile_library

    rows, begun = [], time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        if reason := compile_library(Path(folder), options=SANITIZE.split()):
            sys.exit(reason)
        environment = os.environ | preloaded() | {FOLDER: folder}
        command = [sys.executable, __file__, "--shapes", str(chosen.shapes)]
        for instructions in INSTRUCTIONS:
            environment["DEADPAN_NATIVE"] = instructions
            done = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, text=True, check=False
            )
            if done.returncode:
                sys.exit(f"{instructions}: the process ended with status {done.returncode}")
            rows.append(json.loads(done.stdout))
            print(done.stdout, end="", flush=True)
    result = {"minutes": (time.monotonic() - begun) / 60, "shapes": rows, **about()}
    keep(chosen.out, result, markdown(result, chosen.shapes))
    print(markdown(result, chosen.shapes))
    return None


def markdown(result: dict[str, Any], shapes: int) -> str:
    from workloads.reporting import table

    lines = ["# The C under AddressSanitizer and UndefinedBehaviorSanitizer", ""]
    lines += ["Random shapes that ran without a finding, by instructions:", ""]
    lines += table(
        ["instructions", "one thread", "two OpenMP threads", "two Python threads", "fork"],
        result["shapes"],
    )
    lines += ["", f"{result['minutes']:.0f} minutes on {result['machine']}. Made by"]
    lines += [f"`python benchmarks/sanitize.py --shapes {shapes}`, commit {result['commit']}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
