import io
import re
import shutil

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from deadpan.cli.progress import Bar, Lines, duration, preamble, standing, watching
from deadpan.files import read_json, write_json


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def console():
    return Console(file=io.StringIO(), markup=False, highlight=False, soft_wrap=True)


def test_a_line_per_epoch(run, console):
    lines = Lines(run, console)
    assert not lines.seen
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
    Lines(run, console).step(2, 1, 3, 0.5)
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
    assert "gate" not in standing(run)


def test_the_bar_moves(run, console):
    columns = TextColumn("{task.description}"), TextColumn("{task.fields[told]}")
    with Progress(*columns, console=console, auto_refresh=False) as progress:
        bar = Bar(run, console, progress)
        bar.step(1, 1, 2, 0.5)
        bar.step(1, 2, 2, 0.7)
        task = progress.tasks[0]
        assert (task.completed, task.total) == (1.0, 2)
        assert task.description == "epoch 1/2 batch 2/2"
        assert task.fields["told"] == "train 0.600"
        bar.epoch({"epoch": 1, "seconds": 1.0})
        assert task.fields["told"] == standing(run)


def test_the_bar_goes_on_where_the_run_stood(run, console):
    with Progress(TextColumn("{task.fields[told]}"), console=console) as progress:
        Bar(run, console, progress).step(2, 1, 2, 0.5)
        assert progress.tasks[0].completed == 1.5
        assert progress.tasks[0].fields["told"] == standing(run)


def test_a_terminal_gets_a_bar_and_a_file_gets_lines(run, monkeypatch, capsys):
    with watching(run) as watch:
        assert type(watch) is Lines
    monkeypatch.setenv("FORCE_COLOR", "1")
    with watching(run) as watch:
        assert isinstance(watch, Bar)
        watch.step(1, 1, 2, 0.5)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "epoch 1/2 batch 1/2" in shown.err


def test_times_are_said_in_what_people_wait():
    assert [duration(s) for s in (0.4, 89, 90, 3600)] == ["0 s", "89 s", "2 min", "60 min"]
