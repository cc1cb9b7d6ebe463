import csv
import json
import shutil
import sys
import webbrowser

import pytest

from deadpan import api
from deadpan.cli import commands
from deadpan.cli.progress import Lines

from .conftest import DATA, SMALL


def test_training_speaks_on_stderr_and_ends_with_what_to_do_next(deadpan, tmp_path):
    run = tmp_path / "new" / "run"
    status, out, err = deadpan("train", *DATA, *SMALL, "--out", run)
    assert status == 0
    assert [line.split("  ")[0] for line in err.splitlines()[1:]] == ["epoch 1/2", "epoch 2/2"]
    assert out.startswith(f"{run}: best epoch")
    assert f"deadpan evaluate {run}" in out
    assert not (run / "scores.json").exists()  # the test split stays closed


def test_a_terminal_sees_a_bar(deadpan, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    status, _, err = deadpan("train", *DATA, *SMALL, "--out", tmp_path / "run")
    assert status == 0
    assert "epoch 2/2 batch 1/1" in err


def test_an_interrupted_run_is_gone_on_with_as_told(deadpan, trained, tmp_path, monkeypatch):
    run = tmp_path / "run"

    def stop(self, row):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Lines, "epoch", stop)
        status, out, err = deadpan("train", *DATA, *SMALL, "--out", run)
    assert (status, out) == (130, "")
    told = err.splitlines()[-1]
    assert told == f"deadpan: interrupted; go on with: deadpan train --resume --out {run}"
    status, out, err = deadpan(*told.rpartition("deadpan ")[2].split())
    assert status == 0
    assert "going on after epoch 1" in err
    assert (run / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()


def test_a_finished_run_is_left_as_it_is(deadpan, trained):
    status, out, err = deadpan("train", "--resume", "--out", trained)
    assert status == 0
    assert err == f"{trained}: had finished already; nothing was left to train\n"
    assert out.startswith(f"{trained}: best epoch")


@pytest.mark.parametrize(
    ("other", "told"),
    [(["--epochs", "3"], "epochs: 3, not 2"), (["--data", "x"], "data: 'x', not")],
)
def test_a_run_does_not_go_on_with_other_settings(refused, trained, other, told):
    assert told in refused("train", "--resume", "--out", trained, *other)


def test_scores_are_a_table(deadpan, trained):
    status, out, err = deadpan("evaluate", trained)
    assert (status, err) == (0, "")
    for told in ("train mean", "ridge", "HCTMG", "non0", "has0", "best in bold"):
        assert told in out
    assert max(map(len, out.splitlines())) <= 100


def test_scores_are_json_and_nothing_else(deadpan, trained):
    status, out, err = deadpan("evaluate", trained, "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == json.loads((trained / "scores.json").read_text())


def test_predictions_are_a_table(deadpan, trained, monkeypatch):
    monkeypatch.setattr(commands, "ROWS", 5)
    status, out, err = deadpan("predict", trained, *DATA)
    assert status == 0
    assert len(out.splitlines()) == 6
    assert err == "15 more clips; --csv FILE or --json gives all\n"


def test_predictions_are_json(deadpan, trained):
    status, out, _ = deadpan("predict", trained, *DATA, "--json")
    assert status == 0
    assert [row["id"] for row in json.loads(out)] == [f"clip{i:05}" for i in range(20)]


def test_predictions_are_a_file_that_is_replaced_whole(deadpan, trained, tmp_path):
    file = tmp_path / "some.csv"
    assert deadpan("predict", trained, *DATA, "--csv", file) == (0, "", f"{file}: 20 clips\n")
    with file.open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 20
    again = deadpan(
        "predict", trained, "--data", "controlled", "--data_options.clips=10", "--csv", file
    )
    assert again == (0, "", f"{file}: 10 clips (replaced)\n")
    assert [path.name for path in tmp_path.iterdir()] == ["some.csv"]


def test_predictions_go_to_one_place_that_exists(refused, trained, tmp_path):
    assert "give one of them" in refused("predict", trained, *DATA, "--json", "--csv", "x")
    for wrong in (tmp_path, tmp_path / "no" / "x.csv"):
        assert f"{wrong}: not a file in" in refused("predict", trained, *DATA, "--csv", wrong)


def test_predictions_that_cannot_be_written_name_the_file(refused, trained, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deadpan.training.checkpoint.os.fsync", full)
    file = tmp_path / "x.csv"
    assert refused("predict", trained, *DATA, "--csv", file).startswith(f"{file}: the disk is full")
    assert not list(tmp_path.iterdir())


def test_the_report_is_written_and_named(deadpan, trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    assert deadpan("report", run) == (0, f"{run}/report.html\n", "")
    assert "<html" in (run / "report.html").read_text()


def test_models_are_a_table_or_json(deadpan):
    status, out, err = deadpan("models")
    assert (status, err) == (0, "")
    for told in ("HCTMG", "540,684", "779,644", "545,171", "Wang"):
        assert told in out
    status, out, err = deadpan("models", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == api.list_models()


@pytest.fixture
def small_demo(monkeypatch):
    options = {"width": 8, "heads": 2, "layers": 1}
    small = {"epochs": 1, "data_options": {"clips": 20}, "model_options": options}
    monkeypatch.setattr(api, "DEMO", small)
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    return opened


def test_the_demo_trains_scores_and_says_where_the_report_is(deadpan, small_demo, tmp_path):
    run = tmp_path / "demo"
    status, out, err = deadpan("demo", "--out", run)
    assert status == 0
    assert "epoch 1/1" in err
    assert "ridge" in out
    assert out.endswith(f"report: {run / 'report.html'}\n")
    assert small_demo == []  # nobody sits before a test
    # Shown again, not repeated
    status, again, err = deadpan("demo", "--out", run)
    assert (status, again) == (0, out)
    assert "epoch" not in err
    assert "trained before" in err


def test_the_demo_may_go_to_the_home(deadpan, small_demo, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert deadpan("demo", "--out=~/demo")[0] == 0
    assert (tmp_path / "demo" / "report.html").is_file()


def test_the_demo_opens_its_report_on_a_desktop(deadpan, small_demo, tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "on_a_desktop", lambda: True)
    assert deadpan("demo", "--out", tmp_path / "demo")[0] == 0
    assert small_demo == [(tmp_path / "demo" / "report.html").as_uri()]


@pytest.mark.parametrize(
    ("platform", "environment", "terminal", "wanted"),
    [
        ("linux", {}, True, False),
        ("linux", {"DISPLAY": ":0"}, True, True),
        ("linux", {"WAYLAND_DISPLAY": "x"}, True, True),
        ("linux", {"DISPLAY": ":0"}, False, False),
        ("linux", {"DISPLAY": ":0", "CI": "true"}, True, False),
        ("darwin", {}, True, True),
    ],
)
def test_who_sits_before_a_desktop(platform, environment, terminal, wanted, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    assert commands.on_a_desktop() == wanted
