"""What a run was made with: command, commit, versions."""

import datetime
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn

from deadpan.layers.native.library import library
from deadpan.layers.recurrent import processor_has_lstm


def environment() -> dict[str, Any]:
    """Facts that a table of results must be able to name."""
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        **commit(),
        "deadpan": version("deadpan"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
        "native": library() is not None,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def precision_warnings(model: nn.Module, fabric: Fabric) -> list[str]:
    """Which parts of a model this processor cannot compute in the precision of its training."""
    has_lstm = any(isinstance(part, nn.LSTM) for part in model.modules())
    if not has_lstm or fabric.device.type != "cpu":
        return []
    with fabric.autocast():
        half, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")
    if not half or processor_has_lstm(dtype):
        return []
    name = str(dtype).removeprefix("torch.")
    return [f"this processor has no LSTM in {name}; the LSTMs of the model compute in float32"]


def commit() -> dict[str, Any]:
    """The commit of the source tree and whether it was changed; None for an installed package."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(here), *arguments],
                capture_output=True,
                text=True,
                timeout=60,  # of a busy machine
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    # A package inside somebody else's repository must not borrow that repository's commit.
    if git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return {"commit": None, "dirty": None}
    return {
        "commit": git("rev-parse", "--short=12", "HEAD"),
        "dirty": bool(git("status", "--porcelain", "--", "..")),
    }


def commit_name(told: Mapping[str, Any]) -> str:
    """A commit as tables name it: with "+" behind it where the sources differed from it."""
    return f"{told['commit'] or 'unknown'}{'+' if told['dirty'] else ''}"
