import csv
import dataclasses
import errno
import functools
import hashlib
import json
import re
import shutil
import sys
import threading
import webbrowser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
import yaml
from matplotlib.figure import Figure

from deadpan import api
from deadpan.analysis import explained_run
from deadpan.analysis.attention import attention_paths
from deadpan.analysis.crossmodal import crossmodal_path
from deadpan.analysis.explanation import explain_run
from deadpan.cli import commands, main
from deadpan.cli.progress import TrainingLines
from deadpan.data import corpora, load
from deadpan.data.batching import collate
from deadpan.data.corpora import CORPORA, Corpus, Source
from deadpan.data.dataset import fingerprint
from deadpan.data.store.reading import store_dataset
from deadpan.layers.attention import record_attention
from deadpan.reports import clip as explain_report
from deadpan.reports import folder as page_folder
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
        patched.setattr(TrainingLines, "epoch", stop)
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
    for told in ("train mean", "ridge", "HCT-MG", "non0", "has0", "best in bold"):
        assert told in out
    assert max(map(len, out.splitlines())) <= 100


def test_scores_are_json_and_nothing_else(deadpan, trained):
    status, out, err = deadpan("evaluate", trained, "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == json.loads((trained / "scores.json").read_text())


NO_INTERVALS = (
    "no 90 % intervals: the validation split has 3 groups, and they need at least 9; put at least "
    "6 more videos or speakers into it, and train again\n"
)


def test_predictions_are_a_table(deadpan, trained, monkeypatch):
    monkeypatch.setattr(commands, "ROWS", 5)
    status, out, err = deadpan("predict", trained, *DATA)
    assert status == 0
    assert len(out.splitlines()) == 6
    assert err == f"15 more clips; --csv FILE or --json gives all\n{NO_INTERVALS}"


def test_predictions_are_json(deadpan, trained):
    status, out, _ = deadpan("predict", trained, *DATA, "--json")
    assert status == 0
    assert [row["id"] for row in json.loads(out)] == [f"clip{i:05}" for i in range(20)]


def test_predictions_are_a_file_that_is_replaced_whole(deadpan, trained, tmp_path):
    file = tmp_path / "some.csv"
    made = deadpan("predict", trained, *DATA, "--csv", file)
    assert made == (0, "", f"{file}: 20 clips\n{NO_INTERVALS}")
    with file.open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 20
    again = deadpan(
        "predict", trained, "--data", "controlled", "--data_options.clips=10", "--csv", file
    )
    assert again == (0, "", f"{file}: 10 clips (replaced)\n{NO_INTERVALS}")
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
    for told in ("HCTMG (HCT-MG)", "540,684", "779,644", "545,171", "Wang"):
        assert told in out
    status, out, err = deadpan("models", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == api.list_models()


def test_the_installation_is_a_table_or_json(deadpan, monkeypatch):
    status, out, err = deadpan("env", "--json")
    assert (status, err) == (0, "")
    facts = json.loads(out)
    assert facts == api.env()
    lacking = {"extras": {"onnx": "pip install 'deadpan[onnx]'"}}
    monkeypatch.setattr(api, "env", lambda: facts | lacking)
    status, out, err = deadpan("env")
    assert (status, err) == (0, "")
    for fact in (facts["torch"], facts["kernels"], "pip install 'deadpan[onnx]'"):
        assert fact in " ".join(out.split())


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


def test_converting_says_what_there_is(deadpan, tmp_path):
    file = tmp_path / "store.safetensors"
    status, out, err = deadpan("data", "convert", "controlled", file, *TWENTY)
    assert (status, err) == (0, "")
    assert re.fullmatch(re.escape(f"{file}: 20 clips, ") + r"\d\.\d MB\n", out)
    assert fingerprint(store_dataset(file)) == fingerprint(load("controlled", clips=20))


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
    status, out, err = deadpan("export", trained, "--int8", "--out", tmp_path / "m.onnx")
    assert status == 0
    assert "outputs having a standard deviation of" in out
    assert "fitted for the model before int8" in err


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
    assert "HCT-MG (run) against MulT (mult)" in page.text
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
    said = explained.predictions.by_run["HCT-MG (run)"]
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
    "120": ["word"] * 120,  # 500 of them: test_word_strips.py
    "scripts": ["שלום", "مرحبا", "悲しい", "电影"],
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
    first, name = run.data["test"][0], crossmodal_path(run.model).source
    others = {m: x for m, x in first.sequences.items() if m != name}
    lacking = dataclasses.replace(first, sequences=others)
    change_test_split(monkeypatch, run, [lacking])
    told = refused("explain", trained, "--clip", lacking.id, "--source", name)
    assert f"has no {name} (found {', '.join(others)})" in told
    assert "no clip of the test split" in refused("explain", trained, "--source", name)


def test_a_modality_to_which_none_attends(trained, refused):
    paths = attention_paths(open_run(trained).model)
    sources = {path.source for path in paths if path.stage == "crossmodal"}
    (primary,) = {"text", "audio", "vision"} - sources
    told = refused("explain", trained, "--source", primary)
    assert f"HCTMG: no modality attends to {primary} in this run; give --source and" in told


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

    files = {f"{number}.csv": b"" for number in range(5)}
    monkeypatch.setattr(explain_report, "explanation_files", lambda explained: files)
    monkeypatch.setattr(page_folder, "write_atomically", write)
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


GRID = {
    "seeds": [1],
    "settings": {"epochs": 1, "data_options": {"clips": 20}},
    "data": {"one": {"data": "controlled"}, "two": {"data": "controlled", "seeds": [2]}},
    "systems": {"LMF": {"model": "LMF", "model_options": {"text_hidden": 8}}},
}


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump(GRID))
    return path


def test_a_grid_shows_its_progress_and_its_tables(deadpan, grid, tmp_path):
    out = tmp_path / "out"
    status, shown, told = deadpan("benchmark", grid, "--out", out, "--workers", 2)
    assert status == 0
    assert shown.count("ridge") == 4  # also that on deviations
    assert "1/2  " in told and "2/2  " in told
    assert f"{out}/tables.html" in told
    status, again, told = deadpan("benchmark", grid, "--out", out, "--resume", "--only=two")
    assert (status, again.count("ridge")) == (0, 2)
    assert "0 runs to do, 1 finished before" in told
    tables = json.loads((out / "tables.json").read_text())
    assert [table["data"] for table in tables] == ["two"]


def test_wrong_grids_are_refused(refused, grid, tmp_path):
    out = tmp_path / "out"
    assert "is missing" in refused("benchmark", tmp_path / "none.yaml", "--out", out)
    assert "unknown data set" in refused("benchmark", grid, "--out", out, "--only=three")
    assert "workers must be 1 or more" in refused("benchmark", grid, "--out", out, "--workers=0")
    assert "no grid here" in refused("benchmark", grid, "--out", out, "--resume")
    assert "deadpan benchmark needs CONFIG" in refused("benchmark")
    assert "unknown option '--worker'" in refused("benchmark", grid, "--worker", 1)
    assert not out.exists()


def test_runs_without_a_result_end_with_status_2_and_say_how_to_go_on(deadpan, grid, tmp_path):
    broken = GRID | {
        "systems": {
            "good": GRID["systems"]["LMF"],
            # Refused by the model itself, when the run has begun.
            "bad": {"model": "HCTMG", "model_options": {"width": 7, "heads": 2}},
        }
    }
    grid.write_text(yaml.safe_dump(broken))
    out = tmp_path / "out"
    status, shown, told = deadpan("benchmark", grid, "--out", out, "--only", "one")
    assert status == 2
    assert "good" in shown
    assert "1 runs gave no result" in told and "--resume" in told
    (failure,) = json.loads((out / "failures.json").read_text()).values()
    assert failure in told
    assert "tables.html" in told
    grid.write_text(yaml.safe_dump(broken | {"systems": {"bad": broken["systems"]["bad"]}}))
    status, shown, told = deadpan("benchmark", grid, "--out", tmp_path / "none", "--only", "one")
    assert (status, shown) == (2, "")
    assert "tables.html" not in told  # there is none


def interrupted(function):
    """The function, interrupted at once."""

    @functools.wraps(function)
    def stop(*_, **__):
        raise KeyboardInterrupt

    return stop


def test_interrupting_a_grid_says_how_to_go_on(deadpan, grid, tmp_path, monkeypatch):
    monkeypatch.setattr(api, "benchmark", interrupted(api.benchmark))
    out = tmp_path / "out"
    status, _, err = deadpan("benchmark", grid, "--out", out)
    assert (status, err) == (130, "deadpan: interrupted; nothing was written\n")
    out.mkdir()
    (out / "grid.yaml").touch()
    for more in ([], ["--resume"]):
        status, _, err = deadpan("benchmark", grid, "--out", out, *more)
        command = f"deadpan benchmark {grid} --out {out} --resume"
        assert (status, err) == (130, f"deadpan: interrupted; go on with: {command}\n")


BODY = b"\x89HDF\r\n\x1a\n" + b"word" * 24_998


@pytest.fixture
def said(deadpan):
    """What a command of ``data`` prints, on stdout and on stderr."""

    def run(*arguments):
        status, out, err = deadpan("data", *arguments)
        assert status == 0
        return out, err

    return run


@pytest.fixture(scope="module")
def address():
    """Of a server that has /file and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path == "/file"
            self.send_response(200 if found else 404)
            self.send_header("Content-Length", str(len(BODY) if found else 0))
            self.end_headers()
            self.wfile.write(BODY if found else b"")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def tiny(address, monkeypatch):
    """A corpus of one file that is there, one that is not, and one for a person."""
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    sources = (
        Source(url=f"{address}/file", file="a.csd", note="CMU", size=len(BODY)),
        Source(url=f"{address}/gone", file="b.csd", note="CMU"),
        Source(url=f"{address}/page", file="c.pkl", note="MMSA", sha256="0" * 64, by_hand=True),
    )
    corpus = Corpus(
        name="TINY",
        title="Tiny",
        about="Small.",
        task="classes",
        labels=("no", "yes"),
        label_range=None,
        language="English",
        clips=3,
        videos=None,
        hours=None,
        licence="None.",
        citation="None.",
        traps=("It is small.",),
        layout="None.",
        sources=sources,
        how_to_get="Ask.",
    )
    monkeypatch.setitem(corpora.CORPORA, "TINY", corpus)
    return corpus


@pytest.mark.parametrize("columns", [80, 120])
def test_the_list_fits_on_a_terminal(said, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = said("list")[0]
    assert max(map(len, out.splitlines())) <= columns
    rows = out.splitlines()[1:]
    assert [row.split()[0] for row in rows[: len(CORPORA)]] == list(CORPORA)
    assert rows[1].split() == (
        "MOSEI regression -3 to 3 22,856 3,228 65.9 16326/1871/4659 5 files".split()
    )


@pytest.mark.parametrize("name", CORPORA)
def test_everything_about_one_is_told(said, name):
    corpus = CORPORA[name]
    out = said("list", name.lower())[0]
    flat = " ".join(out.split())
    for text in (corpus.title, corpus.licence, corpus.citation, corpus.layout, *corpus.traps):
        assert text in flat
    assert corpus.how_to_get in flat
    for source in corpus.sources:
        assert source.url in out.split()  # on one line, to be copied
        assert (source.sha256 or "") in out
    assert f"{corpus.clips:,}" in out


def test_the_list_is_json(said):
    listed = json.loads(said("list", "--json")[0])
    assert [corpus["name"] for corpus in listed] == list(CORPORA)
    one = json.loads(said("list", "MELD", "--json")[0])
    assert one == listed[list(CORPORA).index("MELD")]
    assert one["splits"] == {"train": 9989, "valid": 1109, "test": 2610}


def test_the_list_is_a_table(said, tmp_path):
    file = tmp_path / "list.csv"
    assert said("list", "--csv", file)[1] == f"{file}: 9 data sets\n"
    assert "(replaced)" in said("list", "--csv", file)[1]
    with file.open(encoding="utf-8", newline="") as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream)}
    assert list(rows) == list(CORPORA)
    assert (rows["CH-SIMS"]["least_label"], rows["CH-SIMS"]["train"]) == ("-1.0", "1368")
    assert rows["MUStARD"]["train"] == rows["MUStARD"]["hours"] == rows["UR-FUNNY"]["test"] == ""


def test_no_split_is_told_from_one_that_is_not_known(said):
    assert CORPORA["UR-FUNNY"].splits is None
    listed = {line.split()[0]: line for line in said("list")[0].splitlines()}
    assert listed["UR-FUNNY"].split()[-3] == "?"
    assert listed["MUStARD"].split()[-3] == "none"
    assert "10,166 (splits not known for certain)" in said("list", "UR-FUNNY")[0]
    assert "690 (no standard split)" in said("list", "MUStARD")[0]
    assert json.loads(said("list", "UR-FUNNY", "--json")[0])["splits"] is None


def test_a_table_that_cannot_be_written_is_told(refused, tmp_path):
    assert "give one of them" in refused("data", "list", "--json", "--csv", tmp_path / "x")
    assert "not a file in a directory" in refused("data", "list", "--csv", tmp_path)


def test_a_table_may_go_to_the_home(said, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    said("list", "--csv=~/list.csv")
    assert (tmp_path / "list.csv").is_file()


def test_help_and_typos_are_told(said, refused):
    assert "deadpan data fetch NAME" in said("fetch", "--help")[0]
    assert "did you mean 'MOSI'" in refused("data", "fetch", "MOSSI")
    assert "did you mean 'MELD'" in refused("data", "list", "MELT")


ALLOW = ["--allow_http"]  # the server of this test has no certificate


def test_what_was_fetched_is_told(said, tiny, tmp_path):
    out, err = said("fetch", "TINY", "--out", tmp_path, "--file", "a.csd", *ALLOW)
    flat = " ".join(out.split())
    assert "a.csd: 100,000 bytes, fetched" in flat
    assert hashlib.sha256(BODY).hexdigest() in flat
    folder = tmp_path / "unverified"
    assert err.splitlines() == [
        "a.csd: 100,000 bytes",
        f"{folder}/a.csd: unverified, because nobody published its SHA-256; "
        "SHA256SUMS now holds it",
        f"what is in them, and is it whole? deadpan data inspect {folder}",
    ]
    out, err = said("fetch", "TINY", "--out", tmp_path, "--file", "a.csd", *ALLOW)
    assert "was there" in " ".join(out.split())
    assert err == ""


def test_a_terminal_sees_the_bar_of_a_download(said, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    _, err = said("fetch", "TINY", "--out", tmp_path, "--file", "a.csd", *ALLOW)
    assert "100.0/100.0 kB" in err


def test_what_could_not_be_had_is_told_with_what_to_do(deadpan, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = deadpan("data", "fetch", "TINY", *ALLOW)
    assert status == 2
    assert "deadpan: error: TINY: 1 of 2 files could not be fetched (b.csd" in err
    assert "b.csd: 127.0.0.1 answers 404 Not Found" in err
    assert out.split("by hand\n")[1].splitlines() == [
        "Ask.",
        "data/TINY/b.csd",
        "    CMU",
        f"    {tiny.sources[1].url}",
        "    plain http: fetched with --allow_http only",
        "data/TINY/c.pkl",
        "    MMSA",
        f"    {tiny.sources[2].url}",
        f"    SHA-256 {'0' * 64}",
    ]
    assert (tmp_path / "data" / "TINY" / "unverified" / "a.csd").is_file()


def test_plain_http_is_refused_unless_it_is_asked_for(deadpan, tiny, tmp_path):
    status, _, err = deadpan("data", "fetch", "TINY", "--out", tmp_path, "--file", "a.csd")
    assert status == 2
    assert "plain http" in err
    assert "--allow_http" in err
    assert not (tmp_path / "unverified" / "a.csd").exists()


def test_an_interrupted_download_says_how_to_go_on(deadpan, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(api, "fetch", interrupted(api.fetch))
    status, _, err = deadpan("data", "fetch", "TINY", "--out", tmp_path)
    command = f"deadpan data fetch TINY --out {tmp_path}"
    assert (status, err) == (130, f"deadpan: interrupted; go on with: {command}\n")
