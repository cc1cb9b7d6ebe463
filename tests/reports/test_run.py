import dataclasses
import errno
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from matplotlib.figure import Figure

from deadpan.errors import RunError
from deadpan.reports.run import (
    loss_curves,
    loss_panel,
    run_facts,
    scores_verdict,
    setting_rows,
    write_report,
)
from deadpan.show.drawing import to_svg
from deadpan.training.history import EpochHistory, epoch_history, gate_history
from deadpan.training.opened import RunDirectory

from ..show.page import Page
from ..training.fake_run import LABELS, fake_run, write_csv
from ..training.test_history import HAND
from ..training.test_scores import scores

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)> \" & $\\frac{"


def page(run):
    return Page(write_report(run).read_text(encoding="utf-8"))


@pytest.fixture(scope="module", params=LABELS)
def run(request, tmp_path_factory):
    """A run with its page."""
    run = fake_run(tmp_path_factory.mktemp("reports") / request.param, request.param)
    assert write_report(run) == run / "report.html"
    return run


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    """The same, of three clips; nobody changes it."""
    run = fake_run(tmp_path_factory.mktemp("small") / "run", epochs=2, batches=1, clips=3)
    write_report(run)
    return run


@pytest.fixture
def small(small_run, tmp_path):
    """A copy of it that a test may change."""
    return shutil.copytree(small_run, tmp_path / "run")


def read(run):
    return (run / "report.html").read_text(encoding="utf-8")


def test_the_page_stands_alone(run):
    html = read(run)
    assert "http" not in html
    assert "@import" not in html
    found = Page(html)
    assert not {tag for tag, _ in found.elements} & {"script", "link", "img", "iframe", "object"}
    links = {a["href"] for a in found.all("a")}
    assert links == {
        *("scores.json", "gate.csv", "epochs.csv", "predictions.csv"),
        *("config.yaml", "environment.json"),
    }
    assert all((run / link).is_file() for link in links)
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_page_can_be_read_by_everyone(run):
    found = Page(read(run))
    assert found.all("html") == [{"lang": "en"}]
    assert any(meta.get("name") == "viewport" for meta in found.all("meta"))
    assert len(found.all("h1")) == len(found.all("title")) == 1
    figures = [a for a in found.all("div") if a.get("role") == "img"]
    assert len(figures) == len(found.all("figure")) == len(found.all("svg")) == 4
    assert all(len(figure["aria-label"]) > 40 for figure in figures)
    assert len(found.all("details")) == 2
    assert "Expression is not felt emotion" in found.text


def test_the_page_says_what_a_run_was(run):
    text = Page(read(run)).text
    config = yaml.safe_load((run / "config.yaml").read_text())
    for said in (
        "HCT-MG on",
        "540,684 parameters, seed 1",
        "frozen at epoch 16",
        "gate_learning_rate",
    ):
        assert said in text
    assert "model_options.layers" in text
    assert f"deadpan train --data {config['data']}" in text
    particular = {
        "regression": (
            "Acc-2 non0",
            "Acc-2 has0",
            "will flatter",
            "-inf set to 0: 1312",
            "sarcasm",
        ),
        "emotions": ("needed no repair", "P(truth)", "4-way Acc", "saying “absent”"),
        "classes": ("macro F1", "F1 surprise", "P(truth)", "Confusion matrix", "Most often mist"),
        "scores": ("mean MAE", "Corr vivid", "standard deviations", "Corr is Pearson’s r"),
    }
    for said in particular[run.name]:
        assert said in text
    assert ("must not be mixed" in text) == (run.name == "regression")


def test_the_best_of_each_column_is_bold(run):
    html = read(run)
    ours = re.search(r'<tr class="ours">(.*?)</tr>', html, re.DOTALL)[1]
    assert '<th scope="row">HCT-MG</th>' in ours
    bold = ours.count("<strong>")
    assert bold == {"regression": 8, "emotions": 6, "classes": 10, "scores": 4}[run.name]
    assert "<strong>70.1</strong>" in html or run.name != "regression"


def test_the_hardest_clips_are_ten(run):
    html = read(run)
    table = html[html.index('class="hard stack"') :]
    rows = re.findall(r"<tr><td class=\"id\">", table)
    assert len(rows) == 10


def test_the_same_run_gives_the_same_bytes(run):
    before = (run / "report.html").read_bytes()
    assert write_report(run).read_bytes() == before


def test_text_of_the_data_is_inert(tmp_path):
    run = fake_run(tmp_path / "run", epochs=2, batches=2, clips=5, modalities=("text", HOSTILE))
    environment = json.loads((run / "environment.json").read_text())
    environment["dataset"] |= {"name": HOSTILE, "warnings": [HOSTILE], "repairs": {HOSTILE: 1}}
    environment["command"] = HOSTILE
    (run / "environment.json").write_text(json.dumps(environment))
    config = yaml.safe_load((run / "config.yaml").read_text()) | {
        "model": HOSTILE,
        "data_options": {HOSTILE: HOSTILE},
    }
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    scores = json.loads((run / "scores.json").read_text())
    scores["rows"][2]["system"] = scores["columns"][0]["title"] = scores["split"] = HOSTILE
    (run / "scores.json").write_text(json.dumps(scores))
    header = ["id", "group", "words", "kind", "label_sentiment", "prediction_sentiment"]
    write_csv(run / "predictions.csv", header, [[HOSTILE] * 4 + [1, 2]])
    found = page(run)
    assert not found.all("script")
    assert not found.all("img")
    assert not any(name.startswith("on") for _, attributes in found.elements for name in attributes)
    assert found.text.count(HOSTILE) > 10


@pytest.mark.parametrize("task", ["classes", "scores"])
def test_names_of_labels_are_inert(tmp_path, task):
    names = (HOSTILE, "怒り\n[bold]", "x" * 300)
    run = fake_run(tmp_path / "run", task, epochs=1, batches=1, clips=9, labels=names)
    found = page(run)
    assert not found.all("script")
    assert not found.all("img")
    assert found.text.count(HOSTILE) > 1
    assert "1 = 怒り" in found.text or "2 = 怒り" in found.text


def test_a_single_sentiment_on_another_scale_has_both_conventions(tmp_path):
    run = fake_run(tmp_path / "run", "scores", epochs=1, clips=9, labels=("sentiment",))
    assert "must not be mixed" in page(run).text


def test_a_task_that_nobody_knows(tmp_path):
    run = fake_run(tmp_path / "run", epochs=1, clips=2)
    environment = json.loads((run / "environment.json").read_text()) | {"task": "clases"}
    (run / "environment.json").write_text(json.dumps(environment))
    with pytest.raises(
        RunError, match=r"environment\.json holds an unknown task 'clases'; did you"
    ):
        write_report(run)


def test_text_that_is_not_unicode_is_replaced(tmp_path):
    run = fake_run(tmp_path / "run", epochs=1, clips=2)
    environment = json.loads((run / "environment.json").read_text())
    environment["dataset"]["name"] = "\ud800"
    (run / "environment.json").write_text(json.dumps(environment))
    assert "HCT-MG on ?" in page(run).text


ONE, FOUR = ("vision",), ("eeg", "gaze", "text", "voice")


# The panels of a task know no gate and no modality, and the other way round.
@pytest.mark.parametrize(
    ("task", "gate", "modalities"),
    [(task, task in ("regression", "classes"), ONE) for task in LABELS]
    + [("regression", gate, FOUR) for gate in (True, False)],
)
def test_the_smallest_run_has_a_page(tmp_path, task, gate, modalities):
    small = {"epochs": 1, "batches": 1, "clips": 1, "kinds": ()}
    found = page(fake_run(tmp_path / "run", task, gate=gate, modalities=modalities, **small))
    assert len(found.all("svg")) == (4 if gate else 2)
    assert ("no gate" in found.text) is not gate


FILES = ["config.yaml", "environment.json", "epochs.csv", "scores.json", "predictions.csv"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("fault", ["missing", "empty", "binary", "truncated"])
def test_a_broken_run_is_refused_and_the_old_page_kept(small, name, fault):
    run, before = small, (small / "report.html").read_bytes()
    path = run / name
    content = path.read_bytes()
    path.unlink()
    if fault != "missing":
        # Cut where the cell, string or mapping is unfinished.
        cut = content[: content.rindex(b",") if b"," in content else content.index(b"\n") - 1]
        path.write_bytes({"empty": b"", "binary": b"\xff\x00\xfe", "truncated": cut}[fault])
    with pytest.raises(RunError) as refusal:
        write_report(run)
    message = str(refusal.value)
    assert name in message
    assert "\n" not in message
    if name in ("scores.json", "predictions.csv"):
        assert f"run `deadpan evaluate {run}` first" in message
    assert (run / "report.html").read_bytes() == before


def test_a_run_that_is_not_there(tmp_path):
    with pytest.raises(RunError, match="nowhere: no run here"):
        write_report(tmp_path / "nowhere")


def test_a_full_disk_leaves_the_old_page_and_no_litter(small, monkeypatch):
    run, before = small, (small / "report.html").read_bytes()
    names = sorted(run.iterdir())

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        RunError, match=r"report\.html cannot be written \(No space left on device\)"
    ):
        write_report(run)
    assert (run / "report.html").read_bytes() == before
    assert sorted(run.iterdir()) == names


def test_drawing_is_paid_for_only_when_drawn():
    script = (
        "import sys, deadpan.reports.run, deadpan.training.history;"
        "sys.exit(bool({'matplotlib', 'jinja2'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.fixture
def two_epochs(tmp_path):
    return fake_run(tmp_path / "run", epochs=2, batches=3)


def facts_of(run, gate, **changes):
    history = dataclasses.replace(epoch_history(run / "epochs.csv"), **changes)
    files = RunDirectory(run)
    found = run_facts(files.environment(), files.settings(), history, gate)
    return {fact.term: fact for fact in found}


def test_the_facts_of_a_run(two_epochs):
    found = facts_of(
        two_epochs, gate_history(two_epochs / "gate.csv", epoch_history(two_epochs / "epochs.csv"))
    )
    assert found["Data"].note == "clips: train 1284, valid 229, test 686"
    assert found["Model"].note == "540,684 parameters, seed 1"
    assert found["Training"].note == "best: epoch 2, 7 s"
    assert found["Primary modality"].value == RunDirectory(two_epochs).gate().primary
    assert found["Primary modality"].note == "frozen at epoch 2"


def test_the_primary_modality_is_that_of_the_weights_that_are_scored(two_epochs):
    fact = facts_of(two_epochs, HAND, best_epoch=1)["Primary modality"]
    assert fact.value == "audio"
    assert fact.note == "in epoch 1, the one scored; text at the end, frozen at epoch 2"
    assert facts_of(two_epochs, HAND, best_epoch=None)["Primary modality"].value == "text"


def test_a_gate_per_clip_has_no_one_primary_modality(two_epochs):
    gate = dataclasses.replace(HAND, per_clip=True)
    fact = facts_of(two_epochs, gate)["Primary modality"]
    assert (fact.value, fact.note) == ("mixed per clip", "largest mean weight: text")


def test_the_model_is_named_by_its_title(two_epochs):
    assert facts_of(two_epochs, None)["Model"].value == "HCT-MG"


def test_no_gate(two_epochs):
    fact = facts_of(two_epochs, None)["Primary modality"]
    assert (fact.value, fact.note) == ("no gate", "uses text, audio, vision")


def test_the_verdict_counts_columns_won(tmp_path):
    read = RunDirectory(fake_run(tmp_path / "emotions", "emotions", epochs=1)).scores()
    expected = "On 686 test clips, HCT-MG is best in 6 of 9 columns, beside majority and ridge."
    assert scores_verdict(read, "HCTMG") == expected


def test_the_verdict_names_every_other_system():
    table = scores(ours=(0.9, 0.5), a=(1.0, 0.6), b=(1.1, 0.7), c=(1.2, 0.4))
    expected = "On 5 test clips, ours is best in 1 of 2 columns, beside a, b and c."
    assert scores_verdict(table, "ours") == expected
    assert scores_verdict(scores(ours=(0.9, 0.5)), "ours") == "Scored on 5 test clips."
    assert scores_verdict(table, "another") == "Scored on 5 test clips."


def test_nested_settings_become_rows():
    values = {"a": {"b": 1, "c": {"d": None}}, "e": ["x", "y"], "f": [], "g": {}, "h": False}
    assert dict(setting_rows(values)) == {
        "a.b": "1",
        "a.c.d": "none",
        "e": "x, y",
        "f": "none",
        "g": "none",
        "h": "False",
    }


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def epochs(train, valid, best):
    return EpochHistory(
        epochs=np.arange(1, len(train) + 1),
        train_loss=np.array(train, dtype=float),
        valid_loss=np.array(valid, dtype=float),
        seconds=np.ones(len(train)),
        best_epoch=best,
        frozen_epoch=None,
    )


def test_losses_with_the_best_epoch_marked():
    figure = Figure()
    loss_curves(figure, epochs([3, 2, 1], [3, 1.5, 2], best=2), "L1", "L1")
    (axes,) = figure.axes
    drawn = lines(axes)
    assert drawn["train"].get_ydata().tolist() == [3, 2, 1]
    assert drawn["valid"].get_xydata().tolist() == [[1, 3], [2, 1.5], [3, 2]]
    assert drawn["best: epoch 2, 1.500"].get_xydata().tolist() == [[2, 1.5]]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss (L1)")


def test_losses_of_two_kinds_have_an_axis_each():
    figure = Figure()
    loss_curves(figure, epochs([3, 2, 1], [3, 1.5, 2], best=2), "L1", "smooth L1")
    axes, training = figure.axes
    assert list(lines(training)) == ["train"]
    assert "valid" in lines(axes)
    assert axes.get_ylabel() == "validation loss (L1)"
    assert training.get_ylabel() == "training loss (smooth L1)"


@pytest.mark.parametrize("values", [[1.0], [np.nan, np.nan], [np.inf, 1.0], [1.0, 1.0]])
@pytest.mark.parametrize("best", [None, 1])
def test_whatever_losses_are_drawn(values, best):
    curves = epochs(values, values, best)
    assert "<path" in to_svg("loss", lambda figure: loss_curves(figure, curves, "L1", "L1"))


def test_what_the_loss_did_in_words():
    late = loss_panel(epochs([2, 1], [2, 1], best=2), "L1", "L1").finding
    assert late.endswith("1.000, at epoch 2, whose weights are the ones scored.")
    early = loss_panel(epochs([2, 1], [1, 2], best=1), "L1", "L1").finding
    assert early.endswith("scored; 1 later epoch did not improve it.")
    none = loss_panel(epochs([2, 1], [1, 2], best=None), "nats", "nats").finding
    assert none == "No epoch of 2 improved the validation loss."
