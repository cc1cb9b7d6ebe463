import io
import re
import shutil

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from deadpan.cli.progress import (
    GridBar,
    GridLines,
    TrainingBar,
    TrainingLines,
    duration,
    losses,
    preamble,
    watching_training,
)
from deadpan.files import read_json, write_json


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def console():
    return Console(file=io.StringIO(), markup=False, highlight=False, soft_wrap=True)


def test_a_line_per_epoch(run, console):
    lines = TrainingLines(run, console)
    assert not lines.started
    lines.step(1, 1, 3, 0.5)
    lines.step(1, 2, 3, 0.5)
    lines.epoch({"epoch": 1, "seconds": 100.0})
    text = console.file.getvalue().splitlines()
    assert len(text) == 2
    assert text[0].endswith("(train 12, valid 3, test 5 clips), text, audio, vision")
    assert re.fullmatch(
        r"epoch 1/2  train \d\.\d{3}  valid \d\.\d{3}  best \d\.\d{3} \(epoch [12]\)  "
        r"gate (text|audio|vision) 0\.3\d  100\.0 s, 2 min left",
        text[1],
    )


def test_a_run_that_goes_on_says_from_where(run, console):
    TrainingLines(run, console).step(2, 1, 3, 0.5)
    assert console.file.getvalue().endswith("going on after epoch 1\n")


def test_repairs_and_warnings_come_first(run):
    about = read_json(run / "environment.json", "")
    about["dataset"] |= {"repairs": {"audio: -inf set to 0": 3}, "warnings": ["beware"]}
    write_json(run / "environment.json", about)
    assert list(preamble(run))[1:] == [
        "warning: repaired 3 times: audio: -inf set to 0",
        "warning: beware",
    ]


def test_a_model_without_a_gate_tells_of_none(run):
    (run / "gate.csv").unlink()
    assert "gate" not in losses(run)


def test_the_bar_moves(run, console):
    columns = TextColumn("{task.description}"), TextColumn("{task.fields[text]}")
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        bar = TrainingBar(run, console, progress)
        bar.step(1, 1, 2, 0.5)
        bar.step(1, 2, 2, 0.7)
        task = progress.tasks[0]
        assert (task.completed, task.total) == (1.0, 2)
        assert task.description == "epoch 1/2 batch 2/2"
        assert task.fields["text"] == "train 0.600"
        bar.epoch({"epoch": 1, "seconds": 1.0})
        assert task.fields["text"] == losses(run)


def test_the_bar_goes_on_where_the_run_stood(run, console):
    with Progress(TextColumn("{task.fields[text]}"), console=console) as progress:
        TrainingBar(run, console, progress).step(2, 1, 2, 0.5)
        assert progress.tasks[0].completed == 1.5
        assert progress.tasks[0].fields["text"] == losses(run)


def test_a_terminal_gets_a_bar_and_a_file_gets_lines(run, monkeypatch, capsys):
    with watching_training(run) as watch:
        assert type(watch) is TrainingLines
    monkeypatch.setenv("FORCE_COLOR", "1")
    with watching_training(run) as watch:
        assert isinstance(watch, TrainingBar)
        watch.step(1, 1, 2, 0.5)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "epoch 1/2 batch 1/2" in shown.err


def test_times_are_said_in_what_people_wait():
    assert [duration(s) for s in (0.4, 89, 90, 3600)] == ["0 s", "89 s", "2 min", "60 min"]


class Case:
    """What the progress reads of a case."""

    def __init__(self, system, epochs=4):
        self.data, self.system, self.name = "d", system, f"d, {system}"
        self.settings = type("Settings", (), {"epochs": epochs})()


def test_the_time_left_goes_by_what_each_system_took():
    lines = GridLines(Console(quiet=True))
    fast, slow = Case("fast"), Case("slow")
    lines.begin([fast, fast, slow, slow], 3)
    assert lines.left() == "?"
    lines.end(fast, 60.0, None)
    lines._started -= 60
    assert lines.left() == "3 min"  # three more as long as the only one seen
    lines.end(slow, 6000.0, None)
    lines._started -= 6000
    assert lines.left() == "1.7 h"  # one of a minute, one of 100


def test_a_bar_shows_every_run_and_forgets_those_that_ended():
    console = Console(quiet=True)
    with Progress(console=console) as progress:
        bar, case = GridBar(console, progress), Case("x")
        bar.begin([case, case], 0)
        bar.step(case, 1.5)
        assert [(t.description, t.completed, t.total) for t in progress.tasks[1:]] == [
            ("d, x", 1.5, 4)
        ]
        bar.end(case, 1.0, "broken")
        assert len(progress.tasks) == 1
        assert progress.tasks[0].completed == 1
        assert "1/2" in progress.tasks[0].fields["text"]
