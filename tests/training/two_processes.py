"""Trains on two processes; a script, because Fabric starts the second process with its command.

``two_processes.py RUN MODE``: MODE ``whole`` trains RUN and then RUN-again in the same two
processes; ``killed`` has the first process killed after the second epoch; ``resumed`` goes on.
Each process writes what it found of the validation split to RUN.MODE.RANK.json.
"""

import json
import os
import signal
import sys
from pathlib import Path

from tiny import train

from deadpan.training import loop

if __name__ == "__main__":
    run, mode = Path(sys.argv[1]), sys.argv[2]
    results, measure = [], loop.loss_and_metrics

    def recording(task, prediction, labels):
        result = measure(task, prediction, labels)
        results.append([len(labels), *result])
        return result

    class Watch:
        def step(self, epoch, step, steps, loss):
            pass

        def epoch(self, row):
            if mode == "killed" and row["epoch"] == 2:
                os.kill(os.getpid(), signal.SIGKILL)

    loop.loss_and_metrics = recording
    train(run, devices=2, resume=mode == "resumed", watch=Watch())
    rank = os.environ["LOCAL_RANK"]
    Path(f"{run}.{mode}.{rank}.json").write_text(json.dumps(results))
    if mode == "whole":
        train(run.with_name(f"{run.name}-again"), devices=2)
