"""A run that trains in well under a second, and what two runs must have in common."""

import csv
import hashlib
from pathlib import Path

import deadpan
from deadpan.locks import LOCK
from deadpan.training.checkpoint import load_tensors

DATA = {"clips": 16, "text_width": 8, "audio_width": 6, "vision_width": 5}
MODEL = {"width": 8, "heads": 2, "layers": 1, "head_blocks": 1}
# 10 training clips make 3 batches. The learning rate falls at the first epoch without progress.
SETTINGS = {
    "data_options": DATA,
    "model_options": MODEL,
    "epochs": 3,
    "batch_size": 4,
    "decay_when": 0,
}
STEPS = 3


def train(out: Path, *, data="controlled", resume=False, watch=None, **changes):
    """The files of the run."""
    run = deadpan.train(data, out=out, resume=resume, watch=watch, **{**SETTINGS, **changes})
    return run.files


def run_contents(run: Path):
    """All that a run keeps of its training, seconds aside; to be compared for equality."""
    tensors, meta = load_tensors(run / "checkpoint.safetensors")
    return {
        "model": hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest(),
        "tensors": {k: (str(x.dtype), x.numpy().tobytes()) for k, x in sorted(tensors.items())},
        "meta": {**meta, "rows": [without_seconds(row) for row in meta["rows"]]},
        "epochs": [without_seconds(row) for row in rows(run / "epochs.csv")],
        "gate": (run / "gate.csv").read_bytes() if (run / "gate.csv").exists() else None,
        "config": (run / "config.yaml").read_bytes(),
        # A lock's file says nothing: the lock itself ends with the process that held it.
        "files": sorted(path.name for path in run.iterdir() if path.name != LOCK),
    }


def rows(path: Path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def without_seconds(row):
    return {name: value for name, value in row.items() if name != "seconds"}


class Stopped(Exception):
    """What a watch raises to interrupt a run."""


class StopAt:
    """Interrupts after a step, counted over the whole run, or after an epoch."""

    def __init__(self, *, step=None, epoch=None):
        self.stop_step, self.stop_epoch, self.steps = step, epoch, 0

    def step(self, epoch, step, steps, loss):
        self.steps += 1
        if self.steps == self.stop_step:
            raise Stopped

    def epoch(self, row):
        if row["epoch"] == self.stop_epoch:
            raise Stopped
