import csv
import dataclasses
import errno
import json
import re
import shutil
import sys
import webbrowser

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from deadpan import api
from deadpan.analysis import explained_run
from deadpan.analysis.explanation import explain_run
from deadpan.cli import commands, main
from deadpan.cli.commands import data_convert
from deadpan.cli.progress import Lines
from deadpan.data import load
from deadpan.data.batching import collate
from deadpan.data.dataset import fingerprint
from deadpan.data.store.reading import store_dataset
from deadpan.layers.attention import record_attention
from deadpan.reports import clip as explain_report
from deadpan.reports.clip import clip_tables, explanation_files, label_text
from deadpan.reports.clip_figures import heatmap
from deadpan.serving.predictor import Predictor
from deadpan.training.opened import open_run

from ..show.page import Page
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

    monkeypatch.setattr("deadpan.files.os.fsync", full)
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


TWENTY = ["--data_options.clips", "20"]


def test_converting_says_what_there_is(tmp_path, capsys):
    out = tmp_path / "store.safetensors"
    data_convert(["controlled", str(out), *TWENTY])
    shown = capsys.readouterr()
    assert re.fullmatch(re.escape(f"{out}: 20 clips, ") + r"\d\.\d MB\n", shown.out)
    assert shown.err == ""
    assert fingerprint(store_dataset(out)) == fingerprint(load("controlled", clips=20))


def test_export_says_where_how_large_and_how_near(deadpan, trained, tmp_path):
    file = tmp_path / "m.onnx"
    status, out, err = deadpan("export", trained, "--out", file)
    assert (status, err) == (0, "")
    assert re.fullmatch(
        re.escape(f"{file}: ")
        + r"0\.\d\d MB\non random clips it differs from the model by at most \d\.\de-\d\d\n",
        out,
    )
    predictor = Predictor(file)
    width = predictor.widths["text"]
    assert predictor([{"text": np.ones((4, width))}]).decisions.shape == (1, 1)


def test_int8_tells_what_it_costs(deadpan, trained, tmp_path):
    status, out, _ = deadpan("export", trained, "--int8", "--out", tmp_path / "m.onnx")
    assert status == 0
    assert "outputs having a standard deviation of" in out


def test_what_is_refused(refused, trained, tmp_path):
    assert "no run here" in refused("export", tmp_path / "none")
    taken = tmp_path / "taken"
    taken.write_text("mine")
    assert refused("export", trained, "--out", taken).endswith(
        "exists already; remove it, or choose another --out"
    )
    assert taken.read_text() == "mine"
    assert "unknown option '--format'" in refused("export", trained, "--format", "torch")
    assert "needs RUN" in refused("export")


CLIP = "clip00016"  # of the test split


@pytest.fixture(scope="session")
def mult(tmp_path_factory):
    """A MulT of the same data, scored."""
    run = tmp_path_factory.mktemp("mult") / "mult"
    assert main(["train", *DATA, *SMALL, "--model", "MulT", "--out", str(run)]) == 0
    assert main(["evaluate", str(run)]) == 0
    return run


@pytest.fixture(scope="session")
def closed(tmp_path_factory):
    """Another seed whose test split nobody opened."""
    run = tmp_path_factory.mktemp("closed") / "closed"
    assert main(["train", *DATA, *SMALL, "--seed=1", "--out", str(run)]) == 0
    return run


@pytest.fixture(scope="session")
def explained(trained, mult):
    return explain_run(trained, against=mult, clip=CLIP)


def cells(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_figures_tables_and_a_page(deadpan, trained, mult, closed, tmp_path):
    out = tmp_path / "new" / "explain"
    status, told, err = deadpan("explain", trained, closed, "--against", mult, "--out", out)
    assert (status, err) == (0, "")
    assert told.strip() == str(out / "explain.html")
    drawn = {
        "crossmodal",
        "words-self",
        "words-sources",
        "words-runs",
        "gate-batches",
        "gate-epochs",
    }
    assert {path.stem for path in out.glob("*.png")} == drawn
    assert {path.stem for path in out.glob("*.svg")} == drawn
    page = Page((out / "explain.html").read_text(encoding="utf-8"))
    assert "HCTMG (run) against MulT (mult)" in page.text
    assert "single modalities disagree most" in page.text
    links = {each["href"] for each in page.all("a")}
    assert links == {path.name for path in out.iterdir()} - {"explain.html"}
    assert not page.all("img") + page.all("script") + page.all("link")
    numbers = json.loads((out / "explain.json").read_text(encoding="utf-8"))
    assert numbers["method"] == "attention"
    assert set(numbers["tables"]) == {path.name for path in out.glob("*.csv")}
    assert len({row["run"] for row in numbers["tables"]["gate-epochs.csv"]}) == 2
    assert len(cells(out / "apart.csv")) == 5  # all of the test split


def recorded(run, clip):
    """The mean over heads and layers of what each encoder attended to."""
    with torch.no_grad(), record_attention(run.model) as maps:
        run.model(collate([clip], run.model.widths))
    found = {}
    for name, (weights,) in maps.items():
        found.setdefault(name.partition(".layers.")[0], []).append(weights[0].mean(dim=0))
    return {name: torch.stack(layers).mean(dim=0).numpy() for name, layers in found.items()}


def test_the_heatmap_is_what_was_recorded(explained):
    (run, _), drawn = explained.runs, explained.crossmodal
    maps = recorded(run, explained.clip)
    (path,) = (
        path
        for path in run.model.attention_paths()
        if (path.source, path.target) == (drawn.source.name, drawn.target.name)
    )
    wanted = maps[path.module]
    np.testing.assert_allclose(drawn.weights, wanted, atol=1e-6)
    size, _, paint = heatmap(drawn)
    figure = Figure(figsize=size)
    paint(figure)
    mesh = figure.axes[0].collections[0].get_array().reshape(wanted.shape)
    np.testing.assert_allclose(mesh, wanted / wanted.mean(), rtol=1e-5)
    rows = clip_tables(explained)["crossmodal.csv"]
    np.testing.assert_allclose([list(row.values())[4:] for row in rows], wanted, atol=1e-6)
    assert [row["word"] for row in rows] == list(explained.clip.words)


def test_the_words_of_mult_are_worth_what_was_recorded(explained):
    run, clip = explained.runs[1], explained_run.find_clip(explained.runs[1], CLIP)[0]
    maps = recorded(run, clip)
    # By hand: text's own last row, half of it; and what audio and vision hand to text.
    worth = maps["self_attention.text"][-1] / 2
    for name, other in (("audio", "vision"), ("vision", "audio")):
        row = maps[f"self_attention.{name}"][-1]
        worth = worth + row @ maps[f"crossmodal.text_to_{name}"] / 4
        assert f"crossmodal.{other}_to_{name}" in maps
    found = explained.against[1].values
    np.testing.assert_allclose(found, worth / worth.sum(), atol=1e-6)
    rows = clip_tables(explained)["words.csv"]
    np.testing.assert_allclose([row["run MulT (mult)"] for row in rows], found)
    assert {"alone", "audio", "vision", "audio+vision"} <= set(rows[0])


def test_what_is_said_of_the_clip(explained, trained):
    (row,) = (row for row in cells(trained / "predictions.csv") if row["id"] == CLIP)
    said = explained.predictions.by_run["HCTMG (run)"]
    assert said["sentiment"] == pytest.approx(float(row["prediction_sentiment"]), abs=1e-5)
    assert set(explained.predictions.by_modality) == {"text", "audio", "vision"}
    gaps = [each.gap for each in explained.apart]
    assert gaps == sorted(gaps, reverse=True)


def test_a_run_that_was_not_evaluated_shows_its_validation_split(closed, trained):
    found = explain_run(closed)
    assert found.split == "valid"
    page = explanation_files(found)["explain.html"].decode()
    assert "The test split is closed." in page
    assert explain_run(trained, against=closed).split == "valid"
    assert explain_run(trained, clip=CLIP).split == "test"
    assert explain_run(closed, clip="clip00000").split == "train"


@pytest.mark.parametrize("method", ["rollout", "gradient"])
def test_another_method_and_another_target(trained, method):
    pairs = [
        (path.source, path.target)
        for path in open_run(trained).model.attention_paths()
        if path.stage == "crossmodal" and path.target != "text"
    ]
    source, target = pairs[0]
    found = explain_run(trained, source=source, target=target, method=method, clip=CLIP)
    assert found.target.name == target
    assert {"crossmodal.png", "steps-self.svg"} <= set(explanation_files(found))


def change_test_split(monkeypatch, run, clips):
    """Let the run be opened with other clips of its test split."""
    data = dataclasses.replace(run.data, splits={**run.data.splits, "test": clips})
    vars(run)["data"] = data  # where the cached property looks
    monkeypatch.setattr(explained_run, "open_run", lambda path: run)


TEXTS = {
    "one": ["alone"],
    "500": ["word"] * 500,
    "rtl": ["שלום", "مرحبا"],
    "cjk": ["悲しい", "电影"],
    "markup": ["<script>alert(1)</script>", "\"&'", "]]>", "{{ 7*7 }}"],
    "blank": ["", " "],
}


@pytest.mark.parametrize("words", TEXTS.values(), ids=TEXTS)
def test_any_text_is_shown(trained, monkeypatch, words):
    run = open_run(trained)
    clip = run.data["test"][0]
    text = np.resize(clip.sequences["text"], (len(words), run.model.widths["text"]))
    odd = dataclasses.replace(
        clip, words=tuple(words), sequences={**clip.sequences, "text": text}, times={}
    )
    change_test_split(monkeypatch, run, [odd, *run.data["test"][1:]])
    files = explanation_files(explain_run(trained, clip=odd.id, method="gradient"))
    page = Page(files["explain.html"].decode())
    for word in words:
        assert word in page.text
    assert not page.all("script")
    assert b"49" not in files["explain.html"].split(b"</h1>")[1].split(b"</p>")[0]
    rows = list(csv.DictReader(files["words.csv"].decode().splitlines()))
    assert [row["word"] for row in rows] == words
    assert "\n".join(words).strip() == "" or b"<svg" in files["words-self.svg"]


def test_a_clip_that_does_not_exist(refused, trained):
    told = refused("explain", trained, "--clip", "clip0016")
    assert told.startswith("no clip 'clip0016' in controlled; nearest: ")
    assert "clip00016" in told


def test_a_clip_of_a_closed_test_split(refused, closed):
    told = refused("explain", closed, "--clip", CLIP)
    assert f"run `deadpan evaluate {closed}` first" in told


def test_a_clip_without_the_modality(trained, monkeypatch, refused):
    run = open_run(trained)
    first = run.data["test"][0]
    lacking = dataclasses.replace(
        first, sequences={m: x for m, x in first.sequences.items() if m != "vision"}
    )
    change_test_split(monkeypatch, run, [lacking])
    told = refused("explain", trained, "--clip", lacking.id, "--source", "vision")
    assert "has no vision (found text, audio)" in told
    assert "no clip of the test split" in refused("explain", trained, "--source", "vision")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "visoin"], "unknown source of HCTMG 'visoin'; did you mean 'vision'?"),
        (["--target", "words"], "unknown target of HCTMG 'words'"),
        (["--method", "attn"], "--method: got 'attn', wanted one of"),
        (["--clop", "a"], "unknown option '--clop'; did you mean '--clip'?"),
    ],
)
def test_options_that_do_not_fit(refused, trained, arguments, message):
    assert message in refused("explain", trained, *arguments)


def test_runs_that_do_not_fit(deadpan, refused, trained, tmp_path):
    other = tmp_path / "other"
    data = ["--data", "controlled", "--data_options.clips", "21"]
    assert deadpan("train", *data, *SMALL, "--epochs=1", "--out", other)[0] == 0
    assert "was trained on other clips" in refused("explain", trained, "--against", other)
    lstm = tmp_path / "lstm"
    lstm_options = ["--model=LFLSTM", "--model.hidden=8", "--epochs=1"]
    assert deadpan("train", *DATA, *lstm_options, "--out", lstm)[0] == 0
    assert "LFLSTM has no attention to explain" in refused("explain", lstm)
    (other / "model.safetensors").unlink()
    assert "training has not finished" in refused("explain", other)
    assert "no run here" in refused("explain", tmp_path / "nothing")
    assert "no run here" in refused("explain", trained, tmp_path / "nothing")
    (tmp_path / "file").touch()
    assert "is a file, wanted a folder" in refused("explain", trained, "--out", tmp_path / "file")


def test_a_disk_that_fills_leaves_no_half_of_a_new_folder(trained, refused, tmp_path, monkeypatch):
    left = 3

    def write(path, content):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        path.write_bytes(content)

    monkeypatch.setattr(explain_report, "write_atomically", write)
    assert "No space left" in refused("explain", trained, "--out", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mine.txt").touch()
    left = 3
    assert "No space left" in refused("explain", trained, "--out", tmp_path / "old")
    assert len(list((tmp_path / "old").iterdir())) == 4  # what others put there is theirs


def test_several_labels_are_told_by_the_greatest():
    assert label_text({"joy": 0.7, "anger": 0.2}) == "joy 0.70"
    assert label_text({"sentiment": -1.234}) == "−1.23"
