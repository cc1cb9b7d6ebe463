import csv
import dataclasses
import errno
import json

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from deadpan.analysis import explain_report, explained_run
from deadpan.analysis.explain_report import explanation_files, shown
from deadpan.analysis.explain_tables import tables
from deadpan.analysis.explanation import explain_run
from deadpan.analysis.heatmap import heatmap
from deadpan.cli import main
from deadpan.data.batching import collate
from deadpan.layers.recording import record_attention

from ..analysis.page import Page
from .conftest import DATA, SMALL

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
    rows = tables(explained)["crossmodal.csv"]
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
    rows = tables(explained)["words.csv"]
    np.testing.assert_allclose([row["run MulT (mult)"] for row in rows], found)
    assert {"alone", "audio", "vision", "audio+vision"} <= set(rows[0])


def test_what_is_said_of_the_clip(explained, trained):
    (row,) = (row for row in cells(trained / "predictions.csv") if row["id"] == CLIP)
    said = explained.verdict.predictions["HCTMG (run)"]
    assert said["sentiment"] == pytest.approx(float(row["prediction_sentiment"]), abs=1e-5)
    assert set(explained.verdict.tendencies) == {"text", "audio", "vision"}
    gaps = [verdict.gap for verdict in explained.apart]
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
        for path in explained_run.open_run(trained).model.attention_paths()
        if path.stage == "crossmodal" and path.target != "text"
    ]
    source, target = pairs[0]
    found = explain_run(trained, source=source, target=target, method=method, clip=CLIP)
    assert found.target.name == target
    assert {"crossmodal.png", "steps-self.svg"} <= set(explanation_files(found))


TEXTS = {
    "one": ["alone"],
    "120": ["word"] * 120,  # 500 of them: test_word_strips.py
    "rtl": ["שלום", "مرحبا"],
    "cjk": ["悲しい", "电影"],
    "markup": ["<script>alert(1)</script>", "\"&'", "]]>", "{{ 7*7 }}"],
    "blank": ["", " "],
}


@pytest.mark.parametrize("words", TEXTS.values(), ids=TEXTS)
def test_any_text_is_shown(trained, monkeypatch, words):
    run = explained_run.open_run(trained)
    clip = run.clips[0]
    text = np.resize(clip.sequences["text"], (len(words), run.model.widths["text"]))
    odd = dataclasses.replace(
        clip, words=tuple(words), sequences={**clip.sequences, "text": text}, times={}
    )
    splits = {**run.data.splits, "test": [odd, *run.clips[1:]]}
    data = dataclasses.replace(run.data, splits=splits)
    changed = dataclasses.replace(run, data=data)
    monkeypatch.setattr(explained_run, "open_run", lambda path: changed)
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
    run = explained_run.open_run(trained)
    lacking = dataclasses.replace(
        run.clips[0],
        sequences={m: x for m, x in run.clips[0].sequences.items() if m != "vision"},
    )
    data = dataclasses.replace(run.data, splits={**run.data.splits, "test": [lacking]})
    changed = dataclasses.replace(run, data=data)
    monkeypatch.setattr(explained_run, "open_run", lambda path: changed)
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
    assert shown({"joy": 0.7, "anger": 0.2}) == "joy 0.70"
    assert shown({"sentiment": -1.234}) == "−1.23"
