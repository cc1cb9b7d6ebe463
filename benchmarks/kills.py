"""What signals, full disks, read-only folders and second processes do to the commands that write.

Each trial disturbs one command, lets it go on as a user would (``--resume``, or the same command
again) and compares all it wrote with an undisturbed run, byte for byte, seconds aside. What two
undisturbed runs do not share either (the environment's date, say) is compared by name only.

Signals come at seeded moments: anywhere in the run, in its last second, and between its writes. One
that came too late, to a command that had ended, is drawn again. Of two at once the first stops at
one of its writes until the second has written something or has ended, so that they always overlap.
The disk is a tmpfs of a few pages, or one mounted read-only, which only root can make: else those
trials are left out, and the table says so. Exit status 1 if any trial failed.

    python benchmarks/kills.py [--kills 40] [--only train] [--out benchmarks/results/kills]
"""

import argparse
import contextlib
import csv
import dataclasses
import hashlib
import io
import json
import math
import os
import random
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: threads would only wait for each other

import numpy as np
import yaml
from workloads.reporting import about, keep, table

# Here once, rather than in every child.
import deadpan.analysis.explanation
import deadpan.cli.training_options
import deadpan.data.conversion
import deadpan.exporting.onnx_file
import deadpan.reports.clip
import deadpan.training.scoring  # noqa: F401
from deadpan.cli import main as deadpan_main
from deadpan.training.checkpoint import load_tensors

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MOMENTS = ("anywhere", "anywhere", "last second", "at a write")
DRAWS = 50
"""Most moments drawn for one signal until it comes in time."""
PAGE = 4096
ROOM = 1 << 28
"""Bytes of a disk that never gets full."""
SMALL = ["--model.width=10", "--model.heads=2", "--model.layers=1", "--batch_size=6"]
TRAIN = ["train", "--data", "mydata", *SMALL]
GRID = {
    "seeds": [1, 2],
    "settings": {"epochs": 2, "batch_size": 12},
    "data": {"mine": {"data": "mydata"}},
    "systems": {
        "HCT-MG": {"model": "HCTMG", "model_options": {"layers": 1, "width": 10, "heads": 2}},
        "LF-DNN": {"model": "LFDNN"},
    },
}


@dataclasses.dataclass(frozen=True)
class Subject:
    """A command that is disturbed.

    Attributes:
        name: of the command.
        arguments: of its first run; it writes to ``out/`` alone.
        goes_on: what a user types after an interruption, given the folder that holds ``out/``; None
            where nothing is left to do.
    """

    name: str
    arguments: tuple[str, ...]
    goes_on: Callable[[Path], Sequence[str] | None]


def subjects() -> list[Subject]:
    train = (*TRAIN, "--epochs=12", "--out=out/run")
    grid = ("benchmark", "grid.yaml", "--out=out/grid", "--workers=2")
    convert = ("data", "convert", "mydata", "out/mine.safetensors")
    export = ("export", "finished", "--out=out/model.onnx")
    explain = ("explain", "finished", "--out=out/explained")

    def unless(file: str, arguments: Sequence[str]) -> Callable[[Path], Sequence[str] | None]:
        return lambda folder: None if (folder / file).exists() else arguments

    return [
        Subject(
            "train",
            train,
            lambda folder: (
                ("train", "--resume", "--out=out/run")
                if (folder / "out/run/config.yaml").exists()
                else train
            ),
        ),
        Subject(
            "benchmark",
            grid,
            lambda folder: (*grid, "--resume") if (folder / "out/grid").exists() else grid,
        ),
        Subject("data convert", convert, unless("out/mine.safetensors", convert)),
        Subject("export", export, unless("out/model.onnx", export)),
        Subject("explain", explain, lambda _: explain),
    ]


def prepare(folder: Path) -> None:
    """Make what the commands read: a data set, a grid, a finished run."""
    home, chance = folder / "mydata", np.random.default_rng(0)
    rows = ["id,label,speaker"]
    for i in range(60):
        label = chance.uniform(-3, 3)
        rows.append(f"clip{i},{label},speaker{i % 10}")
        for modality, width in (("audio", 8), ("vision", 6)):
            (home / modality).mkdir(parents=True, exist_ok=True)
            steps = chance.normal(label, size=(8 + i % 5, width))
            np.save(home / modality / f"clip{i}.npy", steps)
    (home / "labels.csv").write_text("\n".join(rows))
    (folder / "grid.yaml").write_text(yaml.safe_dump(GRID, sort_keys=False))
    (folder / "out").mkdir()
    child = Child([*TRAIN, "--epochs=1", "--out=finished"], folder)
    if child.wait():
        sys.exit(child.errors)


class Child:
    """A command in a forked process, which has all imports already, and a group of its own."""

    def __init__(self, arguments: Sequence[str], folder: Path, *, stops_at: int = 0) -> None:
        """Start it; it stops itself before its write number ``stops_at``, if that is not 0."""
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with this object
        self.events, told = os.pipe()
        self.begun, self.status = time.monotonic(), None
        self.pid = os.fork()
        if self.pid:
            os.close(told)
            return
        status = 1
        try:
            os.setsid()
            for number in SIGNALS[1:]:  # as a shell leaves them; whoever started us may ignore some
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.chdir(folder)
            del sys.modules["__main__"].__file__  # or a grid's workers would import this script
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(self._errors.fileno(), 2)
            sys.stdout = open(1, "w", closefd=False)  # noqa: PTH123, SIM115
            sys.stderr = open(2, "w", closefd=False)  # noqa: PTH123, SIM115
            self._writes = 0

            def watch(event: str, what: tuple) -> None:
                if is_write(event, what):
                    self._writes += 1
                    with contextlib.suppress(OSError):
                        os.write(told, b".")
                    if self._writes == stops_at:
                        os.kill(os.getpid(), signal.SIGSTOP)

            sys.addaudithook(watch)
            status = deadpan_main(list(arguments))
            sys.stderr.flush()
        except BaseException:  # noqa: BLE001
            import traceback

            traceback.print_exc()
            sys.stderr.flush()
        os._exit(status)

    def wait(self) -> int:
        """The exit status; negative: the signal that it died of."""
        if self.status is None:
            # The pipe is emptied, or a child that writes much would wait for us.
            while os.read(self.events, PAGE):
                pass
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self.seconds = time.monotonic() - self.begun
            os.close(self.events)
        return self.status

    def wait_until(self, moment: float) -> None:
        """Wait for a moment of the run, in seconds from its begin, or for its end."""
        while (left := self.begun + moment - time.monotonic()) > 0:
            if select.select([self.events], [], [], left)[0] and not os.read(self.events, PAGE):
                return

    def wait_for_writes(self, count: int) -> None:
        """Wait until so many files were opened for writing, renamed or removed, or for the end."""
        while count > 0 and os.read(self.events, 1):
            count -= 1

    def wait_until_stopped(self) -> None:
        """Wait until it has stopped itself, or has ended."""
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def send(self, number: int) -> None:
        """Send a signal as it comes in life: from a terminal to the whole group, else to one."""
        with contextlib.suppress(ProcessLookupError):
            if number in (signal.SIGINT, signal.SIGHUP):
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)

    @property
    def errors(self) -> str:
        self._errors.seek(0)
        return self._errors.read()


def is_write(event: str, what: tuple) -> bool:
    """Whether an event of Python opens a file for writing, renames or removes one, or makes one."""
    if event == "open":
        writing = isinstance(what[1], str) and set("wax+") & set(what[1])
        return bool(writing) and str(what[0]) != os.devnull
    if event == "os.mkdir":  # most are asked for in case they are not there
        return not os.path.exists(what[0])  # noqa: PTH110 - in the child's every event
    return event in ("os.rename", "os.remove")


def contents(out: Path) -> dict[str, str]:
    """A digest of every file, the seconds in it aside, and of every folder."""
    found = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        found[name] = hashlib.sha256(timeless(path)).hexdigest() if path.is_file() else "folder"
    return found


def timeless(path: Path) -> bytes:
    content = path.read_bytes()
    if path.name == "checkpoint.safetensors":
        tensors, meta = load_tensors(path)
        values = {k: (str(x.dtype), x.numpy().tobytes()) for k, x in sorted(tensors.items())}
        return repr((values, without_seconds(meta))).encode()
    if path.suffix == ".json":
        return json.dumps(without_seconds(json.loads(content))).encode()
    if path.suffix == ".csv":
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        return repr(without_seconds(rows)).encode()
    return content


def without_seconds(value: object) -> object:
    if isinstance(value, dict):
        timed = ("seconds", "opened")  # the second is the date on which a test split was opened
        return {
            k: without_seconds(v) for k, v in value.items() if not any(word in k for word in timed)
        }
    return [without_seconds(v) for v in value] if isinstance(value, list) else value


@dataclasses.dataclass
class Reference:
    """Undisturbed runs of a command: what they wrote, how long, in how many steps, how much."""

    contents: dict[str, str]
    seconds: float
    writes: int
    size: int  # in bytes of whole pages

    def difference(self, out: Path) -> str:
        """How a folder differs, in words; "" if it does not."""
        there = contents(out)
        for name in sorted(self.contents.keys() | there.keys()):
            if name not in there:
                return f"{name} is missing"
            if name not in self.contents:
                return f"{name} is left over"
            if self.contents[name] not in ("differs", there[name]):
                return f"{name} differs"
        return ""


def reference(subject: Subject, base: Path) -> Reference:
    runs, seconds, writes, size = [], [], 0, 0
    for _ in range(3):
        with trial_folder(base) as folder:
            child = Child(subject.arguments, folder)
            writes = 0
            while tale := os.read(child.events, PAGE):
                writes += len(tale)
            if child.wait():
                sys.exit(f"{subject.name}: {child.errors}")
            seconds.append(child.seconds)
            runs.append(contents(folder / "out"))
            files = [p for p in (folder / "out").rglob("*") if p.is_file()]
            size = sum(math.ceil(p.stat().st_size / PAGE) * PAGE for p in files)
    shared = {
        name: x if all(run[name] == x for run in runs) else "differs" for name, x in runs[0].items()
    }
    return Reference(shared, statistics.median(seconds), writes, size)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a trial ended: in a word, what was wrong ("" if nothing), signals that came too late."""

    word: str
    fault: str
    late: int = 0


@contextlib.contextmanager
def trial_folder(base: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=base.parent))
    for name in ("mydata", "grid.yaml", "finished"):
        (folder / name).symlink_to(base / name)
    (folder / "out").mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def disk(folder: Path, size: int) -> Iterator[Callable[[str], None]]:
    """Mount a disk of this size at ``out``; gives what changes its options."""
    where = str(folder / "out")

    def mount(options: str) -> None:
        subprocess.run(["mount", "-o", options, "-t", "tmpfs", "none", where], check=True)

    mount(f"size={max(size, PAGE)}")
    try:
        yield lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", "--lazy", where], check=True)


def foul(child: Child, *allowed: int) -> str:
    """What is wrong with how a process ended; "" if nothing is."""
    errors = child.errors.strip()
    if "Traceback" in errors or "Exception" in errors:
        return f"a traceback: {errors.splitlines()[-1]}"
    if child.status not in allowed:
        return f"status {child.status}: {errors.splitlines()[-1] if errors else 'nothing said'}"
    if child.status == 2 and errors.splitlines()[-1].count("deadpan: error:") != 1:
        return f"no line that says why: {errors[-200:]}"
    return ""


def finish(subject: Subject, sound: Reference, folder: Path) -> str:
    """Go on as a user would; what is wrong then, "" if nothing is."""
    arguments = subject.goes_on(folder)
    if arguments is not None:
        child = Child(arguments, folder)
        child.wait()
        if fault := foul(child, 0):
            return f"going on: {fault}"
    return sound.difference(folder / "out")


def killed(subject: Subject, sound: Reference, base: Path, number: int) -> Outcome:
    """A signal that came while the command ran; moments are drawn until one does."""
    which, moment = SIGNALS[number % 4], MOMENTS[number // 4 % 4]
    for draw in range(DRAWS):
        chance = random.Random(f"{subject.name} {number} {draw}")
        with trial_folder(base) as folder:
            child = Child(subject.arguments, folder)
            if moment == "at a write":
                child.wait_for_writes(chance.randint(1, sound.writes))
                time.sleep(chance.choice([0, chance.uniform(0, 0.005)]))
            else:
                first = max(0.0, sound.seconds - 1) if moment == "last second" else 0.0
                child.wait_until(chance.uniform(first, sound.seconds))
            child.send(which)
            landed = child.wait() != 0
            fault = foul(child, 0, -which, 130 if which == signal.SIGINT else 0)
            fault = fault or finish(subject, sound, folder)
        if landed or fault:
            return Outcome(which.name, fault and f"{which.name} {moment}: {fault}", late=draw)
    return Outcome("too late", f"{which.name} {moment}: none of {DRAWS} came in time", late=DRAWS)


def full(subject: Subject, sound: Reference, base: Path, number: int) -> Outcome:
    chance = random.Random(f"full {subject.name} {number}")
    size = int(chance.uniform(0, sound.size) / PAGE) * PAGE
    with trial_folder(base) as folder, disk(folder, size) as remount:
        child = Child(subject.arguments, folder)
        child.wait()
        fault = foul(child, 0, 2)
        remount(f"size={ROOM}")
        fault = fault or finish(subject, sound, folder)
    return Outcome("fitted" if child.status == 0 else "full", fault and f"{size:,} bytes: {fault}")


def read_only(subject: Subject, sound: Reference, base: Path, number: int) -> Outcome:
    """An empty folder, then one in which a killed run stands."""
    chance = random.Random(f"read-only {subject.name} {number}")
    with trial_folder(base) as folder, disk(folder, ROOM) as remount:
        if number % 2:
            child = Child(subject.arguments, folder)
            child.wait_for_writes(chance.randint(1, sound.writes))
            child.send(signal.SIGKILL)
            child.wait()
            time.sleep(1)  # until workers of a grid have seen that it is gone
        remount("ro")
        before = contents(folder / "out")
        arguments = subject.goes_on(folder)
        fault = ""
        if arguments is not None:
            child = Child(arguments, folder)
            child.wait()
            fault = foul(child, 2)
        if contents(folder / "out") != before:
            fault = fault or "something was written"
        remount("rw")
        fault = fault or finish(subject, sound, folder)
    return Outcome("killed before" if number % 2 else "empty", fault)


def two(subject: Subject, sound: Reference, base: Path, number: int) -> Outcome:
    chance = random.Random(f"two {subject.name} {number}")
    with trial_folder(base) as folder:
        first = Child(subject.arguments, folder, stops_at=chance.randint(1, sound.writes))
        first.wait_until_stopped()
        second = Child(subject.goes_on(folder) or subject.arguments, folder)
        second.wait_for_writes(1)
        first.send(signal.SIGCONT)
        statuses = second.wait(), first.wait()
        fault = foul(first, 0, 2) or foul(second, 0, 2)
        if 0 not in statuses:
            fault = fault or f"neither went on: {first.errors[-200:]} {second.errors[-200:]}"
        fault = fault or sound.difference(folder / "out")
    return Outcome("both went on" if statuses == (0, 0) else "one was told", fault)


def describe(outcomes: Counter) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()) if count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=40, help="of each command")
    parser.add_argument("--others", type=int, default=6, help="trials of each other kind")
    names = [subject.name for subject in subjects()]
    parser.add_argument("--only", choices=names, help="one command")
    parser.add_argument("--out", type=Path, help="write OUT.md and OUT.json")
    options = parser.parse_args()
    rows, faults, begun = [], [], time.monotonic()
    may_mount = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        base = Path(name) / "base"
        base.mkdir()
        prepare(base)
        for subject in subjects():
            if options.only not in (None, subject.name):
                continue
            sound = reference(subject, base)
            row = {"command": subject.name, "seconds": round(sound.seconds, 2)}
            row["by name only"] = ", ".join(k for k, x in sound.contents.items() if x == "differs")
            kinds = [
                ("killed", killed, options.kills),
                ("full disk", full, options.others if may_mount else 0),
                ("read-only", read_only, min(4, options.others) if may_mount else 0),
                ("two at once", two, options.others),
            ]
            for kind, trial, count in kinds:
                wrong, outcomes = 0, Counter()
                for number in range(count):
                    outcome = trial(subject, sound, base, number)
                    outcomes[outcome.word] += 1
                    outcomes["drawn again"] += outcome.late
                    if outcome.fault:
                        wrong += 1
                        faults.append(f"{subject.name}, {kind} {number}: {outcome.fault}")
                        print(faults[-1], flush=True)
                row[kind] = f"{count - wrong} of {count}" if count else "not root: left out"
                row[f"{kind}: outcomes"] = describe(outcomes)
            rows.append(row)
            print(json.dumps(row), flush=True)
    minutes = (time.monotonic() - begun) / 60
    report(options, rows, faults, minutes)
    sys.exit(bool(faults))


def report(
    options: argparse.Namespace, rows: list[dict], faults: list[str], minutes: float
) -> None:
    names = ["command", "killed", "full disk", "read-only", "two at once"]
    lines = table(names, [[row[name] for name in names] for row in rows])
    outcomes = [
        f"- {row['command']} ({row['seconds']} s undisturbed): "
        + "; ".join(f"{kind}: {row[f'{kind}: outcomes']}" for kind in names[1:])
        + (f"; compared by name only: {row['by name only']}" if row["by name only"] else "")
        for row in rows
    ]
    told = "\n".join(f"- {fault}" for fault in faults) or "- none"
    made = about()
    text = f"""# Commands that were killed, ran out of disk, or met each other

Trials that ended as they should, of all: the disturbed process left no traceback, and what was
there after going on was the same as that of an undisturbed run, byte for byte, seconds and dates
aside. Every signal counted here came while the command ran; those that came too late were drawn
again. Of two at once the first stood at one of its writes when the second began.

{chr(10).join(lines)}

Outcomes of the disturbed process:

{chr(10).join(outcomes)}

Faults:

{told}

{minutes:.0f} minutes on {made["machine"]}; the full and the read-only disk are tmpfs mounts.
`python benchmarks/kills.py --kills {options.kills} --others {options.others}`, commit
{made["commit"]}.
"""
    print(text)
    keep(options.out, made | {"rows": rows, "faults": faults}, text)


if __name__ == "__main__":
    main()
