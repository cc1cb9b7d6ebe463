"""studies/accuracy/missing.py: its grid, the steps that it drops, its tables from small runs."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import yaml

from deadpan.benchmarking.grid import read_grid
from deadpan.data.dataset import Clip
from deadpan.training.evaluation import labels_of, predict_clips
from deadpan.training.opened import open_run
from deadpan.training.settings import read_configuration
from tests.training.tiny import DATA, rows

SCRIPT = Path(__file__).parents[2] / "studies/accuracy/missing.py"
GRID = SCRIPT.with_suffix(".yaml")
RECOMMENDED = ("recommended", "recommended, modality dropout")
TINY = {
    "seeds": [1, 2],
    "data": {"controlled": {"data": "controlled", "data_options": DATA, "epochs": 1}},
    "systems": {"pool": {"model": "AttentionPool", "loss": "distribution"}},
}


@pytest.fixture(scope="module")
def missing():
    spec = importlib.util.spec_from_file_location("missing_modalities", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def settings_of(grid, system, data):
    return grid.settings_of(data, system, seed=0, fold=None).to_dict()


def test_the_grid_recommends_what_the_package_does():
    grid = read_grid(GRID, only=["controlled"])
    wanted = read_configuration("recommended")
    plain, dropping = (settings_of(grid, system, "controlled") for system in RECOMMENDED)
    paper = settings_of(grid, "HCT-MG", "controlled")
    options = paper["model_options"] | wanted["model_options"]
    assert plain == {**paper, **wanted, "model_options": options}
    assert dropping == {**plain, "model_options": options | {"modality_dropout": 0.15}}
    assert (paper["epochs"], paper["patience"]) == (80, 12)


def test_emotions_are_trained_alike(shared):
    grid = read_grid(GRID)
    assert list(grid.systems) == [*RECOMMENDED, "HCT-MG", "MulT", "LF-LSTM"]
    for system in grid.systems:
        settings = settings_of(grid, system, "ravdess4")
        assert settings["learning_rate"] == 0.0005
        assert settings["model_options"].get("relu_dropout", 0.2) == 0.2


def clip(steps, name="a clip"):
    sequences = {m: np.arange(n, dtype=np.float32)[:, None] for m, n in steps.items()}
    return Clip(id=name, sequences=sequences, label=np.zeros(1, np.float32))


def steps_of(clip):
    return {name: x[:, 0].tolist() for name, x in clip.sequences.items()}


def test_steps_are_dropped_at_their_rate_and_alike_for_every_system(missing):
    whole = clip({"text": 4000, "audio": 4000})
    assert steps_of(missing.thinned(whole, 0.0)) == steps_of(whole)
    kept = steps_of(missing.thinned(whole, 0.3))
    assert kept == steps_of(missing.thinned(whole, 0.3))
    assert all(abs(len(steps) / 4000 - 0.7) < 0.03 for steps in kept.values())
    assert all(steps == sorted(steps) for steps in kept.values())
    assert kept["text"] != kept["audio"]
    another = missing.thinned(clip({"text": 4000}, "another"), 0.3)
    assert steps_of(another)["text"] != kept["text"]
    at_another_rate = steps_of(missing.thinned(whole, 0.4))
    assert not set(at_another_rate["text"]) <= set(kept["text"])


def test_a_clip_never_loses_its_last_step(missing):
    for name in map(str, range(20)):
        left = missing.thinned(clip({"text": 2, "vision": 3}, name), 0.9999).sequences
        assert [len(x) for x in left.values()] == [1]


def test_runs_become_rows_means_and_a_figure(missing, tmp_path, monkeypatch):
    config, runs = tmp_path / "grid.yaml", tmp_path / "runs"
    config.write_text(yaml.safe_dump(TINY))
    arguments = ["--config", config, "--out", tmp_path, "--runs", runs, "--workers", "1"]
    monkeypatch.setattr("sys.argv", ["missing.py", *map(str, arguments)])
    missing.main()

    constant, *table = rows(tmp_path / "missing.csv")
    assert (constant["system"], constant["modalities"]) == ("train mean", "")
    assert len(table) == 2 * (7 + 9)
    value = {(r["seed"], r["modalities"], r["missing"]): float(r["mae"]) for r in table}
    assert len(value) == len(table)
    assert all(row["commit"] for row in table)
    whole = "text+audio+vision"
    opened = [open_run(path) for path in (runs / "grid" / "runs").glob("*/*/*")]
    assert len(opened) == 2
    for run in opened:
        seed = str(run.settings.seed)
        assert value[seed, whole, "0.0"] == run.files.scores().rows[-1].metrics["mae"]
        text = run.data.only(["text"])["test"]
        outputs = predict_clips(run.model, text, run.model.widths)
        wanted = run.task.metrics(outputs, labels_of(text))["mae"]
        assert value[seed, "text", "0.0"] == pytest.approx(wanted, abs=1e-6)
    page = (tmp_path / "missing.md").read_text()
    lines = [line.split(" | ") for line in page.splitlines() if line.startswith("| pool")]
    assert [len(line) for line in lines] == [2 + 10, 2 + 7]
    pair = [value[seed, whole, "0.9"] for seed in "12"]
    mean, deviation = np.mean(pair), np.std(pair, ddof=1)
    assert lines[0][-1] == f"{mean:.3f} ± {deviation:.3f} |"
    assert f"(train mean) has {float(constant['mae']):.3f}" in page
    assert "<svg" in (tmp_path / "missing.svg").read_text()
    assert (tmp_path / "missing.png").read_bytes().startswith(b"\x89PNG")
