"""Trains in forked children that die by SIGKILL; run by test_killed.py as a script of its own.

``killed.py moments FOLDER``: one run for each file and moment of its writing; its second version is
the one that is hit. ``killed.py random RUN SEED``: one run, killed somewhere in Python and resumed
until it has ended; prints how often it was killed.
"""

import itertools
import os
import random
import signal
import sys
from pathlib import Path

# Here once, rather than in every child: deadpan.train imports them when it is called.
import deadpan.runs
import deadpan.training.run  # noqa: F401

try:
    from .tiny import train
except ImportError:  # as a script
    from tiny import train

MOMENTS = ("half written", "before rename", "after rename")
FILES = ("epochs.csv", "gate.csv", "checkpoint.safetensors", "model.safetensors")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_while_writing(name, moment, version):
    """Let this process be killed at a moment of the given version of a file, counted from 1."""
    fsync, replace = os.fsync, Path.replace
    seen = 0

    def counted(path):
        nonlocal seen
        seen += path.name == name
        return path.name == name and seen == version

    def killing_replace(self, target):
        hit = counted(Path(target))
        if hit and moment == "half written":
            # As if the kernel had taken in no more than half.
            os.truncate(self, self.stat().st_size // 2)
        if hit and moment != "after rename":
            die()
        done = replace(self, target)
        if hit:
            die()
        return done

    def lazy_fsync(descriptor):
        if moment != "half written":
            fsync(descriptor)

    Path.replace, os.fsync = killing_replace, lazy_fsync


def in_child(work):
    """The process id of a child that does the work, and nothing after it."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
        os._exit(1)
    return child


def killed(child):
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    if status:
        sys.exit(f"a child left with status {status}")
    return False


def moments(folder):
    for moment, name in itertools.product(MOMENTS, FILES):
        version = 1 if name == "model.safetensors" else 2
        run = folder / f"{moment} {name}"

        def work(run=run, name=name, moment=moment, version=version):
            die_while_writing(name, moment, version)
            train(run)

        if not killed(in_child(work)):
            sys.exit(f"{run} ended without being killed")


def die_after_calls(count):
    """Let this process be killed when it calls that many functions of Python more."""

    def called(frame, event, argument):
        nonlocal count
        count -= event == "call"
        if not count:
            die()

    sys.setprofile(called)


def at_random(run, seed):
    """First soon, then ever later, so that the run ends."""
    chance = random.Random(seed)
    for attempt in itertools.count():
        calls = chance.randrange(1, 4000 * 2**attempt)

        def work(calls=calls):
            die_after_calls(calls)
            train(run, resume=run.exists())

        if not killed(in_child(work)):
            print(attempt)
            return


if __name__ == "__main__":
    if sys.argv[1] == "moments":
        moments(Path(sys.argv[2]))
    else:
        at_random(Path(sys.argv[2]), int(sys.argv[3]))
