"""The scripts in benchmarks/, at a toy size: that they run, not what they measure."""

import importlib
import sys
from pathlib import Path

import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def script(name, monkeypatch):
    """A script as a module; what it does to torch's threads is undone."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)
    return importlib.import_module(name)


def run(module, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    try:
        module.main()
    finally:
        torch.set_flush_denormal(False)
