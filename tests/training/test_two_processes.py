import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch.distributed

from .tiny import rows, run_contents, train

SCRIPT = Path(__file__).with_name("two_processes.py")
pytestmark = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="two processes on a CPU need gloo",
)


def start(run, mode):
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(run), mode],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """``whole`` ran through, twice; ``run`` was killed after its second epoch and resumed."""
    folder = tmp_path_factory.mktemp("two")
    first, second = start(folder / "whole", "whole"), start(folder / "run", "killed")
    # Its output ends when both processes have: the second one must not outlive the first.
    text = second.communicate()[0]
    assert second.returncode == -signal.SIGKILL, text
    assert len(rows(folder / "run" / "epochs.csv")) == 2
    text = first.communicate()[0]
    assert first.returncode == 0, text
    third = start(folder / "run", "resumed")
    text = third.communicate()[0]
    assert third.returncode == 0, text
    return folder


def test_killed_and_resumed_on_two_processes_it_ends_as_if_it_had_not_been(folder):
    assert run_contents(folder / "run") == run_contents(folder / "whole")


def test_the_same_two_processes_can_train_again(folder):
    assert run_contents(folder / "whole-again") == run_contents(folder / "whole")


def test_both_processes_evaluate_the_whole_split_and_agree(folder):
    first, second = (json.loads((folder / f"whole.whole.{i}.json").read_text()) for i in (0, 1))
    assert first == second
    assert [clips for clips, *_ in first] == [2, 2, 2]  # 15 % of 16 clips
    table = rows(folder / "whole" / "epochs.csv")
    assert [float(row["valid_loss"]) for row in table] == [loss for _, loss, _ in first]


def test_two_processes_take_fewer_steps_than_one(folder, tmp_path):
    # Three batches: two steps each, of which one process repeats a batch.
    gate = rows(folder / "whole" / "gate.csv")
    assert [row["epoch"] for row in gate] == ["1", "1", "2", "2", "3", "3"]
    train(tmp_path / "one", devices=1)
    assert run_contents(tmp_path / "one")["model"] != run_contents(folder / "whole")["model"]
