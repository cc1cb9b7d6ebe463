"""Damaged files by the thousand, given to every reader: none may crash, hang, run or swell.

A case is a pure function of (sample, number): bytes are damaged, or what the file means is edited.
Each runs in a child process with a bound on time and on address space; a child that dies is
replaced and its case counted as a crash. Memory may grow by what ``data.containers.memory`` allows
for files of this size and no more; the constant that it adds for files of any size is made small,
or small files could never pass it. Every refusal must be our own error, one line, naming the path.
An audit hook watches for processes, sockets and written files. Exit status 1 if any case failed.

    python benchmarks/fuzz_readers.py [--cases 40000] [--workers 2] [--out benchmarks/results/fuzz]
"""

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from fuzz.corpus import Sample, write
from fuzz.mutate import mutant
from fuzz.structure import restructured
from fuzz.uses import SOUND_RUN, USES

from deadpan.training import environment

SECONDS = 10
"""Processor time after which a reader hangs; on a busy machine a clock would say less."""
BLOCKED = 600
"""Seconds by the clock after which a child waits for what does not come."""
MEMORY = 1 << 30
"""Bytes of address space beyond what the imports take."""
CONSTANT = 2 << 20
"""Bytes of memory that files of any size may take here."""
SLACK = 16 << 20
"""Bytes of memory that an allocator may hold beyond what was asked of it."""
FORBIDDEN = (
    "os.system",
    "subprocess.Popen",
    "socket.connect",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.spawn",
    "os.remove",
    "os.rename",
    "os.truncate",
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
"""Flags of a file that is opened to be written, by ``open`` as by ``os.open``."""


class Hung(BaseException):
    """Raised by the alarm; no reader may swallow it."""


def damage(folder: Path, sample: Sample, case: int) -> None:
    """Replace one file of the sample, in place, by a mutant of it."""
    path = folder / sample.path
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    files += [folder / value for value in sample.options.values()]
    victim = files[case % len(files)]
    content = victim.read_bytes()
    changed = restructured(victim.name, content, case) if case // len(files) % 2 else None
    victim.write_bytes(mutant(content, case) if changed is None else changed)


def judge(folder: Path, sample: Sample) -> str:
    """Use the sample for what it is for, and say what came of it."""
    from deadpan.errors import DeadpanError

    options = {name: str(folder / value) for name, value in sample.options.items()}
    try:
        USES[sample.use](folder / sample.path, options | sample.settings)
        return "read"
    except DeadpanError as error:
        text = str(error)
        if "\n" in text or str(folder) not in text:
            return f"poor message: {text[:200]!r}"
        return "refused"
    except Hung:
        return "hang"
    except Exception as error:  # noqa: BLE001 - any other is what is looked for
        where = error.__traceback__
        while where.tb_next:
            where = where.tb_next
        code = where.tb_frame.f_code
        place = f"{code.co_filename}:{where.tb_lineno}"
        return f"foreign {type(error).__name__}: {str(error)[:100]!r} in {place}"


def status(key: str) -> int:
    """A number of bytes that Linux tells of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(key))


def copy(sound: Path, work: Path, sample: Sample) -> None:
    """Copy a sample alone into an empty folder."""
    shutil.rmtree(work)
    work.mkdir()
    for name in (sample.path, *sample.options.values()):
        source = sound / name
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, work / name)


def child(folder: Path, samples: list[Sample], tasks, results) -> None:
    """Judge cases until told to stop."""
    import torch

    from deadpan.data.containers import memory

    memory.CONSTANT = CONSTANT
    events: list[str] = []

    def audit(event: str, arguments: tuple) -> None:
        writing = event == "open" and arguments[2] & WRITING
        if event.startswith(FORBIDDEN) or writing:
            events.append(event)

    def alarm(*_: object) -> None:
        raise Hung

    sound, work = folder / "sound", Path(tempfile.mkdtemp(dir=folder))
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    SOUND_RUN.append(sound / "run")
    for sample in samples:  # imports are not what is measured
        if (verdict := judge(sound, sample)) != "read":
            raise AssertionError(f"{sample.name}: {verdict}")
    pages = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    signal.signal(signal.SIGPROF, alarm)
    sys.addaudithook(audit)
    while (task := tasks.get()) is not None:
        sample, case = task
        copy(sound, work, sample)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))  # the fuzzer may take what it needs
        damage(work, sample, case)
        resource.setrlimit(resource.RLIMIT_AS, (pages + MEMORY, most))
        size = sum(file.stat().st_size for file in work.rglob("*") if file.is_file())
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        before = status("VmRSS")
        events.clear()
        started = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        verdict = judge(work, sample)
        signal.setitimer(signal.ITIMER_PROF, 0)
        took = time.process_time() - started
        if events or (work / "EXECUTED").exists() or Path("EXECUTED").exists():
            verdict = f"executed: {', '.join(sorted(set(events)))}"
        growth = status("VmHWM") - before
        if growth > memory.MULTIPLE * size + CONSTANT + SLACK:
            verdict = f"swelled: {size} bytes took {growth}"
        results.send((sample.name, case, verdict, took, growth))


class Worker:
    """A child process and the case it is at."""

    def __init__(self, folder: Path, samples: list[Sample]) -> None:
        context = multiprocessing.get_context("spawn")
        self.tasks = context.SimpleQueue()
        self.results, sending = context.Pipe(duplex=False)
        self.process = context.Process(
            target=child, args=(folder, samples, self.tasks, sending), daemon=True
        )
        self.process.start()
        sending.close()
        self.at = None
        self.since = 0.0

    def give(self, task) -> None:
        self.at, self.since = task, time.perf_counter()
        self.tasks.put(task)


def run(cases: int, workers: int, folder: Path) -> list[tuple]:
    """Every case's (sample, number, verdict, seconds, growth in bytes)."""
    samples = write(folder / "sound")
    pending = [(samples[i % len(samples)], i // len(samples)) for i in range(cases)]
    pending.reverse()
    outcomes, pool = [], [Worker(folder, samples) for _ in range(workers)]
    while pending or any(worker.at for worker in pool):
        for i, worker in enumerate(pool):
            if worker.at is None and pending:
                worker.give(pending.pop())
            late = time.perf_counter() - worker.since > BLOCKED
            try:
                if worker.at and worker.results.poll(0.002):
                    outcomes.append(worker.results.recv())
                    worker.at = None
                    continue
            except EOFError:
                late = True
            if worker.at and (late or not worker.process.is_alive()):
                worker.process.kill()
                worker.process.join()
                verdict = f"crash, exit status {worker.process.exitcode}"
                outcomes.append((worker.at[0].name, worker.at[1], verdict, float("nan"), 0))
                pool[i] = Worker(folder, samples)
        if sys.stderr.isatty():
            print(f"\r{len(outcomes)}/{cases}", end="", file=sys.stderr)
    for worker in pool:
        worker.tasks.put(None)
    return outcomes


def table(outcomes: list[tuple]) -> list[dict[str, object]]:
    """A row per sample."""
    rows = []
    for name in sorted({row[0] for row in outcomes}):
        cases = [row for row in outcomes if row[0] == name]
        verdicts = Counter(row[2] if row[2] in ("read", "refused") else "failed" for row in cases)
        rows.append(
            {
                "layout": name,
                "cases": len(cases),
                **{key: verdicts[key] for key in ("read", "refused", "failed")},
                "slowest, s": round(max((r[3] for r in cases if r[3] == r[3]), default=0.0), 2),
                "most memory, MB": round(max(row[4] for row in cases) / 2**20),
            }
        )
    return rows


def markdown(rows: list[dict[str, object]], summary: str) -> str:
    """The table, and how it was made."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(map(str, row.values())) + " |" for row in rows]
    return "# Damaged files given to every reader\n\n" + "\n".join(lines) + f"\n\n{summary}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=40_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write OUT.md and OUT.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        commit = environment.commit_name(**environment.commit())  # before it can change
        outcomes = run(arguments.cases, arguments.workers, Path(folder))
        seconds = round(time.perf_counter() - started)
    rows = table(outcomes)
    failures = [list(row[:3]) for row in outcomes if row[2] not in ("read", "refused")]
    peak = round(max(row[4] for row in outcomes) / 2**20)
    executed = sum(row[2].startswith("executed") for row in outcomes)
    summary = (
        f"{len(outcomes):,} cases, {len(failures)} failed (crash, hang beyond {SECONDS} s, "
        f"{MEMORY >> 30} GB of address space, more memory than the bound, code run, an error that "
        f"is not ours), {executed} of them ran code; in {seconds} s; most memory {peak} MB. "
        f"`python benchmarks/fuzz_readers.py --cases "
        f"{arguments.cases}`, commit {commit}."
    )
    print(markdown(rows, summary))
    for failure in failures[:40]:
        print(*failure, sep=" | ")
    answer = {"cases": len(outcomes), "failed": len(failures), "seconds": seconds, "peak_mb": peak}
    if arguments.out:
        arguments.out.with_suffix(".md").write_text(markdown(rows, summary))
        full = answer | {"rows": rows, "failures": failures}
        arguments.out.with_suffix(".json").write_text(json.dumps(full, indent=1) + "\n")
    print(json.dumps(answer))
    raise SystemExit(bool(failures))


if __name__ == "__main__":
    main()
