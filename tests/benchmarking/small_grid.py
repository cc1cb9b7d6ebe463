"""A grid that runs in seconds, and someone who remembers what it did."""

import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import yaml

from deadpan.benchmarking.grid import read_grid
from deadpan.training.checkpoint import State

ROOT = Path(__file__).parents[2]

SMALL = {
    "seeds": [1, 2],
    "settings": {"epochs": 2, "data_options": {"clips": 40}},
    "data": {"a set": {"data": "controlled"}},
    "systems": {
        "HCT-MG": {"model": "HCTMG", "model_options": {"layers": 1, "width": 10, "heads": 2}},
        "CTC+X": {"model": "LMF", "model_options": {"text_hidden": 8}},
    },
}


def write(folder, values=None, **changed):
    path = folder / "grid.yaml"
    path.write_text(yaml.safe_dump((values or SMALL) | changed, sort_keys=False))
    return path


def grid_of(folder, **changed):
    return read_grid(write(folder, **changed))


class Memory:
    """A GridWatch that keeps what it is told."""

    def __init__(self):
        self.todo, self.finished, self.ended, self.steps = [], 0, [], 0
        self.waited = []

    def begin(self, cases, finished):
        self.todo, self.finished = [case.name for case in cases], finished

    def wait(self, case):
        self.waited.append(case.name)

    def step(self, case, epoch):
        self.steps += 1
        assert 0 < epoch <= case.settings.epochs

    def end(self, case, seconds, failure):
        assert seconds > 0
        self.ended.append((case.name, failure))


class KilledAt:
    """A GridWatch that ends its process at a word of a run: ``step`` or ``end``."""

    def __init__(self, word):
        self.word = word

    def begin(self, cases, finished):
        pass

    def wait(self, case):
        pass

    def step(self, case, epoch):
        self.hear("step")

    def end(self, case, seconds, failure):
        self.hear("end")

    def hear(self, word):
        if word == self.word:
            os.kill(os.getpid(), signal.SIGKILL)


def killed(script, *arguments):
    """Run a script of the tests that is to be killed."""
    command = [sys.executable, "-m", f"tests.{script}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


class DyingInTraining:
    """Nothing to do with a run that is scored; kills the process that trains it, twice.

    A process that receives it dies when it has saved epoch 2; the next one, after epoch 4.
    """

    leaves = "scores.json"

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, run):
        pass

    def __setstate__(self, state):
        self.__dict__ |= state
        save = State.save

        def saved(state, path):
            save(state, path)
            if state.epoch in (2, 4):
                (self.folder / f"died after epoch {state.epoch}").touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)

        State.save = saved


class WaitingForTheEnd:
    """Nothing to do with a run that is scored; holds the one that a machine of a cluster trains.

    It has saved epoch 1 and waits until the process of Ray's that started it ends.
    """

    leaves = "scores.json"

    def __init__(self, folder, raylet):
        self.folder, self.raylet = folder, str(raylet)

    def __call__(self, run):
        pass

    def __setstate__(self, state):
        self.__dict__ |= state
        if os.environ.get("RAY_RAYLET_PID") != self.raylet:
            return
        save = State.save

        def saved(state, path):
            save(state, path)
            (self.folder / "waits").write_text(str(state.epoch))
            multiprocessing.parent_process().join()

        State.save = saved


class Dying:
    """Something to do with a run that is scored, during which its process is killed."""

    leaves = "never.json"

    def __call__(self, run):
        os.kill(os.getpid(), signal.SIGKILL)


class Deafness:
    """Something to do with a run that is scored: to write down the signals that are blocked."""

    leaves = "blocked"

    def __call__(self, run):
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        (run.path / self.leaves).write_text(" ".join(signal.Signals(n).name for n in blocked))
