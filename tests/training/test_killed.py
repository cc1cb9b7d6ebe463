import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from .killed import FILES, MOMENTS
from .tiny import run_contents, train

SCRIPT = Path(__file__).with_name("killed.py")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    train(out)
    return run_contents(out)


def script(*arguments):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs killed at every moment, one each."""
    folder = tmp_path_factory.mktemp("killed")
    script("moments", folder)
    return folder


@pytest.mark.parametrize(("moment", "name"), [*itertools.product(MOMENTS, FILES)])
def test_killed_while_it_writes_it_ends_as_if_it_had_not_been(whole, folder, moment, name):
    run = folder / f"{moment} {name}"
    left = list(run.glob(".*.tmp"))
    assert bool(left) == (moment != "after rename")
    finished = (run / "model.safetensors").exists()
    assert finished == (moment == "after rename" and name == "model.safetensors")
    train(run, resume=True)
    assert run_contents(run) == whole


def test_killed_at_random_over_and_over_it_ends_as_if_it_had_not_been(whole, tmp_path):
    kills = int(script("random", tmp_path / "run", 1))
    assert kills > 3
    train(tmp_path / "run", resume=True)
    assert run_contents(tmp_path / "run") == whole
